//! The feed of events, bursts, alerts and diagnostics, newest first.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    text::{Line, Span},
};

use crate::{
    output::live::{
        app::App,
        event_lines::{EventLine, event_lines},
        panels::pieces,
    },
    text::Plain,
};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let rows = below_title(area);
    let filter = Plain(&app.view.search_text);
    let is_filtered = !app.view.search_text.is_empty();
    if rows != area {
        let mut parts = vec![Span::styled("Events", theme.title())];
        if is_filtered {
            parts.push(Span::styled(format!(" filter: {filter}"), theme.warning()));
        }
        pieces::title(buffer, area, theme, parts);
    }
    let room = usize::from(rows.height);
    let lines: Vec<Line<'_>> = match app.event_cursor() {
        None => event_lines(app)
            .take(room)
            .map(|line| drawn(app, line))
            .collect(),
        Some(cursor) => {
            let all: Vec<EventLine<'_>> = event_lines(app).collect();
            let chosen = cursor.row_in(all.iter().map(EventLine::identity));
            let first = pieces::first_shown(chosen, all.len(), room);
            let shown = all.into_iter().enumerate().skip(first).take(room);
            shown
                .map(|(i, line)| {
                    let line = drawn(app, line);
                    match Some(i) == chosen {
                        true => pieces::chosen(app, line, rows.width),
                        false => line,
                    }
                })
                .collect()
        }
    };
    if lines.is_empty() {
        let text = if is_filtered {
            format!("no event matches {filter}")
        } else {
            nothing(app)
        };
        pieces::line(buffer, rows, &Line::styled(text, theme.muted()));
    }
    pieces::lines(buffer, rows, &lines);
}

fn drawn(app: &App, line: EventLine<'_>) -> Line<'static> {
    let time = format!("{} ", app.clock(line.time, 3));
    Line::from(vec![
        Span::styled(time, app.theme.muted()),
        Span::styled(format!("{:<14}", line.kind), line.style),
        Span::raw(line.text),
    ])
}

/// The row of the list that is drawn at a place of the feed.
pub(super) fn row_at(app: &App, area: Rect, at: Position) -> Option<usize> {
    let rows = below_title(area);
    let row = usize::from(at.y.checked_sub(rows.y)?);
    let count = event_lines(app).count();
    let first = app.event_cursor().map_or(0, |cursor| {
        let chosen = cursor.row_in(event_lines(app).map(|line| line.identity()));
        pieces::first_shown(chosen, count, rows.height.into())
    });
    Some(first + row).filter(|row| *row < count)
}

/// The rows of the feed that lines have.
fn below_title(area: Rect) -> Rect {
    let title = u16::from(area.height >= 4);
    Rect {
        y: area.y + title,
        height: area.height - title,
        ..area
    }
}

/// Explains an empty feed: it is good news only if events can be seen.
fn nothing(app: &App) -> String {
    let Some(hello) = app.hello() else {
        return "no events yet".to_owned();
    };
    if !hello.probes.is_attached() {
        return "no events without probes".to_owned();
    }
    let unseen = hello.unseen_events();
    let kinds: Vec<&str> = unseen
        .iter()
        .flat_map(|group| &group.kinds)
        .copied()
        .collect();
    if kinds.is_empty() {
        return "no events were seen".to_owned();
    }
    format!(
        "no events were seen; not all can be (n): {}",
        kinds.join(", ")
    )
}
