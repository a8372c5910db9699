//! Who causes it: the leaders by several measures.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    model::{history::InstanceHistory, record::TopTable},
    output::{
        live::{app::App, panels::pieces},
        number::compact,
    },
};

/// Width that a table needs.
const WIDTH: u16 = 30;

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let Some(instance) = app.instance().filter(|_| !area.is_empty()) else {
        return;
    };
    let theme = app.theme;
    let window = instance.tops().map(|top| top.window_s).fold(0.0, f64::max);
    let mut parts = vec![Span::styled("Culprits", theme.title())];
    if window > 0.0 {
        let text = format!(" of {window:.1} s, and who holds entries");
        parts.push(Span::styled(text, theme.muted()));
    }
    if area.height == 1 {
        pieces::lines(buffer, area, &[leaders(app, instance)]);
        return;
    }
    pieces::title(buffer, area, theme, parts);
    let all = instance.tops().flat_map(|top| &top.tables);
    let mut tables: Vec<&TopTable> = all.filter(|table| !table.rows.is_empty()).collect();
    // Who it is, before whom it is for.
    tables.sort_by_key(|table| table.of != "src");
    let rows = Rect {
        y: area.y + 1,
        height: area.height - 1,
        ..area
    };
    if tables.is_empty() {
        pieces::line(buffer, rows, &Line::styled("nobody", theme.muted()));
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

/// The first of each measure, where there is room for no more.
fn leaders(app: &App, instance: &InstanceHistory) -> Line<'static> {
    let theme = app.theme;
    let mut line = Line::default();
    let tables = instance.tops().flat_map(|top| &top.tables);
    for table in tables.filter(|table| table.of == "src") {
        if let Some(first) = table.rows.first() {
            line.push_span(Span::styled(format!("{} by ", table.by), theme.muted()));
            line.push_span(Span::styled(first.key.to_string(), theme.strong()));
            line.push_span(Span::raw(format!(" {:.0}%  ", first.share)));
        }
    }
    if line.width() == 0 {
        line.push_span(Span::styled("no culprits", theme.muted()));
    }
    line
}

/// Exact as far as that is short.
fn amount(count: u64) -> String {
    if count < 10_000 {
        count.to_string()
    } else {
        compact(count as f64)
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
        let least = if table.error > 0 { "≥" } else { "" };
        let count = format!("{least}{}", amount(row.count));
        lines.push(Line::from(vec![
            Span::styled(format!("{count:>6}"), theme.strong()),
            Span::styled(format!(" {:>3.0}% ", row.share), theme.muted()),
            Span::raw(row.key.to_string()),
            Span::styled(process.unwrap_or_default(), theme.muted()),
        ]));
    }
    lines
}
