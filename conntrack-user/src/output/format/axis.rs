//! Round numbers for axes. The report's script gets the same constants.

/// Mantissas of round numbers.
pub const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

const US: i64 = 1;
const MS: i64 = 1_000 * US;
const S: i64 = 1_000 * MS;
const MIN: i64 = 60 * S;

/// Round steps of a time axis in microseconds, up to a day.
pub const TIME_STEPS_US: [i64; 27] = [
    100 * US,
    200 * US,
    500 * US,
    MS,
    2 * MS,
    5 * MS,
    10 * MS,
    20 * MS,
    50 * MS,
    100 * MS,
    200 * MS,
    500 * MS,
    S,
    2 * S,
    5 * S,
    10 * S,
    15 * S,
    30 * S,
    MIN,
    2 * MIN,
    5 * MIN,
    10 * MIN,
    15 * MIN,
    30 * MIN,
    60 * MIN,
    360 * MIN,
    1440 * MIN,
];

/// The smallest round number that is not less than `value`; 0 for negative values.
#[must_use]
pub fn round_up(value: f64) -> f64 {
    if value <= 0.0 || !value.is_finite() {
        return 0.0;
    }
    let power = 10_f64.powf(value.log10().floor());
    let fits = |step: &&f64| **step * power >= value * (1.0 - 1e-9);
    let step = STEPS.iter().find(fits).unwrap_or(&10.0);
    (step * power).min(f64::MAX)
}

/// The smallest of [`TIME_STEPS_US`], in nanoseconds, that needs at most `labels` labels for a span; the largest if all need
/// more.
#[must_use]
pub fn time_step_ns(span_ns: i64, labels: i64) -> i64 {
    let steps = TIME_STEPS_US.map(|step| step * 1000);
    let fits = steps
        .into_iter()
        .find(|step| span_ns / step <= labels.max(1));
    fits.unwrap_or(steps[steps.len() - 1])
}

/// The fractional digits of a second needed for labels of a time axis with this step, up to milliseconds.
#[must_use]
pub fn digits_of_a_second(step_ns: i64) -> usize {
    match step_ns {
        1_000_000_000.. => 0,
        100_000_000.. => 1,
        10_000_000.. => 2,
        _ => 3,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_rounded_up_to_1_2_and_5() {
        for (value, rounded) in [
            (0.0, 0.0),
            (1.0, 1.0),
            (1.1, 2.0),
            (2.0, 2.0),
            (4.9, 5.0),
            (6.0, 10.0),
            (49_600.0, 50_000.0),
            (1e6, 1e6),
            (0.003, 0.005),
        ] {
            let got = round_up(value);
            assert!((got - rounded).abs() <= rounded * 1e-9, "{value}: {got}");
        }
    }

    #[test]
    fn time_is_divided_so_that_labels_fit() {
        assert_eq!(time_step_ns(20_000_000_000, 5), 5_000_000_000);
        assert_eq!(time_step_ns(50_000_000, 3), 20_000_000);
        assert_eq!(time_step_ns(i64::MAX, 1), 86_400_000_000_000);
        assert_eq!(
            [2_000_000_000, 200_000_000, 50_000_000, 5_000_000].map(digits_of_a_second),
            [0, 1, 2, 3]
        );
    }

    proptest! {
        #[test]
        fn rounding_up_is_finite_and_never_less(value in any::<f64>()) {
            let rounded = round_up(value);
            prop_assert!(rounded.is_finite() && rounded >= 0.0);
            // Except denormal numbers.
            if value.is_normal() && value > 0.0 {
                prop_assert!(rounded >= value * (1.0 - 1e-6), "{} {}", value, rounded);
            }
        }
    }
}
