//! Amounts in sentences.

use std::time::Duration;

use crate::clock::format_duration;

/// Whole percent, or one decimal where that says more.
pub(super) fn percent(value: f64) -> String {
    // What is not full is not 100 %.
    let value = if (99.9..100.0).contains(&value) {
        99.9
    } else {
        value
    };
    if value < 9.95 || (95.0..99.95).contains(&value) {
        let text = format!("{value:.1}");
        return text.trim_end_matches(".0").to_owned();
    }
    format!("{value:.0}")
}

/// Two significant digits, so that a verdict changes only when something does: `420`, `1.2k`, `12k`, `1.2M`.
pub(super) fn two_digits(value: f64) -> String {
    if !value.is_finite() {
        return "?".to_owned();
    }
    if value < 10.0 {
        return format!("{}", (value * 10.0).round() / 10.0);
    }
    let step = 10_f64.powf(value.log10().floor() - 1.0);
    let rounded = (value / step).round() * step;
    match rounded {
        v if v >= 1e6 => format!("{}M", (v / 1e5).round() / 10.0),
        v if v >= 1e3 => format!("{}k", (v / 1e2).round() / 10.0),
        v => format!("{v:.0}"),
    }
}

/// A time from now, to the second, or to the minute where it is long.
pub(super) fn lasting(seconds: f64) -> String {
    let step = if seconds < 600.0 { 1.0 } else { 60.0 };
    let rounded = (seconds.max(0.0) / step).round() * step;
    match Duration::try_from_secs_f64(rounded) {
        Ok(Duration::ZERO) => "less than a second".to_owned(),
        Ok(rounded) => format_duration(rounded),
        Err(_) => "more than a day".to_owned(),
    }
}
