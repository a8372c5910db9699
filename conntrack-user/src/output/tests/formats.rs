//! What formats make of records, and the charts that all of them have.

use std::io;

use serde_json::Value;

use crate::{
    model::record::Record,
    output::{
        Sink,
        csv::Csv,
        json::Json,
        terminal::Size,
        text::{TextSink, View},
    },
};

pub(super) type TestResult = Result<(), Box<dyn std::error::Error>>;

pub(super) const SMALL: Option<Size> = Some(Size {
    columns: 80,
    rows: 24,
});
pub(super) const LARGE: Option<Size> = Some(Size {
    columns: 200,
    rows: 50,
});

fn write<S: Sink>(sink: &mut S, records: &[Record]) -> io::Result<()> {
    records.iter().try_for_each(|record| sink.write(record))?;
    sink.flush()
}

pub(super) fn as_text(terminal: Option<Size>, records: &[Record]) -> io::Result<String> {
    let mut out = Vec::new();
    write(
        &mut TextSink::new(&mut out, terminal, View::default()),
        records,
    )?;
    String::from_utf8(out).map_err(io::Error::other)
}

pub(super) fn as_csv(records: &[Record]) -> io::Result<String> {
    let mut out = Vec::new();
    write(&mut Csv::new(&mut out), records)?;
    String::from_utf8(out).map_err(io::Error::other)
}

pub(super) fn as_json(record: Record) -> io::Result<(String, Value)> {
    let mut out = Vec::new();
    write(&mut Json::new(&mut out), std::slice::from_ref(&record))?;
    let line = String::from_utf8(out).map_err(io::Error::other)?;
    assert_eq!(line.matches('\n').count(), 1, "one line: {line}");
    // A record does not change when it is parsed and written again.
    let again: Record = serde_json::from_str(&line)?;
    assert_eq!(again, record);
    assert_eq!(serde_json::to_string(&again)?, line.trim_end());
    let value = serde_json::from_str(&line)?;
    Ok((line, value))
}

/// The documented charts and dimensions in their order, written out independently.
pub(super) const DOCUMENTED: [(&str, &[&str]); 6] = [
    ("netfilter.conntrack_sockets", &["connections"]),
    ("netfilter.conntrack_new", &["new", "ignore", "invalid"]),
    (
        "netfilter.conntrack_changes",
        &["inserted", "deleted", "delete_list"],
    ),
    ("netfilter.conntrack_expect", &["created", "deleted", "new"]),
    (
        "netfilter.conntrack_search",
        &["searched", "restarted", "found"],
    ),
    (
        "netfilter.conntrack_errors",
        &["icmp_error", "error_failed", "drop", "early_drop"],
    ),
];
