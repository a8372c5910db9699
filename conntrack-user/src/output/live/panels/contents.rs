//! The popup of what the table is made of, and what limits it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::output::{
    contents::{limit_lines, other_lines, table_lines},
    format::wrap::wrapped,
    live::{app::App, panels::popup},
};

/// What says that nothing was listed.
const NONE: &str = "the entries were not listed: that takes --top, and CAP_NET_ADMIN";

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    // As they were at the moment that is shown.
    let known = app.instance().map(|instance| instance.contents(app.end()));
    let (contents, limits) = known.unwrap_or_default();
    let mut lines: Vec<Line<'_>> = Vec::new();
    // The headline, and that of the table.
    for (at, text) in contents.map(table_lines).into_iter().flatten().enumerate() {
        lines.push(match at {
            0 | 1 => Line::styled(text, theme.muted()),
            _ => Line::raw(text),
        });
    }
    let width = usize::from(area.width.saturating_sub(4)).max(1);
    let mut facts = contents.map(other_lines).unwrap_or_default();
    facts.extend(limits.map(limit_lines).unwrap_or_default());
    if lines.is_empty() && facts.is_empty() {
        facts.push(NONE.to_owned());
    }
    let facts = facts.iter().flat_map(|text| wrapped(text, width));
    lines.extend(facts.map(Line::raw));
    popup::draw(app, area, buffer, "What the table is made of", &lines);
}
