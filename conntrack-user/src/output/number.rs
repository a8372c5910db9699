//! Numbers for eyes: three significant digits and a unit prefix, at most five characters wide.

/// Shown where a value is unavailable.
pub const UNAVAILABLE: &str = "—";

/// A rate or an amount: `0`, `2.5`, `813`, `9.99k`, `12.5k`, `1.20M`.
#[must_use]
pub fn compact(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    if value < 9.95 {
        return format!("{value:.1}");
    }
    if value < 999.5 {
        return format!("{value:.0}");
    }
    for (unit, suffix) in [(1e3, "k"), (1e6, "M"), (1e9, "G")] {
        let scaled = value / unit;
        if scaled < 9.995 {
            return format!("{scaled:.2}{suffix}");
        }
        if scaled < 99.95 {
            return format!("{scaled:.1}{suffix}");
        }
        if scaled < 999.5 {
            return format!("{scaled:.0}{suffix}");
        }
    }
    format!("{value:.0e}")
}

/// Seconds, at most five characters wide: `4.2s`, `42s`, `9m30s`, `42m`, `5h`.
#[must_use]
pub fn compact_time(seconds: f64) -> String {
    let whole = seconds.round();
    if seconds < 9.95 {
        format!("{seconds:.1}s")
    } else if whole < 100.0 {
        format!("{whole}s")
    } else if whole < 600.0 {
        format!("{}m{:02}s", (whole / 60.0).floor(), whole % 60.0)
    } else if whole < 5_970.0 {
        format!("{:.0}m", whole / 60.0)
    } else {
        format!("{:.0}h", whole / 3600.0)
    }
}

/// A length of time in seconds: `1.25 µs`, `812 µs`, `45.3 ms`, `1.25 s`, `340 s`, `2.1 h`.
#[must_use]
pub fn seconds(value: f64) -> String {
    match value {
        value if value < 9.995e-6 => format!("{:.2} µs", value * 1e6),
        value if value < 99.95e-6 => format!("{:.1} µs", value * 1e6),
        value if value < 0.999_5e-3 => format!("{:.0} µs", value * 1e6),
        value if value < 0.999_95 => format!("{:.1} ms", value * 1e3),
        value if value < 99.995 => format!("{value:.2} s"),
        value if value < 3_599.5 => format!("{value:.0} s"),
        value => format!("{:.1} h", value / 3_600.0),
    }
}

/// The same of microseconds.
#[must_use]
pub fn microseconds(value: f64) -> String {
    seconds(value / 1e6)
}

/// A value that may be unavailable.
#[must_use]
pub fn compact_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), compact)
}

/// A rate to the hundredth that may be unavailable: `0`, `2319.42`.
#[must_use]
pub fn exact_or_dash(value: Option<f64>) -> String {
    match value {
        None => UNAVAILABLE.to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms() {
        for (value, text) in [
            (0.0, "0"),
            (0.04, "0.0"),
            (2.5, "2.5"),
            (9.95, "10"),
            (813.4, "813"),
            (999.6, "1.00k"),
            (9_990.0, "9.99k"),
            (12_500.0, "12.5k"),
            (262_144.0, "262k"),
            (999_600.0, "1.00M"),
            (1.2e9, "1.20G"),
        ] {
            assert_eq!(compact(value), text, "{value}");
        }
        assert_eq!(compact_or_dash(None), "—");
    }

    #[test]
    fn times() {
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
        ] {
            assert_eq!(compact_time(seconds), text, "{seconds}");
        }
    }

    #[test]
    fn lengths_of_time() {
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
            assert_eq!(seconds(value), text, "{value}");
            assert_eq!(microseconds(value * 1e6), text, "{value}");
        }
    }

    proptest! {
        #[test]
        fn times_are_never_wider_than_five(seconds in 0.0..4.0 * 86_400.0) {
            let text = compact_time(seconds);
            prop_assert!(text.chars().count() <= 5, "{}", text);
        }

        #[test]
        fn never_wider_than_five(value in 0.0..9e11_f64) {
            prop_assert!(compact(value).chars().count() <= 5, "{}", compact(value));
        }
    }
}
