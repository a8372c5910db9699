//! Histograms of durations: the eBPF programs' log-linear buckets, and quantiles computed from them.

use conntrack_ebpf::loglinear::{BUCKETS, Histogram, middle};
use hdrhistogram::Histogram as Hdr;

/// Significant decimal digits that hdrhistogram keeps of the middle of a bucket: an error of 0.1 %. All values of a
/// bucket are within 0.8 % of its middle, so quantiles are within 1 % of the truth.
const DIGITS: u8 = 3;

/// How many durations fell into each bucket, in nanoseconds. Histograms of several CPUs, instances or attachments add up
/// without loss, because all have the same buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DurationHistogram {
    /// Durations by bucket of [`conntrack_ebpf::loglinear`].
    pub counts: Box<Histogram>,
}

impl Default for DurationHistogram {
    fn default() -> Self {
        Self {
            counts: Box::new([0; BUCKETS]),
        }
    }
}

/// Quantiles of durations, in nanoseconds, each within 1 % of the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantiles {
    /// The median.
    pub p50: f64,
    /// 90 % are not longer.
    pub p90: f64,
    /// 99 % are not longer.
    pub p99: f64,
    /// 99.9 % are not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
}

impl DurationHistogram {
    /// Adds the durations of another histogram.
    pub fn add(&mut self, other: &Self) {
        for (sum, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *sum += more;
        }
    }

    /// What has been counted since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut since = self.clone();
        for (now, before) in since.counts.iter_mut().zip(earlier.counts.iter()) {
            *now = now.saturating_sub(*before);
        }
        since
    }

    /// How many durations were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The quantiles; `None` of an empty histogram.
    #[must_use]
    pub fn quantiles(&self) -> Option<Quantiles> {
        let histogram = self.histogram();
        let at = |quantile| histogram.value_at_quantile(quantile) as f64;
        (!histogram.is_empty()).then(|| Quantiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        })
    }

    fn histogram(&self) -> Hdr<u64> {
        // Grows with the values.
        let mut histogram = Hdr::new(DIGITS).unwrap_or_else(|_| {
            unreachable!("a number of digits that hdrhistogram documents as valid")
        });
        for (bucket, &count) in (0..).zip(self.counts.iter()) {
            let value = middle(bucket);
            // This cannot fail: a histogram of this precision has room for all of u64.
            if count > 0 && histogram.record_n(value, count).is_err() {
                histogram.saturating_record_n(value, count);
            }
        }
        histogram
    }
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::loglinear::{bucket, extent};
    use proptest::prelude::*;

    use super::*;

    fn lengths(values: &[u64]) -> DurationHistogram {
        let mut lengths = DurationHistogram::default();
        for value in values {
            lengths.counts[bucket(*value) as usize] += 1;
        }
        lengths
    }

    /// Of all magnitudes alike.
    fn times() -> impl Strategy<Value = u64> {
        (0_u32..64, any::<u64>()).prop_map(|(bits, value)| value >> bits)
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
        assert_eq!(bucket(u64::MAX) as usize, BUCKETS - 1);
    }

    #[test]
    fn an_empty_histogram_has_no_quantiles() {
        assert_eq!(DurationHistogram::default().count(), 0);
        assert_eq!(DurationHistogram::default().quantiles(), None);
    }

    proptest! {
        #[test]
        fn a_bucket_holds_its_values(value in times()) {
            let (least, width) = extent(bucket(value));
            prop_assert!(least <= value && value - least < width);
        }

        #[test]
        fn the_middle_is_near(value in times()) {
            let middle = middle(bucket(value));
            prop_assert!(middle.abs_diff(value) as f64 <= value as f64 * 0.008);
        }

        #[test]
        fn quantiles_are_within_one_percent(mut values in prop::collection::vec(times(), 1..500)) {
            let lengths = lengths(&values);
            values.sort_unstable();
            prop_assert_eq!(lengths.count(), values.len() as u64);
            let said = lengths.quantiles().ok_or_else(|| TestCaseError::fail("none"))?;
            for (quantile, said) in [
                (0.5, said.p50),
                (0.9, said.p90),
                (0.99, said.p99),
                (0.999, said.p999),
                (1.0, said.max),
            ] {
                let rank = (quantile * values.len() as f64).ceil() as usize;
                let exact = values[rank - 1] as f64;
                prop_assert!((said - exact).abs() <= exact * 0.01, "{quantile}: {said}, not {exact}");
            }
        }

        #[test]
        fn parts_add_up(
            first in prop::collection::vec(times(), 0..100),
            second in prop::collection::vec(times(), 0..100),
        ) {
            let mut sum = lengths(&first);
            sum.add(&lengths(&second));
            let union = lengths(&[first.clone(), second.clone()].concat());
            prop_assert_eq!(&sum, &union);
            // What hdrhistogram makes of the parts is what it makes of the whole.
            let mut merged = lengths(&first).histogram();
            prop_assert!(merged.add(lengths(&second).histogram()).is_ok());
            prop_assert_eq!(merged, union.histogram());
            prop_assert_eq!(sum.since(&lengths(&first)), lengths(&second));
        }
    }
}
