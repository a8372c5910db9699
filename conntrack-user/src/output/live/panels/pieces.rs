//! What several panels are made of.

use jiff::Timestamp;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::history::{Nanos, window::Window},
    output::live::{app::App, theme::Theme},
};

/// Lines from the top of an area on. What does not fit ends in an ellipsis.
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

/// One line, as far as there is room.
pub(super) fn line(buffer: &mut Buffer, area: Rect, line: &Line<'_>) {
    if !area.is_empty() {
        buffer.set_line(area.x, area.y, line, area.width);
    }
}

/// One line at the right end of an area; gives what is left of it.
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

/// A title with a rule after it.
pub(super) fn title(buffer: &mut Buffer, area: Rect, theme: Theme, parts: Vec<Span<'_>>) {
    let mut text = Line::from(parts);
    let used = text.width() + 1;
    let rest = usize::from(area.width).saturating_sub(used);
    text.push_span(Span::raw(" "));
    text.push_span(Span::styled("─".repeat(rest), theme.rule()));
    line(buffer, area, &text);
}

/// The window that a plot of so many columns shows.
pub(super) fn window(app: &App, columns: usize) -> Window {
    Window::ending(app.end(), app.view.span(), columns)
}

/// The UTC time of day, with so many digits of a second.
pub(super) fn clock(time: Nanos, digits: usize) -> String {
    let Ok(time) = Timestamp::from_nanosecond(time.into()) else {
        return "?".to_owned();
    };
    let text = format!("{}", time.strftime("%H:%M:%S%.9f"));
    let cut = text.len() - if digits == 0 { 10 } else { 9 - digits.min(9) };
    text[..cut].to_owned()
}

/// A length of time in its best unit.
pub(super) fn duration(length: Nanos) -> String {
    let length = length as f64;
    for (unit, name) in [
        (3.6e12, "h"),
        (6e10, "min"),
        (1e9, "s"),
        (1e6, "ms"),
        (1e3, "µs"),
    ] {
        let value = length / unit;
        if value >= 0.9995 {
            return if value < 9.95 && (value - value.round()).abs() > 0.005 {
                format!("{value:.1} {name}")
            } else {
                format!("{value:.0} {name}")
            };
        }
    }
    format!("{length:.0} ns")
}

/// Text broken into lines of a width, at blanks where there are any.
pub(super) fn wrapped(text: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut current = String::new();
    for word in text.split(' ') {
        let room = width.saturating_sub(current.chars().count());
        if !current.is_empty() && word.chars().count() + 1 > room {
            lines.push(Line::styled(std::mem::take(&mut current), style));
        }
        if !current.is_empty() {
            current.push(' ');
        }
        current.push_str(word);
    }
    lines.push(Line::styled(current, style));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        let time = 1_767_323_045_678_901_000;
        assert_eq!(clock(time, 0), "03:04:05");
        assert_eq!(clock(time, 3), "03:04:05.678");
        assert_eq!(clock(time, 6), "03:04:05.678901");
    }

    #[test]
    fn lengths_of_time() {
        for (length, text) in [
            (50_000_000, "50 ms"),
            (1_048_576, "1.0 ms"),
            (1_500_000_000, "1.5 s"),
            (60_000_000_000, "1 min"),
            (3_600_000_000_000, "1 h"),
            (543, "543 ns"),
        ] {
            assert_eq!(duration(length), text);
        }
    }

    #[test]
    fn lines_break_at_blanks() {
        let lines = wrapped("one two three", 8, Style::new());
        let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["one two", "three"]);
    }
}
