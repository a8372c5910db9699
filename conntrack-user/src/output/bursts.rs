//! Bursts for eyes: a line each, and a table at the end.

use crate::{
    model::{
        kernel::per_counter::PerCounter,
        record::{Burst, BurstTotals},
    },
    output::number::compact,
};

/// A burst in a line. `instances`: whether there are several, so that it must be said whose it is.
#[must_use]
pub fn line(burst: &Burst, instances: bool) -> String {
    let whose = if instances {
        format!("{} ", burst.instance)
    } else {
        String::new()
    };
    let start = burst.start.0.strftime("%H:%M:%S%.3f").to_string();
    let end = burst.end.0.strftime("%H:%M:%S%.3f").to_string();
    // Of the end, what is not the same.
    let end = match (start.rsplit_once('.'), end.rsplit_once('.')) {
        (Some((second, _)), Some((same, fraction))) if second == same => format!(".{fraction}"),
        _ => end,
    };
    format!(
        "burst {whose}{}: {} in {:.1} ms, peak {}/s, {start} - {end}",
        burst.counter,
        burst.count,
        burst.duration_ms,
        compact(burst.peak_rate),
    )
}

/// The bursts of a run, a line per counter below a header; nothing without bursts.
#[must_use]
pub fn table(bursts: &PerCounter<BurstTotals>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (counter, totals) in bursts.iter() {
        if lines.is_empty() {
            lines.push(row(
                "bursts", "number", "events", "largest", "in ms", "peak/s", "at (UTC)",
            ));
        }
        let largest = &totals.largest;
        lines.push(row(
            counter.spec().name,
            &totals.number.to_string(),
            &totals.count.to_string(),
            &largest.count.to_string(),
            &format!("{:.1}", largest.duration_ms),
            &compact(largest.peak_rate),
            &largest.start.0.strftime("%H:%M:%S%.3f").to_string(),
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
