//! Top talkers by several measures.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{history::TopsAt, record::TopTable},
    output::{
        format::{
            duration,
            number::{amount, whole_percent},
        },
        live::{app::App, panels::pieces},
    },
};

/// The width of a table.
const WIDTH: u16 = 30;

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(instance) = app.instance().filter(|_| !area.is_empty()) else {
        return;
    };
    // As they were at the moment that is shown.
    let tops = instance.tops(app.end());
    let theme = app.theme;
    let mut parts = vec![Span::styled("Top talkers", theme.title())];
    if let Some(window) = tops.window_s() {
        let text = format!(" of {}, and of entries held", duration::seconds(window));
        parts.push(Span::styled(text, theme.muted()));
    }
    if area.height == 1 {
        pieces::lines(buffer, area, &[first_sources(app, tops)]);
        return;
    }
    pieces::title(buffer, area, theme, parts);
    let tables = tops.tables();
    let rows = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    if tables.is_empty() {
        pieces::line(buffer, rows, &Line::styled(none(tops), theme.muted()));
        return;
    }
    let count = (area.width / WIDTH).clamp(1, u16::try_from(tables.len()).unwrap_or(1));
    let width = area.width / count;
    for (i, table) in (0..count).zip(tables) {
        let place = Rect {
            x: rows.x + width * i,
            width: width.saturating_sub(1),
            ..rows
        };
        pieces::lines(buffer, place, &lines(app, table, place));
    }
}

/// The top source of each measure, if there is no room for more.
fn first_sources(app: &App, tops: TopsAt<'_>) -> Line<'static> {
    let theme = app.theme;
    let mut line = Line::default();
    for (table, first) in tops.first_sources() {
        line.push_span(Span::styled(format!("{} by ", table.by), theme.muted()));
        line.push_span(Span::styled(first.key.to_string(), theme.strong()));
        line.push_span(Span::raw(format!(" {}  ", whole_percent(first.share))));
    }
    if line.width() == 0 {
        line.push_span(Span::styled(none(tops), theme.muted()));
    }
    line
}

/// Explains why there are no top talkers.
fn none(tops: TopsAt<'_>) -> &'static str {
    if tops.are_counted() {
        "no top talkers"
    } else {
        "top talkers cannot be counted"
    }
}

fn lines(app: &App, table: &TopTable, area: Rect) -> Vec<Line<'static>> {
    let theme = app.theme;
    let total = amount(table.total);
    let heading = format!("{} by {}: {total}", table.by, table.of);
    let mut lines = vec![Line::styled(heading, theme.muted())];
    let room = usize::from(area.height).saturating_sub(1);
    for row in table.rows.iter().take(room) {
        let process = row.process.as_ref().map(|p| format!(" {p}"));
        let least = if table.is_exact() { "" } else { "≥" };
        let count = format!("{least}{}", amount(row.count));
        lines.push(Line::from(vec![
            Span::styled(format!("{count:>6}"), theme.strong()),
            Span::styled(format!(" {:>4} ", whole_percent(row.share)), theme.muted()),
            Span::raw(row.key.to_string()),
            Span::styled(process.unwrap_or_default(), theme.muted()),
        ]));
    }
    lines
}
