//! How long connections lived: from the programs' buckets to quantiles.

use conntrack_ebpf::loglinear::{BUCKETS, middle};
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Significant decimal digits that hdrhistogram keeps of the middle of a bucket. With the width of the
/// buckets, quantiles are within 1 % of the truth.
const DIGITS: u8 = 3;

const SECOND_NS: f64 = 1e9;

/// How long connections lived, from their way into the table to their destruction.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Lifetimes {
    /// Connections that ended, and whose begin was seen.
    pub count: u64,
    /// Connections that ended, and whose begin was not: they were in the table before, or there was no
    /// room to remember them.
    pub unknown: u64,
    /// Median, in seconds, within 1 %; `None` when none ended.
    pub p50_s: Option<f64>,
    /// 90th percentile.
    pub p90_s: Option<f64>,
    /// 99th percentile.
    pub p99_s: Option<f64>,
    /// 99.9th percentile.
    pub p999_s: Option<f64>,
    /// The longest.
    pub max_s: Option<f64>,
}

/// The programs' counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifetimeCounts {
    /// Per bucket.
    pub buckets: Vec<u64>,
    /// Whose begin was not seen.
    pub unknown: u64,
}

impl Default for LifetimeCounts {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS],
            unknown: 0,
        }
    }
}

impl LifetimeCounts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += more;
        }
        self.unknown += other.unknown;
    }

    /// What has been counted since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            buckets: self
                .buckets
                .iter()
                .zip(&earlier.buckets)
                .map(|(now, before)| now.saturating_sub(*before))
                .collect(),
            unknown: self.unknown.saturating_sub(earlier.unknown),
        }
    }

    /// For the report.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let mut histogram = Histogram::<u64>::new(DIGITS).unwrap_or_else(|_| {
            unreachable!("a number of digits that hdrhistogram documents as valid")
        });
        for (bucket, count) in (0..).zip(&self.buckets) {
            if *count > 0 {
                let value = middle(bucket);
                // It grows, up to all of u64.
                if histogram.record_n(value, *count).is_err() {
                    histogram.saturating_record_n(value, *count);
                }
            }
        }
        let at = |quantile| {
            let value = histogram.value_at_quantile(quantile);
            (!histogram.is_empty()).then_some(value as f64 / SECOND_NS)
        };
        Lifetimes {
            count: histogram.len(),
            unknown: self.unknown,
            p50_s: at(0.5),
            p90_s: at(0.9),
            p99_s: at(0.99),
            p999_s: at(0.999),
            max_s: at(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::loglinear::{bucket, extent};
    use proptest::prelude::*;

    use super::*;

    fn counts(values: &[u64]) -> LifetimeCounts {
        let mut counts = LifetimeCounts::default();
        for value in values {
            counts.buckets[bucket(*value) as usize] += 1;
        }
        counts
    }

    /// Of all magnitudes alike.
    fn times() -> impl Strategy<Value = u64> {
        (0_u32..62, any::<u64>()).prop_map(|(bits, value)| value >> (63 - bits))
    }

    #[test]
    fn buckets_have_no_gaps() {
        let mut next = 0;
        for i in 0..BUCKETS as u32 {
            let (least, width) = extent(i);
            assert_eq!(least, next, "{i}");
            assert_eq!((bucket(least), bucket(least + (width - 1))), (i, i));
            next = least.wrapping_add(width);
        }
        // All of u64 has a bucket.
        assert_eq!(next, 0);
    }

    #[test]
    fn nothing_ended() {
        let lifetimes = LifetimeCounts::default().lifetimes();
        assert_eq!((lifetimes.count, lifetimes.p50_s), (0, None));
    }

    proptest! {
        #[test]
        fn the_middle_is_near(value in any::<u64>()) {
            let middle = middle(bucket(value));
            prop_assert!(middle.abs_diff(value) as f64 <= value as f64 * 0.008);
        }

        #[test]
        fn quantiles_are_within_one_percent(mut values in prop::collection::vec(times(), 1..500)) {
            let lifetimes = counts(&values).lifetimes();
            values.sort_unstable();
            prop_assert_eq!(lifetimes.count, values.len() as u64);
            for (quantile, said) in [
                (0.5, lifetimes.p50_s),
                (0.9, lifetimes.p90_s),
                (0.99, lifetimes.p99_s),
                (0.999, lifetimes.p999_s),
                (1.0, lifetimes.max_s),
            ] {
                let rank = (quantile * values.len() as f64).ceil() as usize;
                let said = said.ok_or_else(|| TestCaseError::fail("none"))?;
                let exact = values[rank - 1] as f64 / SECOND_NS;
                prop_assert!((said - exact).abs() <= exact * 0.01, "{quantile}: {said}, not {exact}");
            }
        }

        #[test]
        fn parts_add_up(first in prop::collection::vec(times(), 0..100), second in prop::collection::vec(times(), 0..100)) {
            let mut sum = counts(&first);
            sum.add(&counts(&second));
            prop_assert_eq!(&sum, &counts(&[first.clone(), second.clone()].concat()));
            prop_assert_eq!(sum.since(&counts(&first)), counts(&second));
        }
    }
}
