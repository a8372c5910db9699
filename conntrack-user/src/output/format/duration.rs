//! Durations: compact for narrow columns, with the measured precision, or as the length of a window.

use crate::{
    model::{forecast::TimeToFull, history::time::Nanos},
    output::format::number::{UNAVAILABLE, decimal},
};

/// Compact seconds, at most five characters wide: `4.2s`, `42s`, `9m30s`, `42m`, `5h`.
#[must_use]
pub fn compact(seconds: f64) -> String {
    let whole = seconds.round();
    if !seconds.is_finite() {
        UNAVAILABLE.to_owned()
    } else if seconds < 9.95 {
        format!("{}s", decimal(seconds, 1))
    } else if whole < 100.0 {
        format!("{whole}s")
    } else if whole < 600.0 {
        format!("{}m{:02}s", (whole / 60.0).floor(), whole % 60.0)
    } else if whole < 5_970.0 {
        format!("{:.0}m", whole / 60.0)
    } else {
        format!("{}h", decimal(whole / 3600.0, 0))
    }
}

/// Whether a table is full already, so that there is no time left to tell.
#[must_use]
pub fn is_full(time: TimeToFull) -> bool {
    time.high <= 0.0
}

/// When a table will be full, for a sentence: `full in 42s (35s-55s)`, or `full now`.
#[must_use]
pub fn fills_in(time: TimeToFull) -> String {
    if is_full(time) {
        return "full now".to_owned();
    }
    format!(
        "full in {} ({})",
        compact(time.estimate),
        compact_range(time)
    )
}

/// A compact range: `35s-55s`.
#[must_use]
pub fn compact_range(time: TimeToFull) -> String {
    format!("{}-{}", compact(time.low), compact(time.high))
}

/// Seconds with three significant digits: `1.25 µs`, `812 µs`, `45.3 ms`, `1.25 s`, `340 s`, `2.1 h`.
#[must_use]
pub fn exact(seconds: f64) -> String {
    match seconds {
        s if s < 9.995e-6 => format!("{} µs", decimal(s * 1e6, 2)),
        s if s < 99.95e-6 => format!("{:.1} µs", s * 1e6),
        s if s < 0.999_5e-3 => format!("{:.0} µs", s * 1e6),
        s if s < 0.999_95 => format!("{:.1} ms", s * 1e3),
        s if s < 99.995 => format!("{s:.2} s"),
        s if s < 3_599.5 => format!("{s:.0} s"),
        s if s.is_finite() => format!("{} h", decimal(s / 3_600.0, 1)),
        _ => UNAVAILABLE.to_owned(),
    }
}

/// The same for microseconds.
#[must_use]
pub fn exact_us(microseconds: f64) -> String {
    exact(microseconds / 1e6)
}

/// Milliseconds with one decimal: `3.1 ms`.
#[must_use]
pub fn millis(milliseconds: f64) -> String {
    format!("{} ms", decimal(milliseconds, 1))
}

/// Whole milliseconds: `129 ms`.
#[must_use]
pub fn whole_millis(milliseconds: f64) -> String {
    format!("{} ms", decimal(milliseconds, 0))
}

/// Seconds with one decimal: `12.3 s`.
#[must_use]
pub fn seconds(seconds: f64) -> String {
    format!("{} s", decimal(seconds, 1))
}

/// The length of a window in the best unit: `50 ms`, `1.5 s`, `1 min`.
#[must_use]
pub fn window(length: Nanos) -> String {
    let length = length as f64;
    for (unit, name) in [
        (3.6e12, "h"),
        (6e10, "min"),
        (1e9, "s"),
        (1e6, "ms"),
        (1e3, "µs"),
    ] {
        let value = length / unit;
        if value >= 0.9995 {
            return if value < 9.95 && (value - value.round()).abs() > 0.005 {
                format!("{value:.1} {name}")
            } else {
                format!("{value:.0} {name}")
            };
        }
    }
    format!("{length:.0} ns")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn compact_ones() {
        for (seconds, text) in [
            (0.0, "0.0s"),
            (4.24, "4.2s"),
            (9.96, "10s"),
            (42.4, "42s"),
            (99.4, "99s"),
            (99.6, "1m40s"),
            (301.0, "5m01s"),
            (599.4, "9m59s"),
            (599.6, "10m"),
            (5_969.0, "99m"),
            (5_970.0, "2h"),
            (86_400.0, "24h"),
            (4.0 * 86_400.0, "96h"),
            (f64::NAN, "—"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(compact(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn exact_ones() {
        for (value, text) in [
            (0.0, "0.00 µs"),
            (0.000_001_25, "1.25 µs"),
            (0.000_012_5, "12.5 µs"),
            (0.000_812, "812 µs"),
            (0.000_999_7, "1.0 ms"),
            (0.045_3, "45.3 ms"),
            (1.25, "1.25 s"),
            (340.2, "340 s"),
            (7_560.0, "2.1 h"),
        ] {
            assert_eq!(exact(value), text, "{value}");
            assert_eq!(exact_us(value * 1e6), text, "{value}");
        }
        assert_eq!(exact(f64::NAN), "—");
    }

    #[test]
    fn windows() {
        for (length, text) in [
            (50_000_000, "50 ms"),
            (1_048_576, "1.0 ms"),
            (1_500_000_000, "1.5 s"),
            (60_000_000_000, "1 min"),
            (3_600_000_000_000, "1 h"),
            (543, "543 ns"),
        ] {
            assert_eq!(window(length), text);
        }
    }

    proptest! {
        #[test]
        fn compact_ones_are_never_wider_than_five(seconds in 0.0..4.0 * 86_400.0) {
            let text = compact(seconds);
            prop_assert!(text.chars().count() <= 5, "{}", text);
        }

        #[test]
        fn any_duration_is_short(value in any::<f64>()) {
            for text in [compact(value), exact(value), exact_us(value), millis(value), seconds(value)] {
                prop_assert!(text.chars().count() <= 24, "{}", text);
            }
        }
    }
}
