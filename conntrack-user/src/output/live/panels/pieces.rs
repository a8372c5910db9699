//! Helpers that several panels use.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::history::window::Window,
    output::live::{app::App, theme::Theme},
};

/// Draws lines from the top of an area. The last one ends in an ellipsis if they do not fit.
pub(super) fn lines(buffer: &mut Buffer, area: Rect, lines: &[Line<'_>]) {
    for (y, line) in (area.top()..area.bottom()).zip(lines) {
        buffer.set_line(area.x, y, line, area.width);
        if line.width() > usize::from(area.width)
            && let Some(last) = area.right().checked_sub(1)
            && let Some(cell) = buffer.cell_mut((last, y))
        {
            cell.set_symbol("…");
        }
    }
}

/// Draws one line, if it fits.
pub(super) fn line(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    if !area.is_empty() {
        buffer.set_line(area.x, area.y, line, area.width);
    }
}

/// Draws one line at the right end of an area; returns the rest of the area.
pub(super) fn at_right(buffer: &mut Buffer, area: Rect, text: &Line<'_>) -> Rect {
    let width = u16::try_from(text.width())
        .unwrap_or(u16::MAX)
        .min(area.width);
    let x = area.right() - width;
    line(buffer, Rect { x, width, ..area }, text);
    Rect {
        width: area.width - width,
        ..area
    }
}

/// Draws a title followed by a rule.
pub(super) fn title(buffer: &mut Buffer, area: Rect, theme: Theme, parts: Vec<Span<'_>>) {
    let mut text = Line::from(parts);
    let used = text.width() + 1;
    let rest = usize::from(area.width).saturating_sub(used);
    text.push_span(Span::raw(" "));
    text.push_span(Span::styled("─".repeat(rest), theme.rule()));
    line(buffer, area, &text);
}

/// The window of a plot with this many columns.
pub(super) fn window(app: &App, columns: usize) -> Window {
    Window::ending(app.end(), app.view.span(), columns)
}

/// Wraps text at blanks to lines of this width.
pub(super) fn wrapped(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    textwrap::wrap(text, width.max(1))
        .into_iter()
        .map(|line| Line::styled(line.into_owned(), style))
        .collect()
}

/// The first row of a list to show, so that the row under the cursor is in the middle, if there is so much before and after it.
pub(super) fn first_shown(chosen: Option<usize>, count: usize, room: usize) -> usize {
    let before = chosen.unwrap_or(0).saturating_sub(room / 2);
    before.min(count.saturating_sub(room))
}

/// A line under the cursor, over the whole width.
pub(super) fn chosen<'a>(app: &App, mut line: Line<'a>, width: u16) -> Line<'a> {
    let rest = usize::from(width).saturating_sub(line.width());
    line.push_span(Span::raw(" ".repeat(rest)));
    // One style for all: colours of parts are hard to read when they are reversed.
    for span in &mut line.spans {
        span.style = app.theme.chosen();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_under_the_cursor_is_shown() {
        for (chosen, count, room, first) in [
            (0, 10, 4, 0),
            (2, 10, 4, 0),
            (5, 10, 4, 3),
            (9, 10, 4, 6),
            (2, 3, 4, 0),
            (9, 10, 1, 9),
            (0, 0, 0, 0),
        ] {
            assert_eq!(
                first_shown(Some(chosen), count, room),
                first,
                "{chosen} of {count}"
            );
        }
    }

    #[test]
    fn lines_break_at_blanks() {
        let wrapped = |text| -> Vec<String> {
            let lines = wrapped(text, 8, Style::new());
            lines.iter().map(ToString::to_string).collect()
        };
        assert_eq!(wrapped("one two three"), ["one two", "three"]);
        // Long words are split.
        assert_eq!(wrapped("a 0123456789"), ["a", "01234567", "89"]);
        assert_eq!(wrapped(""), [""]);
    }
}
