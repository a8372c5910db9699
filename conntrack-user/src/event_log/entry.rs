//! Which records are written, and as what.

use std::io;

use crate::{
    model::{
        alert::AlertStatus,
        record::{Record, Severity},
    },
    output::{bursts, json::write_line},
};

/// A record as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogEntry {
    /// A line of JSON, with its end.
    pub(super) line: Vec<u8>,
    /// What it says to people.
    pub(super) message: String,
    pub(super) priority: Priority,
    /// What the journal finds it by: names without `CTPULSE_`, and values, safe to show.
    pub(super) fields: Vec<(&'static str, String)>,
}

/// Priorities of syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    Critical = 2,
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// A record as an entry; `None` for those of each interval.
///
/// # Errors
///
/// When it cannot be written as JSON.
pub(super) fn entry(record: &Record) -> io::Result<Option<LogEntry>> {
    let (message, priority, mut fields) = match record {
        Record::Event(event) => {
            let tuple = event.tuple.as_ref().map(ToString::to_string);
            let flow = tuple.clone().unwrap_or_else(|| "unknown".to_owned());
            let mut fields = vec![
                ("TYPE", "event".to_owned()),
                ("INSTANCE", event.instance.to_string()),
                ("KIND", event.kind.to_string()),
            ];
            fields.extend(tuple.map(|tuple| ("FLOW", tuple)));
            let owners = event.owners();
            let of = owners.as_ref().map(|owners| format!(" ({owners})"));
            fields.extend(owners.map(|owners| ("WORKLOADS", owners)));
            let message = format!("{}: {flow}{}", event.kind, of.unwrap_or_default());
            (message, Priority::Notice, fields)
        }
        Record::Burst(burst) => {
            let fields = vec![
                ("TYPE", "burst".to_owned()),
                ("INSTANCE", burst.instance.to_string()),
                ("COUNTER", burst.counter.to_string()),
                ("COUNT", burst.count.to_string()),
            ];
            let message = bursts::line(burst, true, false);
            (message.trim().to_owned(), Priority::Notice, fields)
        }
        Record::Alert(alert) => {
            let status = alert.status.to_string();
            let fields = vec![
                ("TYPE", "alert".to_owned()),
                ("INSTANCE", alert.instance.to_string()),
                ("ALERT", alert.name.to_string()),
                ("STATUS", status.clone()),
                ("PREVIOUS", alert.previous.to_string()),
                ("VALUE", alert.value.to_string()),
            ];
            let priority = match alert.status {
                AlertStatus::Clear => Priority::Notice,
                AlertStatus::Warning => Priority::Warning,
                AlertStatus::Critical => Priority::Critical,
            };
            let message = format!(
                "{}: {} is {status} at {:.2} {}",
                alert.instance, alert.name, alert.value, alert.unit
            );
            (message, priority, fields)
        }
        Record::Verdict(verdict) => {
            let fields = vec![
                ("TYPE", "verdict".to_owned()),
                ("INSTANCE", verdict.instance.to_string()),
                ("SEVERITY", verdict.severity.name().to_owned()),
            ];
            let priority = match verdict.severity {
                Severity::Ok | Severity::Unknown => Priority::Info,
                Severity::Warning => Priority::Warning,
                Severity::Critical => Priority::Critical,
            };
            let message = format!("{}: {}", verdict.instance, verdict.text());
            (message, priority, fields)
        }
        _ => return Ok(None),
    };
    let mut line = Vec::new();
    write_line(&mut line, record)?;
    fields.push(("JSON", String::from_utf8_lossy(&line).trim().to_owned()));
    Ok(Some(LogEntry {
        line,
        message,
        priority,
        fields,
    }))
}
