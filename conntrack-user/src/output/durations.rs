//! Lifetimes of connections and times spent in functions, as text.

use crate::{
    model::{
        durations::{latency::CallTimes, lifetimes::Lifetimes},
        record::InstanceSummary,
    },
    output::format::{duration, number::UNAVAILABLE},
    text::Text,
};

/// The distribution of a duration.
pub struct DurationRow {
    /// The name of the duration.
    pub what: &'static str,
    /// What is counted.
    pub unit: &'static str,
    /// How many were measured; `None` if they could not be.
    pub count: Option<u64>,
    /// Median, 90th, 99th and 99.9th percentile, and maximum.
    pub times: [String; 5],
    /// A limitation, or why the duration is unavailable.
    pub note: Option<String>,
}

/// The headings of [`DurationRow::times`].
pub const TIMES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// The durations of a run.
#[must_use]
pub fn rows(summary: &InstanceSummary) -> Vec<DurationRow> {
    let mut rows = Vec::new();
    rows.extend(summary.lifetimes.as_ref().map(lifetimes));
    if let Some(latency) = &summary.latency {
        rows.push(calls("__nf_conntrack_confirm", &latency.confirm));
        rows.push(calls("early_drop", &latency.early_drop));
    }
    rows
}

/// `lifetime: 800 connections, p50 1.25 s, p90 30.20 s, p99 120 s, p99.9 120 s, max 120 s`, or the reason why it is unavailable.
#[must_use]
pub fn line(row: &DurationRow) -> String {
    let DurationRow { what, unit, .. } = row;
    let counted = match row.count {
        None => {
            let reason = row.note.as_deref().unwrap_or("no reason known");
            return format!("{what}: {UNAVAILABLE} ({reason})");
        }
        Some(0) => format!("{what}: 0 {unit}"),
        Some(count) => {
            let times: Vec<_> = TIMES
                .iter()
                .zip(&row.times)
                .map(|(name, time)| format!("{name} {time}"))
                .collect();
            format!("{what}: {count} {unit}, {}", times.join(", "))
        }
    };
    match &row.note {
        Some(note) => format!("{counted}; {note}"),
        None => counted,
    }
}

fn lifetimes(lifetimes: &Lifetimes) -> DurationRow {
    let unknown = lifetimes.unknown.filter(|&unknown| unknown > 0);
    DurationRow {
        what: "lifetime",
        unit: "connections",
        count: lifetimes.count,
        times: [
            lifetimes.p50_s,
            lifetimes.p90_s,
            lifetimes.p99_s,
            lifetimes.p999_s,
            lifetimes.max_s,
        ]
        .map(|time| shown(time, duration::exact)),
        note: lifetimes
            .reason
            .as_ref()
            .map(Text::to_string)
            .or_else(|| unknown.map(|n| format!("{n} more ended whose start was not seen"))),
    }
}

fn calls(function: &'static str, times: &CallTimes) -> DurationRow {
    DurationRow {
        what: function,
        unit: "calls",
        count: times.count,
        times: [
            times.p50_us,
            times.p90_us,
            times.p99_us,
            times.p999_us,
            times.max_us,
        ]
        .map(|time| shown(time, duration::exact_us)),
        note: times.reason.as_ref().map(Text::to_string),
    }
}

fn shown(time: Option<f64>, show: fn(f64) -> String) -> String {
    time.map_or_else(|| UNAVAILABLE.to_owned(), show)
}
