//! The whole run of one instance.

use crate::{
    model::{
        record::{Check, InstanceSummary, Percentiles, Verdict},
        verify::crosscheck::ENTRIES_BALANCE,
    },
    output::{
        bursts, durations,
        number::{UNAVAILABLE, compact_or_dash},
        text::{cells::optional, style::Tone},
    },
    text::Text,
};

/// Its lines, each with its tone.
pub(super) fn lines(duration_s: f64, instance: &InstanceSummary) -> Vec<(String, Tone)> {
    let mut lines = vec![(String::new(), Tone::Plain)];
    let title = format!("{}, {duration_s:.1} s", instance.name);
    lines.push((
        format!(
            "{title:<16} {:>10} {:>10}  {:<14} {:>5} {:>5} {:>5} {:>5}",
            "probe", "kernel", "check", "p50/s", "p99/s", "max/s", "disp.",
        ),
        Tone::Title,
    ));
    for check in &instance.crosscheck {
        if check.name == ENTRIES_BALANCE {
            let line = format!(
                "{:<16} {:>10} {:>10}  {}",
                check.name,
                optional(check.probe),
                range(check),
                check.verdict.name(),
            );
            lines.push((line, tone(check.verdict)));
        }
    }
    let mut still = Vec::new();
    for (counter, total) in instance.totals.iter() {
        let name = counter.spec().name;
        if total.probe.is_none() && total.kernel == Some(0) {
            still.push(name);
            continue;
        }
        let check = instance.crosscheck.iter().find(|c| c.name == name);
        let percentiles = instance.histograms.get(counter);
        let rate = |of: fn(&Percentiles) -> f64| compact_or_dash(percentiles.map(of));
        let line = format!(
            "{name:<16} {:>10} {:>10}  {:<14} {:>5} {:>5} {:>5} {:>5}",
            optional(total.probe),
            optional(total.kernel),
            check.map_or(UNAVAILABLE, |c| c.verdict.name()),
            rate(|p| p.p50),
            rate(|p| p.p99),
            rate(|p| p.max),
            compact_or_dash(percentiles.and_then(|p| p.dispersion)),
        );
        lines.push((line, check.map_or(Tone::Plain, |c| tone(c.verdict))));
    }
    for row in durations::rows(instance) {
        lines.push((durations::line(&row), Tone::Plain));
    }
    if !still.is_empty() {
        lines.push((format!("nothing counted: {}", still.join(" ")), Tone::Dim));
    }
    let bursts = bursts::table(&instance.bursts).into_iter();
    lines.extend(bursts.map(|line| (line, Tone::Plain)));
    for check in &instance.crosscheck {
        if check.verdict >= Verdict::Undercount {
            lines.push((format!("! {}", explanation(check)), tone(check.verdict)));
        }
    }
    if !instance.crosscheck.is_empty() {
        let missed = instance
            .missed
            .map_or_else(|| "this kernel does not tell".to_owned(), |n| n.to_string());
        let line = format!(
            "probe hits the kernel skipped: {missed}; events lost: {}",
            optional(instance.lost_events)
        );
        lines.push((line, Tone::Plain));
    }
    lines
}

/// The tone of a check: one that holds needs no attention.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Mismatch => Tone::Bad,
        Verdict::Undercount => Tone::Warning,
        _ => Tone::Plain,
    }
}

/// What the kernel can have counted.
pub(in crate::output) fn range(check: &Check) -> String {
    match (check.kernel_low, check.kernel_high) {
        (Some(low), Some(high)) if low == high => low.to_string(),
        (Some(low), Some(high)) => format!("{low}..{high}"),
        _ => UNAVAILABLE.to_owned(),
    }
}

/// What a check compared, and why it ended as it did.
pub(in crate::output) fn explanation(check: &Check) -> String {
    let reason = check
        .reason
        .as_ref()
        .map_or_else(|| "no reason known".to_owned(), Text::to_string);
    format!(
        "{} {}: probes {}, kernel {}: {reason}",
        check.verdict.name(),
        check.name,
        optional(check.probe),
        range(check),
    )
}
