//! The tables of an instance: bursts, busiest moments, lengths of time, alerts, events, culprits,
//! cross-check.

use crate::text::Text;
use std::fmt::{Display, Write};

use crate::{
    model::{
        record::{Check, Time},
        report::{InstanceReport, Report},
    },
    output::{
        durations,
        number::{UNAVAILABLE, compact},
        report::html::Escaped,
    },
    reading::buckets::BUCKET_MS,
};

/// Time shown around a moment that is jumped to, in microseconds.
const AROUND: i64 = 50_000;

/// Leaders shown of a table.
const LEADERS: usize = 10;

pub(super) fn write(
    page: &mut String,
    report: &Report,
    instance: &InstanceReport,
) -> std::fmt::Result {
    bursts(page, report, instance)?;
    peaks(page, report, instance)?;
    durations(page, instance)?;
    alerts(page, instance)?;
    top(page, instance)?;
    events(page, report, instance)?;
    crosscheck(page, instance)
}

/// The beginning of a table; `summary` says what is in it.
fn open(page: &mut String, title: &str, text: &str, columns: &[&str]) -> std::fmt::Result {
    writeln!(
        page,
        "<details open><summary><h3>{}</h3></summary>",
        Escaped(title)
    )?;
    if !text.is_empty() {
        write!(page, "<p>{}</p>", Escaped(text))?;
    }
    page.push_str("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"");
    write!(
        page,
        "{}\"><table class=\"rows\"><thead><tr>",
        Escaped(title)
    )?;
    for column in columns {
        write!(page, "<th scope=\"col\">{column}</th>")?;
    }
    page.push_str("</tr></thead><tbody>\n");
    Ok(())
}

fn close(page: &mut String) {
    page.push_str("</tbody></table></div></details>\n");
}

fn clock(time: &Time) -> impl Display + use<> {
    time.0.strftime("%H:%M:%S%.3f").to_string()
}

fn optional<T: Display>(value: Option<T>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), |value| value.to_string())
}

/// A button that shows a part of the charts.
fn show(page: &mut String, from: i64, to: i64, what: &str) -> std::fmt::Result {
    write!(
        page,
        "<td><button type=\"button\" hidden data-from=\"{}\" data-to=\"{}\" aria-label=\"Show {}\">Show</button></td>",
        from - AROUND,
        to + AROUND,
        Escaped(what)
    )
}

fn bursts(page: &mut String, report: &Report, instance: &InstanceReport) -> std::fmt::Result {
    if instance.bursts.is_empty() {
        return Ok(());
    }
    let text = "Far more of something than before, for a short time.";
    let columns = [
        "counter",
        "start",
        "lasted",
        "events",
        "peak",
        "usual before",
        "chart",
    ];
    open(
        page,
        &format!("Bursts ({})", instance.bursts.len()),
        text,
        &columns,
    )?;
    for burst in &instance.bursts {
        let start = clock(&burst.start);
        write!(
            page,
            "<tr class=\"burst-row\"><td>{}</td><td>{start}</td><td>{:.1} ms</td><td>{}</td><td>{}/s</td><td>{}/s</td>",
            Escaped(&burst.counter),
            burst.duration_ms,
            burst.count,
            compact(burst.peak_rate),
            compact(burst.usual_rate)
        )?;
        let [from, to] = [burst.start, burst.end].map(|time| report.micros(time.0));
        show(
            page,
            from,
            to,
            &format!("the burst of {} at {start}", burst.counter),
        )?;
        page.push_str("</tr>\n");
    }
    close(page);
    Ok(())
}

fn peaks(page: &mut String, report: &Report, instance: &InstanceReport) -> std::fmt::Result {
    let busy: Vec<_> = instance
        .peaks
        .iter()
        .filter_map(|(counter, peak)| Some((counter.spec(), peak, peak.at?)))
        .collect();
    if busy.is_empty() {
        return Ok(());
    }
    let text = "The busiest bucket of 1.05 ms of each counter, as a rate.";
    open(
        page,
        "Busiest moments",
        text,
        &["counter", "one event is", "peak", "at", "chart"],
    )?;
    for (spec, peak, at) in busy {
        let time = clock(&at);
        write!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}/s</td><td>{time}</td>",
            spec.name,
            Escaped(spec.meaning),
            compact(peak.rate)
        )?;
        let from = report.micros(at.0);
        show(
            page,
            from,
            from + (BUCKET_MS * 1e3) as i64,
            &format!("{} at {time}", spec.name),
        )?;
        page.push_str("</tr>\n");
    }
    close(page);
    Ok(())
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
    open(page, "Lifetimes and latency", text, &columns)?;
    for row in rows {
        write!(
            page,
            "<tr><td>{}</td><td>{}</td>",
            Escaped(row.what),
            optional(row.count)
        )?;
        for time in &row.times {
            write!(page, "<td>{}</td>", Escaped(time))?;
        }
        writeln!(
            page,
            "<td>{}</td></tr>",
            Escaped(row.note.as_deref().unwrap_or(""))
        )?;
    }
    close(page);
    Ok(())
}

fn alerts(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.alerts.is_empty() {
        return Ok(());
    }
    let title = format!("Alerts ({})", instance.alerts.len());
    open(
        page,
        &title,
        "chart",
        &["time", "alert", "status", "value", "was"],
    )?;
    for alert in &instance.alerts {
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.1} {}</td><td>{}</td></tr>",
            clock(&alert.time),
            Escaped(&alert.name),
            alert.status,
            alert.value,
            Escaped(&alert.unit),
            alert.previous
        )?;
    }
    close(page);
    Ok(())
}

fn events(page: &mut String, report: &Report, instance: &InstanceReport) -> std::fmt::Result {
    let total: u64 = instance.event_counts.iter().map(|(_, count)| count).sum();
    if total == 0 {
        return Ok(());
    }
    let counts: Vec<String> = instance
        .event_counts
        .iter()
        .map(|(kind, n)| format!("{n} {kind}"))
        .collect();
    let mut text = counts.join(", ") + ".";
    if total > instance.events.len() as u64 {
        let _ = write!(text, " The first {} are listed.", instance.events.len());
    }
    open(
        page,
        &format!("Events ({total})"),
        &text,
        &["time", "event", "flow or packet", "chart"],
    )?;
    for event in &instance.events {
        let time = clock(&event.time);
        write!(
            page,
            "<tr><td>{time}</td><td>{}</td><td>",
            Escaped(&event.kind)
        )?;
        match &event.tuple {
            Some(tuple) => write!(page, "{}", Escaped(tuple))?,
            None => page.push_str("unknown"),
        }
        if let Some(by) = &event.by {
            write!(page, ", evicted for {}", Escaped(by))?;
        }
        page.push_str("</td>");
        let at = report.micros(event.time.0);
        show(page, at, at, &format!("{} at {time}", event.kind))?;
        page.push_str("</tr>\n");
    }
    close(page);
    Ok(())
}

fn top(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.leaders.is_empty() {
        return Ok(());
    }
    let text = "Who causes it. Counts are at least that many.";
    let columns = ["most", "by", "over", "who", "count", "share", "process"];
    open(page, "Culprits", text, &columns)?;
    for leaders in &instance.leaders {
        let over = match (leaders.window_s, leaders.closing) {
            (0.0, _) => format!("held at {}", clock(&leaders.time)),
            (_, true) => "the whole run".to_owned(),
            (window, false) => format!("{window:.1} s up to {}", clock(&leaders.time)),
        };
        let table = &leaders.table;
        for (i, row) in table.rows.iter().take(LEADERS).enumerate() {
            let [by, of, over] = match i {
                0 => [table.by.raw(), table.of.raw(), &over],
                _ => [""; 3],
            };
            writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} of {}</td><td>{:.1} %</td><td>{}</td></tr>",
                Escaped(by),
                Escaped(of),
                Escaped(over),
                Escaped(row.key.raw()),
                row.count,
                table.total,
                row.share,
                Escaped(row.process.as_ref().map_or("", Text::raw))
            )?;
        }
    }
    close(page);
    Ok(())
}

fn crosscheck(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.checks.is_empty() {
        return Ok(());
    }
    let missed = instance.summary.as_ref().and_then(|summary| summary.missed);
    let mut text = "What the probes counted against what the kernel did, at the end.".to_owned();
    if let Some(missed) = missed {
        let _ = write!(text, " Probe hits the kernel skipped: {missed}.");
    }
    if instance.buckets_lost_ms > 0.0 {
        let _ = write!(
            text,
            " {:.0} ms of buckets were overwritten before they could be read: peaks there are unknown.",
            instance.buckets_lost_ms
        );
    }
    open(
        page,
        "Cross-check",
        &text,
        &["check", "probes", "kernel", "verdict", "why"],
    )?;
    for check in &instance.checks {
        writeln!(
            page,
            "<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            check.verdict.name(),
            Escaped(check.name.raw()),
            optional(check.probe),
            kernel(check),
            check.verdict.name(),
            Escaped(check.reason.as_ref().map_or("", Text::raw))
        )?;
    }
    close(page);
    Ok(())
}

fn kernel(check: &Check) -> String {
    match (check.kernel_low, check.kernel_high) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low} to {high}"),
        _ => UNAVAILABLE.to_owned(),
    }
}
