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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_have_a_decimal_where_it_says_more() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.06, "0.1"),
            (3.0, "3"),
            (9.94, "9.9"),
            (9.95, "10"),
            (10.4, "10"),
            (94.4, "94"),
            (94.96, "95"),
            (95.0, "95"),
            (95.06, "95.1"),
            (99.94, "99.9"),
            // What is not full is not 100 %.
            (99.99, "99.9"),
            (100.0, "100"),
            (100.4, "100"),
            (143.7, "144"),
        ] {
            assert_eq!(percent(value), text, "{value}");
        }
    }

    #[test]
    fn numbers_have_two_digits() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0"),
            (0.06, "0.1"),
            (4.0, "4"),
            (9.94, "9.9"),
            (9.96, "10"),
            (10.0, "10"),
            (94.6, "95"),
            (424.0, "420"),
            (425.0, "430"),
            (994.0, "990"),
            (996.0, "1k"),
            (1_234.0, "1.2k"),
            (1_250.0, "1.3k"),
            (12_345.0, "12k"),
            (994_000.0, "990k"),
            (999_000.0, "1M"),
            (1_234_567.0, "1.2M"),
            (45_678_901.0, "46M"),
            (f64::INFINITY, "?"),
            (f64::NAN, "?"),
        ] {
            assert_eq!(two_digits(value), text, "{value}");
        }
    }

    #[test]
    fn times_are_to_the_second_and_long_ones_to_the_minute() {
        for (seconds, text) in [
            (-1.0, "less than a second"),
            (0.4, "less than a second"),
            (0.6, "1s"),
            (59.4, "59s"),
            (599.4, "9m 59s"),
            (600.0, "10m"),
            (629.0, "10m"),
            (631.0, "11m"),
            (7_200.0, "2h"),
            (f64::INFINITY, "more than a day"),
        ] {
            assert_eq!(lasting(seconds), text, "{seconds}");
        }
    }
}
