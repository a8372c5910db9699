//! Top talkers by several measures.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::{
    model::history::TopsAt,
    output::{
        format::{
            duration,
            number::{amount, whole_percent},
        },
        live::{
            app::App,
            panels::pieces,
            state::{Cursor, TopOrder},
            talkers::{TalkerTable, talker_tables},
        },
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
    if app.view.top_order == TopOrder::Key {
        parts.push(Span::styled(", sorted by key", theme.muted()));
    }
    if area.height == 1 {
        pieces::lines(buffer, area, &[first_sources(app, tops)]);
        return;
    }
    pieces::title(buffer, area, theme, parts);
    let tables = talker_tables(app);
    if tables.is_empty() {
        let line = Line::styled(none(tops), theme.muted());
        pieces::line(buffer, below_title(area), &line);
        return;
    }
    let cursor = app.top_cursor();
    for (at, place) in places(app, area, tables.len()) {
        let cursor = cursor.and_then(|(cursor, table)| (table == at).then_some(cursor));
        if let Some(table) = tables.get(at) {
            pieces::lines(buffer, place, &lines(app, table, place, cursor));
        }
    }
}

/// The table and the row of it that are drawn at a place.
pub(super) fn row_at(app: &App, area: Rect, at: Position) -> Option<(usize, usize)> {
    let tables = talker_tables(app);
    let mut places = places(app, area, tables.len());
    let (table, place) = places.find(|(_, place)| place.contains(at))?;
    let rows = &tables.get(table)?.rows;
    let chosen = app.top_cursor().filter(|(_, in_table)| *in_table == table);
    let chosen = chosen.and_then(|(cursor, _)| cursor.row_in(rows.iter().map(|r| r.key.raw())));
    let room = usize::from(place.height).saturating_sub(1);
    // The first line is the heading.
    let line = usize::from(at.y - place.y).checked_sub(1)?;
    let row = pieces::first_shown(chosen, rows.len(), room) + line;
    (row < rows.len()).then_some((table, row))
}

/// The indices of the tables that fit, the cursor's among them, and their places.
fn places(app: &App, area: Rect, tables: usize) -> impl Iterator<Item = (usize, Rect)> {
    let rows = below_title(area);
    let count = (area.width / WIDTH).clamp(1, u16::try_from(tables).unwrap_or(1).max(1));
    let width = area.width / count;
    let chosen = app.top_cursor().map(|(_, table)| table);
    let first = pieces::first_shown(chosen, tables, count.into());
    (0..count).map(move |i| {
        let place = Rect {
            x: rows.x + width * i,
            width: width.saturating_sub(1),
            ..rows
        };
        (first + usize::from(i), place)
    })
}

fn below_title(area: Rect) -> Rect {
    Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
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

fn lines(
    app: &App,
    talkers: &TalkerTable<'_>,
    area: Rect,
    cursor: Option<&Cursor>,
) -> Vec<Line<'static>> {
    let theme = app.theme;
    let TalkerTable { table, rows } = talkers;
    let chosen = cursor.and_then(|cursor| cursor.row_in(rows.iter().map(|row| row.key.raw())));
    let total = amount(table.total);
    let mut heading = format!("{} by {}: {total}", table.by, table.of);
    if let Some(chosen) = chosen {
        heading.push_str(&format!("  {} of {}", chosen + 1, rows.len()));
    }
    let mut lines = vec![Line::styled(heading, theme.muted())];
    let room = usize::from(area.height).saturating_sub(1);
    let first = pieces::first_shown(chosen, rows.len(), room);
    for (i, row) in rows.iter().enumerate().skip(first).take(room) {
        let more = row.more().map(|more| format!(" {more}"));
        let least = if table.is_exact() { "" } else { "≥" };
        let count = format!("{least}{}", amount(row.count));
        let line = Line::from(vec![
            Span::styled(format!("{count:>6}"), theme.strong()),
            Span::styled(format!(" {:>4} ", whole_percent(row.share)), theme.muted()),
            Span::raw(row.key.to_string()),
            Span::styled(more.unwrap_or_default(), theme.muted()),
        ]);
        lines.push(match Some(i) == chosen {
            true => pieces::chosen(app, line, area.width),
            false => line,
        });
    }
    lines
}
