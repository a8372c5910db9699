//! What stands in a cell, and how it looks.

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        forecast::TimeToFull,
        kernel::charts::CHARTS,
        record::{Sample, Verdict},
    },
    output::{
        number::{UNAVAILABLE, compact_or_dash, compact_time, exact_or_dash},
        text::{
            columns::{Cell, Column, INSTANCE, Numbers},
            style::Tone,
        },
    },
};

/// The text of a cell, as wide as its column, and its tone.
pub(super) fn filled(sample: &Sample, column: &Column, numbers: Numbers) -> (String, Tone) {
    let (text, tone) = cell(sample, column.cell, numbers);
    let tone = if text == UNAVAILABLE { Tone::Dim } else { tone };
    (pad(&text, column), tone)
}

/// Text that stands at the left of its column: the time, names and the verdict.
pub(super) fn pad(text: &str, column: &Column) -> String {
    let width = column.width;
    match column.cell {
        Cell::Time | Cell::Instance | Cell::Verdict => format!("{text:<width$}"),
        _ => format!("{text:>width$}"),
    }
}

fn cell(sample: &Sample, cell: Cell, numbers: Numbers) -> (String, Tone) {
    let rate = |value: Option<f64>| match numbers {
        Numbers::Human => compact_or_dash(value),
        Numbers::Exact => exact_or_dash(value),
    };
    match cell {
        Cell::Time => {
            let time = sample.time.0.strftime("%H:%M:%S%.3f");
            (time.to_string(), Tone::Plain)
        }
        Cell::Instance => (
            sample.instance.to_string().chars().take(INSTANCE).collect(),
            Tone::Plain,
        ),
        Cell::Entries => (optional(sample.entries), Tone::Plain),
        Cell::Max => (optional(sample.max), Tone::Plain),
        Cell::Utilization => {
            let used = sample.utilization.map_or_else(
                || UNAVAILABLE.to_owned(),
                |percent| format!("{percent:.1}%"),
            );
            (used, alert(sample, AlertId::Full))
        }
        Cell::TimeToFull => (
            foretold(sample, |time| compact_time(time.estimate)),
            alert(sample, AlertId::TimeToFull),
        ),
        Cell::TimeToFullRange => (foretold(sample, time_range), Tone::Plain),
        Cell::Rate(chart, dimension) => {
            let chart_name = CHARTS[chart].name;
            let dimension = CHARTS[chart].dimensions[dimension].name;
            let dimensions = sample.charts.get(chart_name);
            let value = dimensions.and_then(|d| *d.get(dimension)?);
            let tone = match value {
                Some(0.0) => Tone::Dim,
                Some(_) if chart_name.ends_with("errors") => Tone::Bad,
                _ => Tone::Plain,
            };
            (rate(value), tone)
        }
        Cell::Peak(counter) => {
            let value = sample.peaks.get(counter).map(|peak| peak.rate);
            let idle = value == Some(0.0);
            (rate(value), if idle { Tone::Dim } else { Tone::Plain })
        }
        Cell::Verdict => verdict(sample.verdict),
    }
}

fn verdict(verdict: Option<Verdict>) -> (String, Tone) {
    match verdict {
        Some(Verdict::WithinBracket) => ("within".to_owned(), Tone::Good),
        Some(Verdict::Undercount) => ("UNDER!".to_owned(), Tone::Warning),
        Some(Verdict::Mismatch) => ("WRONG!".to_owned(), Tone::Bad),
        Some(Verdict::Exact) => (Verdict::Exact.name().to_owned(), Tone::Good),
        Some(verdict) => (verdict.name().to_owned(), Tone::Plain),
        None => (UNAVAILABLE.to_owned(), Tone::Dim),
    }
}

/// The tone of what an alert judges.
fn alert(sample: &Sample, alert: AlertId) -> Tone {
    let state = sample.alerts.get(alert.spec().name);
    state.map_or(Tone::Plain, |state| tone_of(state.status))
}

/// The tone of an alert.
pub(super) fn tone_of(status: AlertStatus) -> Tone {
    match status {
        AlertStatus::Clear => Tone::Plain,
        AlertStatus::Warning => Tone::Warning,
        AlertStatus::Critical => Tone::Bad,
    }
}

/// A table that does not fill is another thing than one that nothing is known of.
fn foretold(sample: &Sample, text: impl Fn(TimeToFull) -> String) -> String {
    match (sample.time_to_full_s, sample.utilization) {
        (Some(time), _) => text(time),
        (None, Some(_)) => "-".to_owned(),
        (None, None) => UNAVAILABLE.to_owned(),
    }
}

fn time_range(time: TimeToFull) -> String {
    format!("{}-{}", compact_time(time.low), compact_time(time.high))
}

/// As in `42s (35s-55s)`.
pub(super) fn time_and_range(time: TimeToFull) -> String {
    format!("{} ({})", compact_time(time.estimate), time_range(time))
}

/// A value that may be unavailable, in full.
pub(in crate::output) fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), |value| value.to_string())
}
