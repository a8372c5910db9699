//! The popup of what the table is made of, and what limits it.

use ratatui::{buffer::Buffer, layout::Rect, text::Line};

use crate::output::{
    contents::{limit_lines, lines},
    live::{app::App, panels::popup},
};

/// What says that nothing was listed.
const NONE: &str = "the entries were not listed: that takes --top, and CAP_NET_ADMIN";

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = app.theme;
    // As they were at the moment that is shown.
    let known = app.instance().map(|instance| instance.contents(app.end()));
    let (contents, limits) = known.unwrap_or_default();
    let mut text = contents.map(lines).unwrap_or_default();
    text.extend(limits.map(limit_lines).unwrap_or_default());
    if text.is_empty() {
        text.push(NONE.to_owned());
    }
    // Long lines of timeouts are for a box that is narrower than the terminal.
    let width = usize::from(area.width.saturating_sub(4)).max(1);
    let text = text.iter().flat_map(|line| match line.chars().count() {
        count if count > width && line.contains(", ") => {
            crate::output::format::wrap::wrapped(line, width)
        }
        _ => vec![line.clone()],
    });
    let lines: Vec<Line<'_>> = text
        .enumerate()
        .map(|(at, line)| match at {
            0 | 1 => Line::styled(line, theme.muted()),
            _ => Line::raw(line),
        })
        .collect();
    popup::draw(app, area, buffer, "What the table is made of", &lines);
}
