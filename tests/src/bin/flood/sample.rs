//! Arithmetic on repeated measurements. Those of one repetition are made close to each other in time, so disturbances affect all
//! of them.

/// A repeated measurement: median and extremes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    /// The median; the mean of the middle two for an even number.
    pub(crate) median: f64,
    /// The least.
    pub(crate) min: f64,
    /// The greatest.
    pub(crate) max: f64,
}

impl Spread {
    /// From measurements; `None` if there are none.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let (&min, &max) = values.first().zip(values.last())?;
        let upper = values.len() / 2;
        let lower = (values.len() - 1) / 2;
        Some(Self {
            median: f64::midpoint(values[lower], values[upper]),
            min,
            max,
        })
    }
}

/// The differences between measurements, by repetition.
pub(crate) fn added(values: &[f64], base: &[f64]) -> Vec<f64> {
    let pairs = values.iter().zip(base);
    pairs.map(|(value, base)| value - base).collect()
}

/// The ratios of measurements, by repetition; only of those above zero.
pub(crate) fn ratios(values: &[f64], base: &[f64]) -> Vec<f64> {
    let pairs = values.iter().zip(base);
    pairs
        .filter(|&(_, &base)| base > 0.0)
        .map(|(value, base)| value / base)
        .collect()
}

/// The ratio of two medians.
pub(crate) fn ratio(values: &[f64], base: &[f64]) -> Option<f64> {
    let median = |values: &[f64]| Some(Spread::of(values.iter().copied())?.median);
    let base = median(base).filter(|&base| base > 0.0)?;
    Some(median(values)? / base)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        let median = |values: &[f64]| Spread::of(values.iter().copied()).map(|s| s.median);
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), Some(2.5));
        assert_eq!(median(&[7.0]), Some(7.0));
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn extremes() {
        let spread = Spread::of([3.0, -1.0, 2.0]).map(|s| (s.min, s.max));
        assert_eq!(spread, Some((-1.0, 3.0)));
    }

    #[test]
    fn values_that_are_not_above_zero_have_no_ratio() {
        assert_eq!(ratio(&[1.0], &[-0.1]), None);
        assert_eq!(ratio(&[1.0], &[]), None);
        assert_eq!(ratios(&[1.0, 2.0], &[0.0, 4.0]), [0.5]);
    }
}
