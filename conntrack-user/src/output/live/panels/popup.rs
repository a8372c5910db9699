//! A popup box.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Block, BorderType, Clear, Widget as _},
};

use crate::output::live::{app::App, panels::pieces};

/// Draws lines in a centered box, as large as needed and possible, from the line that was scrolled to.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer, title: &str, lines: &[Line<'_>]) {
    let widest = lines.iter().map(Line::width).max().unwrap_or(0);
    let size = |n: usize, most: u16| u16::try_from(n).unwrap_or(u16::MAX).min(most);
    let width = size(widest.max(title.len() + 2) + 4, area.width);
    let height = size(lines.len() + 2, area.height);
    let place = Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    };
    if width < 5 || height < 3 {
        return;
    }
    Clear.render(place, buffer);
    let block = Block::bordered()
        .border_type(BorderType::Rounded)
        .border_style(app.theme.rule())
        .title(Line::styled(format!(" {title} "), app.theme.title()));
    let inside = block.inner(place);
    block.render(place, buffer);
    let inside = Rect {
        x: inside.x + 1,
        width: inside.width.saturating_sub(2),
        ..inside
    };
    let last = lines.len().saturating_sub(inside.height.into());
    pieces::lines(buffer, inside, &lines[app.view.popup_line.min(last)..]);
}
