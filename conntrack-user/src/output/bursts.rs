//! Bursts as text: a line each, and a table in the summary.

use crate::{
    model::{
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{Burst, BurstTotals},
    },
    output::format::{
        clock, duration,
        number::{WRONG, compact, decimal},
    },
};

/// The line of a burst. `instances`: whether there are several, so that it names its instance. `wrong`: whether its counter is
/// known to be wrong.
#[must_use]
pub fn line(burst: &Burst, instances: bool, wrong: bool) -> String {
    let mark = if wrong { WRONG } else { "" };
    let whose = if instances {
        format!("{} ", burst.instance)
    } else {
        String::new()
    };
    format!(
        "burst {whose}{}: {}{mark} in {}, peak {}{mark}/s, {}",
        burst.counter,
        burst.count,
        duration::millis(burst.duration_ms),
        compact(burst.peak_rate),
        clock::span(burst.start, burst.end),
    )
}

/// The table of a run's bursts, with a line per counter; empty without bursts. The numbers of counters that are `wrong` are marked.
#[must_use]
pub fn table(bursts: &PerCounter<BurstTotals>, wrong: impl Fn(Counter) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (counter, totals) in bursts.iter() {
        let mark = if wrong(counter) { WRONG } else { "" };
        if lines.is_empty() {
            lines.push(row(
                "bursts", "number", "events", "largest", "in ms", "peak/s", "at (UTC)",
            ));
        }
        let largest = &totals.largest;
        lines.push(row(
            counter.spec().name,
            &format!("{}{mark}", totals.number),
            &format!("{}{mark}", totals.count),
            &format!("{}{mark}", largest.count),
            &decimal(largest.duration_ms, 1),
            &format!("{}{mark}", compact(largest.peak_rate)),
            &clock::millis(largest.start),
        ));
    }
    lines
}

fn row(
    name: &str,
    number: &str,
    events: &str,
    largest: &str,
    ms: &str,
    peak: &str,
    at: &str,
) -> String {
    format!("{name:<16} {number:>10} {events:>10}  {largest:>9} {ms:>8} {peak:>6}  {at}")
}
