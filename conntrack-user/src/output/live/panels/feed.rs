//! The feed of events, bursts, alerts and diagnostics, newest first.

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
        history::{Happening, Notable, burst_group::BurstGroup, time::Nanos},
        record::{Burst, Event, Record},
    },
    output::{
        format::{
            clock, duration,
            number::{WRONG, compact, decimal},
        },
        live::{app::App, panels::pieces},
    },
    text::{Plain, Text},
};

pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    if area.is_empty() {
        return;
    }
    let theme = app.theme;
    let mut rows = area;
    let filter = Plain(&app.view.search_text);
    let is_filtered = !app.view.search_text.is_empty();
    if area.height >= 4 {
        let mut parts = vec![Span::styled("Events", theme.title())];
        if is_filtered {
            parts.push(Span::styled(format!(" filter: {filter}"), theme.warning()));
        }
        pieces::title(buffer, area, theme, parts);
        rows.y += 1;
        rows.height -= 1;
    }
    // Up to the end of the window, so that scrolling back shows what was known then.
    let wanted = app.history.notable(app.end()).filter_map(|notable| {
        let line = FeedLine::new(app, notable);
        let text = format!("{} {}", line.kind, line.text);
        app.view.search.matches(&text, line.tuple).then_some(line)
    });
    let lines: Vec<Line<'_>> = wanted
        .take(rows.height.into())
        .map(|line| {
            Line::from(vec![
                Span::styled(format!("{} ", clock::digits(line.time, 3)), theme.muted()),
                Span::styled(format!("{:<14}", line.kind), line.style),
                Span::raw(line.text),
            ])
        })
        .collect();
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

/// Explains an empty feed: it is good news only if events can be seen.
fn nothing(app: &App) -> String {
    let Some(hello) = app.history.hello() else {
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

struct FeedLine<'a> {
    time: Nanos,
    kind: String,
    style: Style,
    text: String,
    tuple: Option<&'a Tuple>,
}

impl<'a> FeedLine<'a> {
    fn new(app: &App, notable: &'a Notable) -> Self {
        let theme = app.theme;
        let several = app.names().len() > 1;
        let within = |instance: &Text| {
            if several {
                format!("{instance}: ")
            } else {
                String::new()
            }
        };
        let mut line = Self {
            time: notable.time,
            kind: "note".to_owned(),
            style: theme.muted(),
            text: String::new(),
            tuple: None,
        };
        match &notable.happening {
            Happening::Diagnostic(text) => line.text = text.to_string(),
            Happening::Record(Record::Event(event)) => {
                line.kind = event.kind.to_string();
                line.style = if event.is_rejection() {
                    theme.critical()
                } else {
                    theme.warning()
                };
                line.text = within(&event.instance) + &flow(event);
                line.tuple = event.tuple.as_ref();
            }
            Happening::Bursts(group) => {
                line.kind = "burst".to_owned();
                line.style = theme.key();
                line.time = group.span.start;
                line.text = within(&group.instance) + &bursts(app, group);
            }
            Happening::Record(Record::Alert(alert)) => {
                line.kind = alert.status.to_string();
                line.style = match alert.status {
                    AlertStatus::Critical => theme.alarm(),
                    status => theme.status(status),
                };
                let reason = alert.reason.as_ref();
                let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
                line.text = format!(
                    " {}{} {} {} (was {}){reason}",
                    within(&alert.instance),
                    alert.name,
                    decimal(alert.value, 1),
                    alert.unit,
                    alert.previous
                );
            }
            Happening::Record(_) => {}
        }
        line
    }
}

/// The cause with its peak, and what rose with it.
fn bursts(app: &App, group: &BurstGroup) -> String {
    let instance = app.history.instance(group.instance.raw());
    let mark = |burst: &Burst| {
        let is_wrong = instance.is_some_and(|instance| instance.is_wrong(burst));
        if is_wrong { WRONG } else { "" }
    };
    let bursts = group.bursts();
    let Some((cause, others)) = bursts.split_first() else {
        return String::new();
    };
    let mut text = format!(
        "{}{mark} {} in {}, peak {}{mark}/s",
        cause.count,
        cause.counter,
        duration::millis(cause.duration_ms),
        compact(cause.peak_rate),
        mark = mark(cause),
    );
    for (i, burst) in others.iter().enumerate() {
        let before = if i == 0 { "; with" } else { "," };
        text += &format!("{before} {}{} {}", burst.count, mark(burst), burst.counter);
    }
    text
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
