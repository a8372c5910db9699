//! The key facts at the top of an instance. All are always present: an unavailable one has a reason.

use std::fmt::Write;

use crate::{
    model::{
        alert::AlertStatus,
        kernel::counters::Counter,
        record::Verdict,
        report::{
            DimensionReport, FullAlert, Fullest, InstanceReport, LossConclusion, Losses,
            RecordingReport,
        },
    },
    output::{
        format::{
            clock,
            number::{
                UNAVAILABLE, WRONG, compact, compact_or_dash, decimal, optional, percent_in_text,
            },
        },
        markup::Escaped,
        report::alert_class,
    },
    text::Text,
};

/// A fact: its class, label, value and text.
struct Fact {
    class: &'static str,
    name: &'static str,
    value: String,
    text: String,
}

/// The class of facts that are neither good nor bad, or unknown.
const NEUTRAL: &str = "";

pub(super) fn write(
    page: &mut String,
    report: &RecordingReport,
    instance: &InstanceReport,
) -> std::fmt::Result {
    page.push_str("<dl class=\"facts\">\n");
    let facts = [
        Some(fullest(instance)),
        Some(busiest(report, instance)),
        Some(events(&Losses::new(report, instance))),
        alert(instance),
        Some(crosscheck(report, instance)),
        wrong(report, instance),
    ];
    for fact in facts.into_iter().flatten() {
        writeln!(
            page,
            "<div class=\"fact {}\"><dt>{}</dt><dd><b>{}</b> {}</dd></div>",
            fact.class,
            fact.name,
            Escaped(fact.value),
            Escaped(fact.text)
        )?;
    }
    page.push_str("</dl>\n");
    Ok(())
}

fn fullest(instance: &InstanceReport) -> Fact {
    let name = "Fullest";
    let Some(fullest) = instance.fullest else {
        return Fact {
            class: NEUTRAL,
            name,
            value: UNAVAILABLE.to_owned(),
            text: "the number of entries was never read".to_owned(),
        };
    };
    let mut text = format!(
        "{} of {} entries at {}",
        fullest.highest.entries,
        optional(fullest.max),
        clock::millis(fullest.highest.at)
    );
    let alert = &instance.full_alert;
    if fullest.is_full
        && alert
            .worst
            .is_none_or(|worst| worst < AlertStatus::Critical)
    {
        text.push_str("; the table was full");
    }
    if let Some(why) = &alert.not_judged {
        text.push_str(match alert.worst {
            Some(_) => "; the alert was not judged all the time: ",
            None => "; the alert was not judged: ",
        });
        text.push_str(&why.to_string());
    }
    Fact {
        class: full_class(&fullest, alert),
        name,
        value: optional(fullest.highest.utilization.map(percent_in_text)),
        text,
    }
}

/// A full table is bad whatever the alert says. It is only green if the alert was evaluated all the time and always CLEAR.
fn full_class(fullest: &Fullest, alert: &FullAlert) -> &'static str {
    match (alert.worst, &alert.not_judged) {
        _ if fullest.is_full => alert_class(AlertStatus::Critical),
        (Some(worst), _) if worst.is_raised() => alert_class(worst),
        (Some(worst), None) => alert_class(worst),
        (_, Some(_)) | (None, None) => NEUTRAL,
    }
}

fn busiest(report: &RecordingReport, instance: &InstanceReport) -> Fact {
    let new = instance.dimension(Counter::New);
    // The bucket that the verdict names; without buckets, the busiest interval.
    let bucket = instance
        .busy_peaks()
        .find(|(counter, ..)| *counter == Counter::New);
    let bucket = bucket.map(|(_, peak, at)| (at, peak.rate));
    let interval = || {
        let (at, rate) = new.and_then(DimensionReport::peak)?;
        Some((report.time(at), rate))
    };
    let (value, text) = match bucket.or_else(interval) {
        Some((at, rate)) => (
            format!("{}{}/s", compact(rate), mark(new)),
            format!(
                "new connections at {}; {}{}/s on average",
                clock::millis(at),
                compact_or_dash(new.and_then(DimensionReport::mean)),
                mark(new)
            ),
        ),
        None => {
            let reason = new.and_then(|new| new.reason.as_ref());
            let reason = reason.map_or_else(|| "unavailable".to_owned(), Text::to_string);
            (UNAVAILABLE.to_owned(), format!("new connections: {reason}"))
        }
    };
    Fact {
        class: NEUTRAL,
        name: "Busiest",
        value,
        text,
    }
}

fn events(losses: &Losses) -> Fact {
    let mut parts = Vec::new();
    if losses.events > 0 {
        let kinds = losses.by_kind.iter().map(|(kind, n)| format!("{n} {kind}"));
        parts.push(kinds.collect::<Vec<_>>().join(", "));
    } else if losses.conclusion == LossConclusion::Nothing {
        parts.push("nothing dropped, evicted or refused was seen".to_owned());
    } else if losses.without_probes.is_none() {
        parts.push("none was seen".to_owned());
    }
    if let Some(why) = &losses.without_probes {
        parts.push(format!(
            "only probes see events, and there were none: {why}"
        ));
    } else if !losses.unseen.is_empty() {
        let kinds = losses.unseen.iter().flat_map(|unseen| &unseen.kinds);
        let kinds: Vec<&str> = kinds.copied().collect();
        parts.push(format!("not all are seen of {}", kinds.join(", ")));
    }
    if losses.events == 0 && losses.conclusion != LossConclusion::Nothing {
        let counted = losses.counted.iter();
        let counted = counted.map(|count| format!("{} {}", count.name, optional(count.rise)));
        parts.push(format!(
            "counted: {}",
            counted.collect::<Vec<_>>().join(", ")
        ));
    }
    Fact {
        class: match losses.conclusion {
            LossConclusion::Lost => alert_class(AlertStatus::Warning),
            LossConclusion::Nothing => alert_class(AlertStatus::Clear),
            LossConclusion::Unknown => NEUTRAL,
        },
        name: "Events",
        value: match (&losses.without_probes, losses.events) {
            (Some(_), 0) => UNAVAILABLE.to_owned(),
            (_, events) => events.to_string(),
        },
        text: parts.join("; "),
    }
}

fn alert(instance: &InstanceReport) -> Option<Fact> {
    let alert = instance.worst_alert.as_ref()?;
    Some(Fact {
        class: alert_class(alert.status),
        name: "Alert",
        value: alert.status.to_string(),
        text: format!(
            "{} at {} {}, {}",
            alert.name,
            decimal(alert.value, 1),
            alert.unit,
            clock::millis(alert.time)
        ),
    })
}

fn crosscheck(report: &RecordingReport, instance: &InstanceReport) -> Fact {
    let name = "Cross-check";
    let Some((verdict, at)) = instance.worst else {
        let why = report.without_probes();
        let why = why.map_or_else(|| "no check was made".to_owned(), Text::to_string);
        return Fact {
            class: NEUTRAL,
            name,
            value: UNAVAILABLE.to_owned(),
            text: format!("nothing was compared: {why}"),
        };
    };
    let at = clock::millis(report.time(at));
    let (class, text) = match verdict {
        Verdict::Mismatch => (
            "bad",
            format!("probes and kernel did not agree, first at {at}"),
        ),
        Verdict::Undercount => (
            "bad",
            format!("the kernel missed probe hits, first at {at}"),
        ),
        Verdict::WithinBracket => (
            "fine",
            "probes and kernel agreed, given what moved while reading".to_owned(),
        ),
        Verdict::Exact => ("fine", "probes and kernel always agreed".to_owned()),
        Verdict::NotComparable => (NEUTRAL, "there was nothing to compare with".to_owned()),
    };
    let (class, text) = match report.without_probes() {
        Some(_) if !verdict.is_bad() => (NEUTRAL, text + "; for a time there were no probes"),
        _ => (class, text),
    };
    Fact {
        class,
        name,
        value: in_words(verdict),
        text,
    }
}

/// The name of a verdict in words.
pub(super) fn in_words(verdict: Verdict) -> String {
    verdict.name().replace('_', " ")
}

/// The mark of a dimension's numbers, if they are wrong.
fn mark(dimension: Option<&DimensionReport>) -> &'static str {
    match dimension {
        Some(dimension) if dimension.is_wrong() => WRONG,
        _ => "",
    }
}

/// The counters that were wrong at any time, if there are any.
fn wrong(report: &RecordingReport, instance: &InstanceReport) -> Option<Fact> {
    let mut names = Vec::new();
    let mut texts = Vec::new();
    for (counter, wrong) in instance.wrong.iter() {
        let name = counter.spec().name;
        let since = clock::millis(report.time(wrong.since));
        names.push(name);
        texts.push(format!("{name}, first at {since}: {}", wrong.reason));
    }
    (!names.is_empty()).then(|| Fact {
        class: "bad",
        name: "Do not trust",
        value: names.join(", "),
        text: texts.join("; "),
    })
}
