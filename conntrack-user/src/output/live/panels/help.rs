//! The popup of the help.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::output::live::{app::App, keys, panels::popup};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let help = keys::help(&app.bindings, app.view.playback.is_some());
    let lines: Vec<Line<'_>> = help
        .into_iter()
        .map(|help| {
            Line::from(vec![
                Span::styled(format!("{:<14}", help.keys), app.theme.key()),
                Span::raw(help.does),
            ])
        })
        .collect();
    popup::draw(app, area, buffer, "Keys", &lines);
}
