//! The summary of one instance.

use crate::{
    model::record::{InstanceSummary, Percentiles, Verdict},
    output::{
        bursts,
        checks::{explanation, range},
        durations,
        format::{
            duration,
            number::{UNAVAILABLE, WRONG, compact, compact_or_dash, marked_wrong, optional},
        },
        text::style::Tone,
    },
};

/// The width of a percentile.
const PERCENTILE: usize = 5;

/// Columns of a counter's name, and of a number.
const NAME: usize = 16;
const NUMBER: usize = 10;

/// The lines of the summary, each with its tone.
pub(super) fn lines(duration_s: f64, instance: &InstanceSummary) -> Vec<(String, Tone)> {
    let mut lines = vec![(String::new(), Tone::Plain)];
    let title = format!("{}, {}", instance.name, duration::seconds(duration_s));
    lines.push((
        format!(
            "{title:<NAME$} {:>NUMBER$} {:>NUMBER$}  {:<14} {:>5} {:>5} {:>5} {:>5}",
            "probe", "kernel", "check", "p50/s", "p99/s", "max/s", "disp.",
        ),
        Tone::Title,
    ));
    for check in instance.balances() {
        // Names of laws may be longer than counters'; the column of numbers gives way.
        let name = check.name.to_string();
        let width = (NAME + NUMBER).saturating_sub(name.len().max(NAME));
        let line = format!(
            "{name:<NAME$} {:>width$} {:>NUMBER$}  {}",
            optional(check.probe),
            range(check),
            words(check.verdict),
        );
        lines.push((line, tone(check.verdict)));
    }
    for counted in instance.counted() {
        let wrong = instance.is_wrong(counted.counter);
        let number = |value: Option<f64>| match value {
            Some(value) if wrong => marked_wrong(compact(value), value, PERCENTILE),
            value => compact_or_dash(value),
        };
        let rate = |of: fn(&Percentiles) -> f64| number(counted.percentiles.map(of));
        let line = format!(
            "{:<NAME$} {:>NUMBER$} {:>NUMBER$}  {:<14} {:>5} {:>5} {:>5} {:>5}",
            counted.counter.spec().name,
            optional(
                counted
                    .total
                    .probe
                    .map(|probe| format!("{probe}{}", mark(wrong)))
            ),
            optional(counted.total.kernel),
            counted.check.map_or(UNAVAILABLE, |c| words(c.verdict)),
            rate(|p| p.p50),
            rate(|p| p.p99),
            rate(|p| p.max),
            number(counted.percentiles.and_then(|p| p.dispersion)),
        );
        lines.push((line, counted.check.map_or(Tone::Plain, |c| tone(c.verdict))));
    }
    for row in durations::rows(instance) {
        lines.push((durations::line(&row), Tone::Plain));
    }
    let still: Vec<&str> = instance.unchanged().collect();
    if !still.is_empty() {
        lines.push((format!("nothing counted: {}", still.join(" ")), Tone::Dim));
    }
    let bursts = bursts::table(&instance.bursts, |counter| instance.is_wrong(counter)).into_iter();
    lines.extend(bursts.map(|line| (line, Tone::Plain)));
    for check in instance.bad_checks() {
        lines.push((format!("! {}", explanation(check)), tone(check.verdict)));
    }
    if !instance.crosscheck.is_empty() {
        let missed = instance.missed.map_or_else(
            || "not reported by this kernel".to_owned(),
            |n| n.to_string(),
        );
        let line = format!(
            "probe hits the kernel missed: {missed}; events lost: {}",
            optional(instance.lost_events)
        );
        lines.push((line, Tone::Plain));
    }
    lines
}

const fn mark(wrong: bool) -> &'static str {
    if wrong { WRONG } else { "" }
}

/// A check's verdict in plain words.
pub(super) const fn words(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NotComparable => "not checked",
        Verdict::Exact => "exact",
        Verdict::WithinBracket => "agrees",
        Verdict::Undercount => "TOO LOW",
        Verdict::Mismatch => "WRONG",
    }
}

/// The tone of a check's verdict: a good one is not emphasised.
pub(super) fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Mismatch => Tone::Bad,
        Verdict::Undercount => Tone::Warning,
        _ => Tone::Plain,
    }
}
