//! The tables of an instance: bursts, busiest buckets, durations, alerts, events, top talkers, cross-check.

use std::fmt::Write;

use crate::{
    model::{
        kernel::counters::{Counter, named},
        report::{InstanceReport, Losses, RecordingReport, TopReport},
    },
    output::{
        checks::range_in_text,
        durations,
        format::{
            clock, duration,
            number::{WRONG, compact, decimal, optional, percent_in_text},
        },
        markup::Escaped,
        report::table::{close, open},
    },
    text::Text,
};

pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
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

/// The mark of a counter's numbers, if it was wrong at any time.
fn mark(instance: &InstanceReport, counter: Counter) -> &'static str {
    if instance.wrong.get(counter).is_some() {
        WRONG
    } else {
        ""
    }
}

/// Writes a button that zooms the charts to a time span.
fn show(page: &mut String, (from, to): (i64, i64), what: &str) -> std::fmt::Result {
    write!(
        page,
        "<td><button type=\"button\" hidden data-from=\"{from}\" data-to=\"{to}\" aria-label=\"Show {}\">Show</button></td>",
        Escaped(what)
    )
}

fn bursts(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
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
    let shown = instance.bursts.len() as u64;
    let title = if shown < instance.burst_count {
        format!("Bursts (the {shown} greatest of {})", instance.burst_count)
    } else {
        format!("Bursts ({shown})")
    };
    open(page, &title, text, &columns)?;
    for burst in &instance.bursts {
        let start = clock::millis(burst.start);
        let counter = named(burst.counter.raw()).map(|spec| spec.id);
        let mark = counter.map_or("", |counter| mark(instance, counter));
        write!(
            page,
            "<tr class=\"burst-row\"><td>{}</td><td>{start}</td><td>{}</td><td>{}{mark}</td><td>{}{mark}/s</td><td>{}{mark}/s</td>",
            Escaped(&burst.counter),
            duration::millis(burst.duration_ms),
            burst.count,
            compact(burst.peak_rate),
            compact(burst.usual_rate)
        )?;
        show(
            page,
            report.around(burst.start, burst.end),
            &format!("the burst of {} at {start}", burst.counter),
        )?;
        page.push_str("</tr>\n");
    }
    close(page);
    Ok(())
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
    open(
        page,
        "Busiest moments",
        text,
        &["counter", "one event is", "peak", "at", "chart"],
    )?;
    for (counter, peak, at) in busy {
        let (spec, time) = (counter.spec(), clock::millis(at));
        let mark = mark(instance, counter);
        write!(
            page,
            "<tr><td>{}{mark}</td><td>{}</td><td>{}{mark}/s</td><td>{time}</td>",
            spec.name,
            Escaped(spec.meaning),
            compact(peak.rate)
        )?;
        show(
            page,
            report.around_bucket(at),
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
    let shown = instance.alerts.len() as u64;
    let text = if shown < instance.alert_count {
        format!("The first {shown} are listed.")
    } else {
        String::new()
    };
    open(
        page,
        &format!("Alerts ({})", instance.alert_count),
        &text,
        &["time", "alert", "status", "value", "was"],
    )?;
    for alert in &instance.alerts {
        writeln!(
            page,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{} {}</td><td>{}</td></tr>",
            clock::millis(alert.time),
            Escaped(&alert.name),
            alert.status,
            decimal(alert.value, 1),
            Escaped(&alert.unit),
            alert.previous
        )?;
    }
    close(page);
    Ok(())
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
    open(
        page,
        &format!("Events ({total})"),
        &text,
        &["time", "event", "flow or packet", "chart"],
    )?;
    for event in &instance.events {
        let time = clock::millis(event.time);
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
        show(
            page,
            report.around(event.time, event.time),
            &format!("{} at {time}", event.kind),
        )?;
        page.push_str("</tr>\n");
    }
    close(page);
    Ok(())
}

fn top(page: &mut String, instance: &InstanceReport) -> std::fmt::Result {
    if instance.talkers.is_empty() {
        return Ok(());
    }
    let text = "Who has most of it. Counts are at least that many.";
    let columns = ["most", "by", "over", "who", "count", "share", "process"];
    open(page, "Top talkers", text, &columns)?;
    for talkers in &instance.talkers {
        let over = over(talkers);
        let table = &talkers.table;
        for (i, row) in table.rows.iter().enumerate() {
            let [by, of, over] = match i {
                0 => [table.by.to_string(), table.of.to_string(), over.clone()],
                _ => Default::default(),
            };
            let process = row.process.as_ref().map(Text::to_string);
            writeln!(
                page,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{} of {}</td><td>{}</td><td>{}</td></tr>",
                Escaped(by),
                Escaped(of),
                Escaped(over),
                Escaped(&row.key),
                row.count,
                table.total,
                percent_in_text(row.share),
                Escaped(process.unwrap_or_default())
            )?;
        }
    }
    close(page);
    Ok(())
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
            Escaped(&check.name),
            optional(check.probe),
            range_in_text(check),
            check.verdict.name(),
            Escaped(
                check
                    .reason
                    .as_ref()
                    .map_or_else(String::new, Text::to_string)
            )
        )?;
    }
    close(page);
    Ok(())
}
