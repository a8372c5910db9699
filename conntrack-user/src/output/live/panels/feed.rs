//! What happened: events, bursts, alerts and notices, the newest first.

use crate::text::Text;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
};

use crate::{
    model::{
        alert::AlertStatus,
        event::Tuple,
        history::{Notable, What, nanos},
        record::{Event, Record},
    },
    output::{
        live::{app::App, panels::pieces},
        number::compact,
    },
};

/// Draws it.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let mut rows = area;
    let filter = &app.view.search_text;
    if area.height >= 4 {
        let mut parts = vec![Span::styled("Events", theme.title())];
        if !filter.is_empty() {
            parts.push(Span::styled(format!(" filter: {filter}"), theme.warning()));
        }
        pieces::title(buffer, area, theme, parts);
        rows.y += 1;
        rows.height -= 1;
    }
    // Up to the end of the window: what scrolls back shows what was known then.
    let wanted = app.history.notable(app.end()).filter_map(|notable| {
        let told = Told::new(app, notable);
        let line = format!("{} {}", told.kind, told.text);
        app.view.search.matches(&line, told.tuple).then_some(told)
    });
    let lines: Vec<Line<'_>> = wanted
        .take(rows.height.into())
        .map(|told| {
            Line::from(vec![
                Span::styled(format!("{} ", pieces::clock(told.time, 3)), theme.muted()),
                Span::styled(format!("{:<14}", told.kind), told.style),
                Span::raw(told.text),
            ])
        })
        .collect();
    if lines.is_empty() {
        let text = if !filter.is_empty() {
            format!("no event matches {filter}")
        } else if app.history.hello().is_some_and(|h| h.probes.mode == "off") {
            "no events without probes".to_owned()
        } else {
            "nothing was dropped, evicted or refused".to_owned()
        };
        pieces::line(buffer, rows, &Line::styled(text, theme.muted()));
    }
    pieces::lines(buffer, rows, &lines);
}

/// A line of the feed.
struct Told<'a> {
    time: i64,
    kind: String,
    style: Style,
    text: String,
    tuple: Option<&'a Tuple>,
}

impl<'a> Told<'a> {
    fn new(app: &App, notable: &'a Notable) -> Self {
        let theme = app.theme;
        let several = app.history.names().len() > 1;
        let within = |instance: &Text| {
            if several {
                format!("{instance}: ")
            } else {
                String::new()
            }
        };
        let mut told = Self {
            time: notable.time,
            kind: "note".to_owned(),
            style: theme.muted(),
            text: String::new(),
            tuple: None,
        };
        match &notable.what {
            What::Notice(text) => told.text.clone_from(text),
            What::Record(Record::Event(event)) => {
                told.kind = event.kind.to_string();
                told.style = match event.kind.raw() {
                    "table_full" | "insert_failed" => theme.critical(),
                    _ => theme.warning(),
                };
                told.text = within(&event.instance) + &flow(event);
                told.tuple = event.tuple.as_ref();
            }
            What::Record(Record::Burst(burst)) => {
                told.kind = "burst".to_owned();
                told.style = theme.key();
                told.time = nanos(burst.start);
                told.text = format!(
                    "{}{} {} in {:.1} ms, peak {}/s",
                    within(&burst.instance),
                    burst.count,
                    burst.counter,
                    burst.duration_ms,
                    compact(burst.peak_rate)
                );
            }
            What::Record(Record::Alert(alert)) => {
                told.kind = alert.status.to_string();
                told.style = match alert.status {
                    AlertStatus::Critical => theme.alarm(),
                    status => theme.status(status),
                };
                told.text = format!(
                    " {}{} {:.1} {} (was {})",
                    within(&alert.instance),
                    alert.name,
                    alert.value,
                    alert.unit,
                    alert.previous
                );
            }
            What::Record(_) => {}
        }
        told
    }
}

fn flow(event: &Event) -> String {
    let tuple = event
        .tuple
        .as_ref()
        .map_or_else(|| "unknown".to_owned(), ToString::to_string);
    match &event.by {
        Some(by) => format!("{tuple}, evicted for {by}"),
        None => tuple,
    }
}
