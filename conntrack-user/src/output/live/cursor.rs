//! The cursor in the tables of top talkers and among the events.

use ratatui::crossterm::event::KeyCode;

use crate::{
    output::live::{
        app::App,
        event_lines::{EventLine, event_lines},
        input::ViewRequest,
        state::{Cursor, CursorList, ScreenLayout, TopOrder},
        talkers::{talker_filter, talker_tables},
    },
    text::Plain,
};

/// Rows by which a page key moves.
const PAGE: isize = 10;

/// The last line of a popup that can be the first one shown: all but the longest are shorter.
const LAST_LINE: usize = 60;

/// The row under the cursor.
struct ChosenRow {
    copy: String,
    filter: Option<String>,
}

impl App {
    /// The cursor, if it is among the events.
    pub(super) fn event_cursor(&self) -> Option<&Cursor> {
        let cursor = self.view.cursor.as_ref();
        cursor.filter(|cursor| cursor.list == CursorList::Events)
    }

    /// The cursor, if it is in a table of top talkers, and the index of that.
    pub(super) fn top_cursor(&self) -> Option<(&Cursor, usize)> {
        let cursor = self.view.cursor.as_ref()?;
        let CursorList::Table { by, of } = &cursor.list else {
            return None;
        };
        let tables = talker_tables(self);
        let mut tables = tables.iter();
        let at = tables.position(|t| t.table.by == *by && t.table.of == *of);
        // A table whose rows are gone is not shown.
        Some((cursor, at.unwrap_or_default()))
    }

    /// Moves the cursor into the tables, or out of them.
    pub(super) fn toggle_top_cursor(&mut self) {
        if self.top_cursor().is_some() {
            self.leave_lists();
        } else if talker_tables(self).is_empty() {
            self.hint("there are no top talkers to choose from".into());
        } else {
            self.go_to_table(0);
        }
    }

    /// Moves the cursor among the events, or away from them.
    pub(super) fn toggle_event_cursor(&mut self) {
        if self.event_cursor().is_some() {
            self.leave_lists();
        } else if event_lines(self).next().is_none() {
            self.hint("there are no events to choose from".into());
        } else {
            self.enter(CursorList::Events);
            self.go_to_row(0);
        }
    }

    /// Takes the cursor away, and shows what was shown before; returns whether there was one.
    pub(super) fn leave_lists(&mut self) -> bool {
        let Some(cursor) = self.view.cursor.take() else {
            return false;
        };
        (self.view.layout, self.view.focus) = cursor.before;
        true
    }

    /// Puts the cursor on an event that is shown.
    pub(super) fn point_at_event(&mut self, row: usize) {
        self.put_into(CursorList::Events);
        self.go_to_row(row);
    }

    /// Puts the cursor on a talker that is shown.
    pub(super) fn point_at_talker(&mut self, table: usize, row: usize) {
        let list = self.list_at(table);
        self.put_into(list);
        self.go_to_row(row);
    }

    fn enter(&mut self, list: CursorList) {
        self.put_into(list);
        // There the lists have the most room.
        self.view.layout = ScreenLayout::Lists;
        self.view.focus = None;
    }

    fn put_into(&mut self, list: CursorList) {
        let before = match self.view.cursor.take() {
            Some(cursor) => cursor.before,
            None => (self.view.layout, self.view.focus),
        };
        self.view.cursor = Some(Cursor {
            list,
            row: 0,
            identity: String::new(),
            before,
        });
    }

    /// Handles a key in a popup of text; returns whether it was used.
    pub(super) fn scroll_popup(&mut self, key: KeyCode) -> bool {
        let by = match key {
            KeyCode::Up => -1,
            KeyCode::Down => 1,
            KeyCode::PageUp => -PAGE,
            KeyCode::PageDown => PAGE,
            _ => return false,
        };
        let line = self.view.popup_line.saturating_add_signed(by);
        self.view.popup_line = line.min(LAST_LINE);
        true
    }

    /// Handles a key in a list; returns whether it was used.
    pub(super) fn move_cursor(&mut self, key: KeyCode) -> bool {
        if self.view.cursor.is_none() {
            return false;
        }
        match key {
            KeyCode::Up => self.by_rows(-1),
            KeyCode::Down => self.by_rows(1),
            KeyCode::PageUp => self.by_rows(-PAGE),
            KeyCode::PageDown => self.by_rows(PAGE),
            KeyCode::Home => self.go_to_row(0),
            KeyCode::End => self.go_to_row(usize::MAX),
            KeyCode::Left | KeyCode::BackTab => self.by_lists(-1),
            KeyCode::Right | KeyCode::Tab => self.by_lists(1),
            KeyCode::Enter => self.filter_by_chosen(),
            KeyCode::Char('y') => self.copy_chosen(),
            KeyCode::Char('s') => self.sort_tables(),
            _ => return false,
        }
        true
    }

    fn sort_tables(&mut self) {
        self.view.top_order = match self.view.top_order {
            TopOrder::Count => TopOrder::Key,
            TopOrder::Key => TopOrder::Count,
        };
        let order = match self.view.top_order {
            TopOrder::Count => "tables are sorted by count",
            TopOrder::Key => "tables are sorted by key",
        };
        self.hint(order.into());
    }

    /// What identifies each row of the list that the cursor is in.
    fn identities(&self) -> Vec<String> {
        match self.top_cursor() {
            Some((_, at)) => {
                let mut tables = talker_tables(self);
                match at < tables.len() {
                    true => {
                        let rows = tables.swap_remove(at).rows;
                        rows.iter().map(|row| row.key.raw().to_owned()).collect()
                    }
                    false => Vec::new(),
                }
            }
            None => event_lines(self).map(|line| line.identity()).collect(),
        }
    }

    pub(super) fn by_rows(&mut self, by: isize) {
        let identities = self.identities();
        let cursor = self.view.cursor.as_ref();
        let at = cursor.and_then(|cursor| cursor.row_in(identities.iter()));
        self.go_to_row(at.unwrap_or_default().saturating_add_signed(by));
    }

    /// Moves the cursor to a row, or to the last one.
    fn go_to_row(&mut self, row: usize) {
        let mut identities = self.identities();
        let row = row.min(identities.len().saturating_sub(1));
        if let Some(cursor) = &mut self.view.cursor {
            cursor.row = row;
            cursor.identity = match row < identities.len() {
                true => identities.swap_remove(row),
                false => String::new(),
            };
        }
    }

    /// Moves the cursor to another list: the tables one after the other, then the events.
    fn by_lists(&mut self, by: isize) {
        let tables = talker_tables(self).len();
        let at = self.top_cursor().map_or(tables, |(_, at)| at);
        let lists = isize::try_from(tables + 1).unwrap_or(isize::MAX);
        let next = (isize::try_from(at).unwrap_or_default() + by).rem_euclid(lists);
        self.go_to_table(usize::try_from(next).unwrap_or_default());
    }

    /// Moves the cursor to a table, or behind the last one to the events.
    fn go_to_table(&mut self, table: usize) {
        let list = self.list_at(table);
        self.enter(list);
        self.go_to_row(0);
    }

    fn list_at(&self, table: usize) -> CursorList {
        match talker_tables(self).get(table) {
            Some(talkers) => CursorList::Table {
                by: talkers.table.by.clone(),
                of: talkers.table.of.clone(),
            },
            None => CursorList::Events,
        }
    }

    fn chosen_row(&self) -> Option<ChosenRow> {
        let identities = self.identities();
        let row = self.view.cursor.as_ref()?.row_in(identities.iter())?;
        Some(match self.top_cursor() {
            Some((_, at)) => {
                let tables = talker_tables(self);
                let talkers = tables.get(at)?;
                let talker = talkers.rows.get(row)?;
                ChosenRow {
                    copy: talker.key.to_string(),
                    filter: talker_filter(talkers.table, talker),
                }
            }
            None => {
                let line: EventLine<'_> = event_lines(self).nth(row)?;
                ChosenRow {
                    copy: Plain(&line.to_copy()).to_string(),
                    filter: line.filter(),
                }
            }
        })
    }

    /// Filters events by the chosen row; the second time, shows all again.
    fn filter_by_chosen(&mut self) {
        let Some(row) = self.chosen_row() else {
            return;
        };
        let Some(text) = row.filter else {
            self.hint("events cannot be filtered by that".into());
            return;
        };
        let text = if self.view.search_text == text {
            String::new()
        } else {
            text
        };
        match text.parse() {
            Ok(search) => {
                let hint = match text.is_empty() {
                    true => "all events".to_owned(),
                    false => format!("filter: {text} (Enter again: all events)"),
                };
                self.view.search = search;
                self.view.search_text = text;
                self.hint(hint.into());
            }
            Err(error) => self.hint(error.to_string().into()),
        }
    }

    fn copy_chosen(&mut self) {
        if let Some(row) = self.chosen_row() {
            self.hint(format!("to the clipboard, if the terminal lets us: {}", row.copy).into());
            self.request(ViewRequest::Copy(row.copy));
        }
    }
}
