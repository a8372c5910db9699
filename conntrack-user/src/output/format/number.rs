//! Numbers. NaN and infinity are shown as unavailable.

/// Shown where a value is unavailable.
pub const UNAVAILABLE: &str = "—";

/// A range of numbers in the compact format.
#[derive(Clone, Copy, Debug)]
pub struct CompactStep {
    /// The divisor.
    pub unit: f64,
    /// The upper end of the range, after the division.
    pub below: f64,
    /// The number of decimals.
    pub decimals: usize,
    /// The unit prefix.
    pub suffix: &'static str,
}

const fn step(unit: f64, below: f64, decimals: usize, suffix: &'static str) -> CompactStep {
    CompactStep {
        unit,
        below,
        decimals,
        suffix,
    }
}

/// The compact format: three significant digits and a unit prefix. The report's script uses the same table.
pub const COMPACT: [CompactStep; 11] = [
    step(1.0, 9.95, 1, ""),
    step(1.0, 999.5, 0, ""),
    step(1e3, 9.995, 2, "k"),
    step(1e3, 99.95, 1, "k"),
    step(1e3, 999.5, 0, "k"),
    step(1e6, 9.995, 2, "M"),
    step(1e6, 99.95, 1, "M"),
    step(1e6, 999.5, 0, "M"),
    step(1e9, 9.995, 2, "G"),
    step(1e9, 99.95, 1, "G"),
    step(1e9, 999.5, 0, "G"),
];

/// A rate or count, at most five characters wide: `0`, `2.5`, `813`, `9.99k`, `12.5k`, `1.20M`.
#[must_use]
pub fn compact(value: f64) -> String {
    if !value.is_finite() {
        return UNAVAILABLE.to_owned();
    }
    if value == 0.0 {
        return "0".to_owned();
    }
    let (sign, size) = if value < 0.0 {
        ("-", -value)
    } else {
        ("", value)
    };
    match COMPACT.iter().find(|step| size / step.unit < step.below) {
        Some(step) => format!(
            "{sign}{:.*}{}",
            step.decimals,
            size / step.unit,
            step.suffix
        ),
        None => format!("{value:.0e}"),
    }
}

/// A value in the compact format with fewer digits, at most four characters wide: `0`, `2.5`, `813`, `10k`, `1.2M`.
#[must_use]
pub fn rough(value: f64) -> String {
    let full = compact(value);
    if full.chars().count() <= ROUGH {
        return full;
    }
    // One decimal less: `9.99k` becomes `10k`, `12.5k` becomes `12k`, `-262k` stays.
    let size = value.abs();
    let found = COMPACT.iter().find(|step| size / step.unit < step.below);
    match found.filter(|step| step.decimals > 0) {
        Some(step) => {
            let digits = step.decimals - 1;
            let scaled = value / step.unit;
            let text = format!("{scaled:.digits$}{}", step.suffix);
            match text.chars().count() {
                ..=ROUGH => text,
                // `9.99` with one decimal is `10.0`.
                _ => format!("{scaled:.0}{}", step.suffix),
            }
        }
        None => full,
    }
}

/// The width of a rough number.
const ROUGH: usize = 4;

/// The mark of a count that a check proves wrong.
pub const WRONG: &str = "!";

/// A number that a check proves wrong, in `width` characters if that has room for it: never without its mark.
#[must_use]
pub fn marked_wrong(number: String, value: f64, width: usize) -> String {
    if number == UNAVAILABLE {
        return number;
    }
    let number = if number.chars().count() < width {
        number
    } else {
        rough(value)
    };
    number + WRONG
}

/// A value in the compact format, or a dash if it is unavailable.
#[must_use]
pub fn compact_or_dash(value: Option<f64>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), compact)
}

/// A count: in full if it is short, else compact.
#[must_use]
pub fn amount(count: u64) -> String {
    if count < 10_000 {
        count.to_string()
    } else {
        compact(count as f64)
    }
}

/// A rate with two decimals: `0`, `2319.42`, or a dash if it is unavailable.
#[must_use]
pub fn exact_or_dash(value: Option<f64>) -> String {
    match value {
        None => UNAVAILABLE.to_owned(),
        Some(0.0) => "0".to_owned(),
        Some(value) => decimal(value, 2),
    }
}

/// Larger numbers are written with an exponent.
const LARGE: f64 = 1e15;

/// A number with this many decimals: `12.3`.
#[must_use]
pub fn decimal(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        UNAVAILABLE.to_owned()
    } else if value.abs() < LARGE {
        format!("{value:.decimals$}")
    } else {
        format!("{value:.1e}")
    }
}

/// Percent with one decimal, for a column: `92.3%`.
#[must_use]
pub fn percent(value: f64) -> String {
    with_sign(value, 1, "%")
}

/// Percent with one decimal, for a sentence: `92.3 %`.
#[must_use]
pub fn percent_in_text(value: f64) -> String {
    with_sign(value, 1, " %")
}

/// Whole percent: `92%`.
#[must_use]
pub fn whole_percent(value: f64) -> String {
    with_sign(value, 0, "%")
}

fn with_sign(value: f64, decimals: usize, sign: &str) -> String {
    match decimal(value, decimals) {
        text if text == UNAVAILABLE => text,
        text => text + sign,
    }
}

/// Percent with two significant digits: `9.9%`, `45%`.
#[must_use]
pub fn share(value: f64) -> String {
    if value < 9.95 {
        percent(value)
    } else {
        whole_percent(value)
    }
}

/// A value in full, or a dash if it is unavailable.
#[must_use]
pub fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| UNAVAILABLE.to_owned(), |value| value.to_string())
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
            (-262_144.0, "-262k"),
            (f64::NAN, "—"),
            (f64::INFINITY, "—"),
        ] {
            assert_eq!(compact(value), text, "{value}");
        }
        assert_eq!(compact_or_dash(None), "—");
        assert_eq!(
            [0, 9_999, 10_000].map(amount),
            ["0", "9999", "10.0k"].map(str::to_owned)
        );
    }

    #[test]
    fn wrong_numbers() {
        for (value, text) in [
            (0.0, "0!"),
            (813.4, "813!"),
            (1_270.0, "1.3k!"),
            (9_990.0, "10k!"),
            (12_500.0, "12k!"),
            (262_144.0, "262k!"),
            (1.2e9, "1.2G!"),
            (f64::NAN, "—"),
        ] {
            assert_eq!(marked_wrong(compact(value), value, 5), text, "{value}");
        }
        assert_eq!(
            marked_wrong("123456.25".to_owned(), 123_456.25, 12),
            "123456.25!"
        );
    }

    #[test]
    fn percentages() {
        assert_eq!(percent(92.316), "92.3%");
        assert_eq!(percent_in_text(92.316), "92.3 %");
        assert_eq!([9.94, 9.96, 45.4].map(share), ["9.9%", "10%", "45%"]);
        assert_eq!(percent(f64::NAN), "—");
    }

    proptest! {
        #[test]
        fn never_wider_than_five(value in 0.0..9e11_f64) {
            prop_assert!(compact(value).chars().count() <= 5, "{}", compact(value));
        }

        #[test]
        fn a_wrong_one_is_marked_and_no_wider(value in 0.0..9e11_f64) {
            let text = marked_wrong(compact(value), value, 5);
            prop_assert!(text.chars().count() <= 5 && text.ends_with('!'), "{}", text);
        }

        #[test]
        fn any_number_is_short(value in any::<f64>(), decimals in 0..3_usize) {
            prop_assert!(compact(value).chars().count() <= 8, "{}", compact(value));
            let text = decimal(value, decimals);
            prop_assert!(text.chars().count() <= 20, "{}", text);
        }
    }
}
