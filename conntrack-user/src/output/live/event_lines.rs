//! What happened, line by line: what the feed of events shows, and the cursor in it goes through.

use ratatui::style::Style;

use crate::{
    model::{
        alert::AlertStatus,
        event::Tuple,
        history::{
            Happening, Notable,
            burst_group::BurstGroup,
            time::{Nanos, nanos},
        },
        record::{Burst, Record},
    },
    output::{
        format::{
            clock, duration,
            number::{WRONG, compact, decimal},
        },
        live::app::App,
    },
    text::Text,
};

/// The lines that match the filter, newest first, up to the end of the window: scrolling back shows what was known then.
pub fn event_lines(app: &App) -> impl Iterator<Item = EventLine<'_>> {
    app.history.notable(app.end()).filter_map(|notable| {
        let line = EventLine::new(app, notable);
        let text = format!("{} {}", line.kind, line.text);
        app.view.search.matches(&text, line.flows()).then_some(line)
    })
}

/// An event, burst, alert or message as a line.
pub struct EventLine<'a> {
    pub time: Nanos,
    /// The kind of event, or the status of an alert.
    pub kind: String,
    pub style: Style,
    pub text: String,
    happening: &'a Happening,
}

impl<'a> EventLine<'a> {
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
        let mut line = Self {
            time: notable.time,
            kind: "note".to_owned(),
            style: theme.muted(),
            text: String::new(),
            happening: &notable.happening,
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
                line.text = within(&event.instance) + &event.described();
            }
            Happening::Bursts(group) => {
                line.kind = "burst".to_owned();
                line.style = theme.key();
                line.time = nanos(group.start);
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

    /// Its flow before NAT and after it, if it is an event.
    fn flows(&self) -> impl Iterator<Item = &'a Tuple> {
        let event = match self.happening {
            Happening::Record(Record::Event(event)) => Some(event),
            _ => None,
        };
        event.into_iter().flat_map(|event| event.flows())
    }

    /// What tells it from other lines.
    pub fn identity(&self) -> String {
        format!("{} {} {}", self.time, self.kind, self.text)
    }

    /// It in full, with the day, for another program.
    pub fn to_copy(&self) -> String {
        let time = clock::rfc3339_millis(self.time);
        format!("{time} {} {}", self.kind, self.text.trim_start())
    }

    /// The filter for events like it; `None` of a message.
    pub fn filter(&self) -> Option<String> {
        match self.happening {
            Happening::Record(Record::Event(event)) => Some(match &event.tuple {
                Some(tuple) => flow_filter(tuple),
                None => event.kind.to_string(),
            }),
            Happening::Bursts(group) => {
                let cause = group.bursts().into_iter().next()?;
                Some(format!("burst {}", cause.counter))
            }
            Happening::Record(Record::Alert(alert)) => Some(alert.name.to_string()),
            Happening::Record(_) | Happening::Diagnostic(_) => None,
        }
    }
}

/// The filter for flows between the same ends. Their source port differs from flow to flow.
fn flow_filter(tuple: &Tuple) -> String {
    let conditions = [
        tuple.proto.map(|proto| format!("proto={proto}")),
        tuple.src.map(|src| format!("src={src}")),
        tuple.dst.map(|dst| format!("dst={dst}")),
        tuple.dport.map(|dport| format!("dport={dport}")),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    conditions.join(",")
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
