//! The tables of an instance after its bursts: busiest buckets, durations, alerts, events, top talkers, cross-check.

use std::fmt::Write;

use crate::{
    model::report::{InstanceReport, Losses, RecordingReport, TopReport},
    output::{
        checks::range_in_text,
        durations,
        format::{
            clock, duration,
            number::{compact, decimal, optional, percent_in_text},
        },
        report::{
            contents,
            facts::in_words,
            table::{CHART, Table, mark},
        },
    },
    text::Text,
};

pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    peaks(page, report, instance)?;
    durations(page, instance)?;
    alerts(page, instance)?;
    top(page, instance)?;
    contents::write(page, instance)?;
    events(page, report, instance)?;
    crosscheck(page, instance)
}

fn peaks(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    let busy: Vec<_> = instance.busy_peaks().collect();
    if busy.is_empty() {
        return Ok(());
    }
    let text = "The busiest bucket of 1.05 ms of each counter, as a rate.";
    let columns = ["counter", "one event is", "peak", "at", CHART];
    let mut table = Table::open(page, "Busiest moments", text, &columns)?;
    for (counter, peak, at) in busy {
        let (spec, time) = (counter.spec(), clock::millis(at));
        let mark = mark(instance, counter);
        table.row("")?;
        table.cell(format_args!("{}{mark}", spec.name))?;
        table.cell(spec.meaning)?;
        table.cell(format_args!("{}{mark}/s", compact(peak.rate)))?;
        table.cell(&time)?;
        table.show(
            report.around_bucket(at),
            &format!("{} at {time}", spec.name),
        )?;
    }
    table.close()
}

fn durations(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    let rows = instance
        .summary
        .as_ref()
        .map(durations::rows)
        .unwrap_or_default();
    if rows.is_empty() {
        return Ok(());
    }
    let text =
        "How long connections lived, and how long the kernel's functions took, each within 1 %.";
    let columns = [&["of", "count"][..], &durations::TIMES, &["note"]].concat();
    let mut table = Table::open(page, "Lifetimes and latency", text, &columns)?;
    for row in rows {
        table.row("")?;
        table.cell(row.what)?;
        table.cell(optional(row.count))?;
        for time in &row.times {
            table.cell(time)?;
        }
        table.cell(row.note.as_deref().unwrap_or(""))?;
    }
    table.close()
}

fn alerts(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.alerts.is_empty() {
        return Ok(());
    }
    let shown = instance.alerts.len() as u64;
    let text = if shown < instance.alert_count {
        format!("The first {shown} are listed.")
    } else {
        String::new()
    };
    let title = format!("Alerts ({})", instance.alert_count);
    let columns = ["time", "alert", "status", "value", "before"];
    let mut table = Table::open(page, &title, &text, &columns)?;
    for alert in &instance.alerts {
        table.row("")?;
        table.cell(clock::millis(alert.time))?;
        table.cell(&alert.name)?;
        table.cell(alert.status)?;
        table.cell(format_args!("{} {}", decimal(alert.value, 1), alert.unit))?;
        table.cell(alert.previous)?;
    }
    table.close()
}

fn events(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    let losses = Losses::new(report, instance);
    let total = losses.events;
    if total == 0 {
        return Ok(());
    }
    let kinds = losses.by_kind.iter();
    let counts: Vec<String> = kinds.map(|(kind, n)| format!("{n} {kind}")).collect();
    let mut text = counts.join(", ") + ".";
    if total > instance.events.len() as u64 {
        let _ = write!(text, " The first {} are listed.", instance.events.len());
    }
    let title = format!("Events ({total})");
    let columns = ["time", "event", "flow or packet", CHART];
    let mut table = Table::open(page, &title, &text, &columns)?;
    for event in &instance.events {
        let time = clock::millis(event.time);
        table.row("")?;
        table.cell(&time)?;
        table.cell(&event.kind)?;
        table.cell(event.described())?;
        table.show(
            report.around(event.time, event.time),
            &format!("{} at {time}", event.kind),
        )?;
    }
    table.close()
}

fn top(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.talkers.is_empty() {
        return Ok(());
    }
    let text = "Who has most of it. Counts are at least that many.";
    let columns = ["most", "by", "over", "who", "count", "share", "more"];
    let mut table = Table::open(page, "Top talkers", text, &columns)?;
    for talkers in &instance.talkers {
        let over = over(talkers);
        let of = &talkers.table;
        for (i, row) in of.rows.iter().enumerate() {
            let [by, kind, over] = match i {
                0 => [of.by.to_string(), of.of.to_string(), over.clone()],
                _ => Default::default(),
            };
            table.row(if i == 0 { "first" } else { "" })?;
            table.cell(by)?;
            table.cell(kind)?;
            table.cell(over)?;
            table.cell(&row.key)?;
            table.cell(format_args!("{} of {}", row.count, of.total))?;
            table.cell(percent_in_text(row.share))?;
            table.cell(row.more().unwrap_or_default())?;
        }
    }
    table.close()
}

/// The time that the counts cover.
fn over(talkers: &TopReport) -> String {
    match (talkers.window_s, talkers.closing) {
        (0.0, _) => format!("held at {}", clock::millis(talkers.time)),
        (_, true) => "the whole run".to_owned(),
        (window, false) => format!(
            "{} up to {}",
            duration::seconds(window),
            clock::millis(talkers.time)
        ),
    }
}

fn crosscheck(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.checks.is_empty() {
        return Ok(());
    }
    let missed = instance.summary.as_ref().and_then(|summary| summary.missed);
    let mut text = "What the probes counted against what the kernel did, at the end.".to_owned();
    if let Some(missed) = missed {
        let _ = write!(text, " Probe hits the kernel missed: {missed}.");
    }
    if instance.buckets_lost_ms > 0.0 {
        let _ = write!(
            text,
            " {} of buckets were overwritten before they could be read: peaks there are unknown.",
            duration::whole_millis(instance.buckets_lost_ms)
        );
    }
    let columns = ["check", "probes", "kernel", "verdict", "why"];
    let mut table = Table::open(page, "Cross-check", &text, &columns)?;
    for check in &instance.checks {
        table.row(check.verdict.name())?;
        table.cell(&check.name)?;
        table.cell(optional(check.probe))?;
        table.cell(range_in_text(check))?;
        table.cell(in_words(check.verdict))?;
        table.cell(
            check
                .reason
                .as_ref()
                .map_or_else(String::new, Text::to_string),
        )?;
    }
    table.close()
}
