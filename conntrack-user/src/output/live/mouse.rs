//! The mouse, where the user wants it.

use ratatui::{
    crossterm::event::{MouseButton, MouseEvent, MouseEventKind},
    layout::{Position, Rect},
};

use crate::output::live::{
    app::App,
    panels::{Hit, hit},
};

/// Rows by which the wheel moves in a list.
const WHEEL: isize = 3;

impl App {
    /// Handles the mouse on a screen of this size: the wheel zooms and moves in lists, a click chooses a chart or a row.
    pub(super) fn mouse(&mut self, event: MouseEvent, screen: Rect) {
        // What is on top covers what is below, and is closed by keys.
        if self.view.overlay.is_some() || self.view.prompt.is_some() {
            return;
        }
        let at = hit(self, screen, Position::new(event.column, event.row));
        match (event.kind, at) {
            (MouseEventKind::Down(MouseButton::Left), Some(Hit::Chart(chart))) => {
                self.focus_or_all(chart);
            }
            (MouseEventKind::Down(MouseButton::Left), Some(Hit::Events(Some(row)))) => {
                self.point_at_event(row);
            }
            (MouseEventKind::Down(MouseButton::Left), Some(Hit::Talkers(Some((table, row))))) => {
                self.point_at_talker(table, row);
            }
            (MouseEventKind::ScrollUp, Some(Hit::Chart(_))) => self.zoom_in(),
            (MouseEventKind::ScrollDown, Some(Hit::Chart(_))) => self.zoom_out(),
            (MouseEventKind::ScrollUp, Some(list)) => self.roll(list, -WHEEL),
            (MouseEventKind::ScrollDown, Some(list)) => self.roll(list, WHEEL),
            (MouseEventKind::ScrollLeft, Some(Hit::Chart(_))) => {
                self.scroll(-self.view.span() / 4);
            }
            (MouseEventKind::ScrollRight, Some(Hit::Chart(_))) => {
                self.scroll(self.view.span() / 4);
            }
            _ => {}
        }
    }

    /// Moves the cursor in a list, which it is put into if it is not there yet.
    fn roll(&mut self, list: Hit, by: isize) {
        match list {
            Hit::Events(_) if self.event_cursor().is_none() => self.point_at_event(0),
            Hit::Talkers(at) if self.top_cursor().is_none() => {
                let (table, row) = at.unwrap_or_default();
                self.point_at_talker(table, row);
            }
            _ => self.by_rows(by),
        }
    }
}
