//! The text and the tone of cells.

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        forecast::TimeToFull,
        kernel::counters::ChartId,
        record::{Sample, Verdict},
    },
    output::{
        format::{
            clock, duration,
            number::{
                UNAVAILABLE, compact_or_dash, exact_or_dash, marked_wrong, optional, percent,
            },
        },
        text::{
            columns::{ColumnField, INSTANCE, Numbers, TextColumn},
            style::Tone,
        },
    },
};

/// The text of a cell, padded to the width of its column, and its tone.
pub(super) fn filled(sample: &Sample, column: &TextColumn, numbers: Numbers) -> (String, Tone) {
    let (text, tone) = cell(sample, column, numbers);
    let tone = if text == UNAVAILABLE { Tone::Dim } else { tone };
    (pad(&text, column), tone)
}

/// Pads text: the time, names and the verdict are left-aligned, numbers right-aligned.
pub(super) fn pad(text: &str, column: &TextColumn) -> String {
    let width = column.width;
    match column.field {
        ColumnField::Time | ColumnField::Instance | ColumnField::Verdict => {
            format!("{text:<width$}")
        }
        _ => format!("{text:>width$}"),
    }
}

fn cell(sample: &Sample, column: &TextColumn, numbers: Numbers) -> (String, Tone) {
    let rate = |value: Option<f64>| match numbers {
        Numbers::Human => compact_or_dash(value),
        Numbers::Exact => exact_or_dash(value),
    };
    let wrong = |value: f64| {
        let number = marked_wrong(rate(Some(value)), value, column.width);
        (number, Tone::Bad)
    };
    match column.field {
        ColumnField::Time => (clock::millis(sample.time), Tone::Plain),
        ColumnField::Instance => (
            sample.instance.to_string().chars().take(INSTANCE).collect(),
            Tone::Plain,
        ),
        ColumnField::Entries => (optional(sample.entries), Tone::Plain),
        ColumnField::Max => (optional(sample.max), Tone::Plain),
        ColumnField::Net => (net(sample.entries_per_s, numbers), Tone::Plain),
        ColumnField::Utilization => {
            let used = sample.utilization;
            let used = used.map_or_else(|| UNAVAILABLE.to_owned(), percent);
            (used, alert(sample, AlertId::Full))
        }
        ColumnField::TimeToFull => (
            forecast(sample, |time| duration::compact(time.estimate)),
            alert(sample, AlertId::TimeToFull),
        ),
        ColumnField::TimeToFullRange => (forecast(sample, duration::compact_range), Tone::Plain),
        ColumnField::Rate(chart, dimension) => {
            let value = sample.value(chart, dimension);
            if let Some(value) = value.filter(|_| sample.is_wrong(chart, dimension)) {
                return wrong(value);
            }
            let tone = match value {
                Some(0.0) => Tone::Dim,
                Some(_) if chart == ChartId::Errors as usize => Tone::Bad,
                _ => Tone::Plain,
            };
            (rate(value), tone)
        }
        ColumnField::Peak(counter) => {
            let value = sample.peaks.get(counter).map(|peak| peak.rate);
            if let Some(value) = value.filter(|_| sample.wrong.get(counter).is_some()) {
                return wrong(value);
            }
            let idle = value == Some(0.0);
            (rate(value), if idle { Tone::Dim } else { Tone::Plain })
        }
        ColumnField::Verdict => verdict(sample.verdict),
    }
}

/// A change with its sign: `+1.2k`, `-35`, `0`.
fn net(change: Option<f64>, numbers: Numbers) -> String {
    let Some(change) = change else {
        return UNAVAILABLE.to_owned();
    };
    let size = match numbers {
        Numbers::Human => compact_or_dash(Some(change.abs())),
        Numbers::Exact => exact_or_dash(Some(change.abs())),
    };
    let sign = match change {
        c if c > 0.0 => "+",
        c if c < 0.0 => "-",
        _ => "",
    };
    format!("{sign}{size}")
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

/// The tone of a value, by the alert that evaluates it.
fn alert(sample: &Sample, alert: AlertId) -> Tone {
    let state = sample.alerts.get(alert.spec().name);
    state.map_or(Tone::Plain, |state| tone_of(state.status))
}

/// The tone of an alert's status.
pub(super) fn tone_of(status: AlertStatus) -> Tone {
    match status {
        AlertStatus::Clear => Tone::Plain,
        AlertStatus::Warning => Tone::Warning,
        AlertStatus::Critical => Tone::Bad,
    }
}

/// The forecast; distinguishes a table that does not fill from an unknown forecast.
fn forecast(sample: &Sample, text: impl Fn(TimeToFull) -> String) -> String {
    match (sample.time_to_full_s, sample.utilization) {
        (Some(time), _) if duration::is_full(time) => "now".to_owned(),
        (Some(time), _) => text(time),
        (None, Some(_)) => "-".to_owned(),
        (None, None) => UNAVAILABLE.to_owned(),
    }
}
