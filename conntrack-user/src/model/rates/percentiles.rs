//! The distribution of a counter's per-bucket rate.

use crate::model::record::Percentiles;
use hdrhistogram::Histogram;

use crate::reading::buckets::BUCKET_SECONDS;

/// Significant decimal digits of a count per bucket. Counts up to 2,047 are exact.
pub const DIGITS: u8 = 3;

/// The sums for an index of dispersion. They are exact; only the result is rounded.
#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    counts: u128,
    squares: u128,
}

impl Sums {
    fn add(&mut self, count: u64) {
        self.counts += u128::from(count);
        self.squares += u128::from(count) * u128::from(count);
    }

    /// `buckets`: the number of buckets, empty ones included.
    fn dispersion(&self, buckets: u64) -> Option<f64> {
        let n = u128::from(buckets);
        let spread = (n * self.squares).saturating_sub(self.counts * self.counts);
        (self.counts > 0).then(|| spread as f64 / (n * self.counts) as f64)
    }
}

impl Percentiles {
    fn new(dispersion: Option<f64>, max: u64, at_quantile: impl Fn(f64) -> u64) -> Self {
        let rate = |count: u64| count as f64 / BUCKET_SECONDS;
        Self {
            p50: rate(at_quantile(0.5)),
            p90: rate(at_quantile(0.9)),
            p99: rate(at_quantile(0.99)),
            p999: rate(at_quantile(0.999)),
            max: rate(max),
            dispersion,
        }
    }

    /// Exact percentiles of so few buckets that all counts can be kept. `busy`: the counts of buckets with events; `buckets`: the
    /// number of all buckets. `None` without buckets.
    #[must_use]
    pub fn of(mut busy: Vec<u64>, buckets: u64) -> Option<Self> {
        busy.sort_unstable();
        let empty = buckets.checked_sub(busy.len() as u64)?;
        let mut sums = Sums::default();
        busy.iter().for_each(|&count| sums.add(count));
        let at_quantile = |quantile: f64| {
            let rank = (quantile * buckets as f64).ceil() as u64;
            let above_empty = rank.saturating_sub(empty + 1) as usize;
            if rank <= empty {
                0
            } else {
                busy.get(above_empty).copied().unwrap_or_default()
            }
        };
        let max = busy.last().copied().unwrap_or_default();
        (buckets > 0).then(|| Self::new(sums.dispersion(buckets), max, at_quantile))
    }
}

/// A histogram of counts per bucket, empty buckets included.
#[derive(Clone, Debug, Default)]
pub struct BucketHistogram {
    buckets: u64,
    sums: Sums,
    max: u64,
    /// The buckets with events; `None` before the first.
    busy: Option<Histogram<u64>>,
}

impl BucketHistogram {
    /// Adds a bucket.
    pub fn record(&mut self, count: u64) {
        self.buckets += 1;
        self.sums.add(count);
        self.max = self.max.max(count);
        if count == 0 {
            return;
        }
        let busy = self.busy.get_or_insert_with(|| {
            // Resizes itself as counts grow.
            Histogram::new(DIGITS).unwrap_or_else(|_| {
                unreachable!("a number of digits that hdrhistogram documents as valid")
            })
        });
        // Cannot fail: a histogram of this precision can hold any u64.
        if busy.record(count).is_err() {
            busy.saturating_record(count);
        }
    }

    /// Adds buckets without events.
    pub fn record_empty(&mut self, buckets: u64) {
        self.buckets += buckets;
    }

    /// The percentiles; `None` before the first bucket.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        let recorded = self.busy.as_ref().map_or(0, Histogram::len);
        let empty = self.buckets - recorded;
        let at_quantile = |quantile: f64| {
            let rank = (quantile * self.buckets as f64).ceil() as u64;
            match &self.busy {
                // The rank is between two buckets, so that rounding cannot reach the next one.
                Some(busy) if rank > empty => {
                    let rank = (rank - empty) as f64 - 0.5;
                    busy.value_at_quantile(rank / recorded as f64).min(self.max)
                }
                _ => 0,
            }
        };
        (self.buckets > 0)
            .then(|| Percentiles::new(self.sums.dispersion(self.buckets), self.max, at_quantile))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn recorded(counts: &[u64]) -> Option<Percentiles> {
        let mut histogram = BucketHistogram::default();
        counts.iter().for_each(|&count| histogram.record(count));
        histogram.percentiles()
    }

    #[test]
    fn empty_buckets_count() {
        assert_eq!(recorded(&[]), None);
        let mut counts = vec![0; 98];
        counts.extend([5, 10]);
        let p = recorded(&counts).unwrap();
        assert_eq!((p.p50, p.p90), (0.0, 0.0));
        assert_eq!(p.p99, 5.0 / BUCKET_SECONDS);
        assert_eq!(p.max, 10.0 / BUCKET_SECONDS);
        assert_eq!(Percentiles::of(vec![10, 5], 100), Some(p));
        assert_eq!(Percentiles::of(Vec::new(), 0), None);
    }

    #[test]
    fn what_half_of_the_buckets_do_not_exceed() {
        let half = |counts: &[u64]| recorded(counts).unwrap().p50 * BUCKET_SECONDS;
        assert_eq!(half(&[0, 5]), 0.0);
        assert_eq!(half(&[0, 5, 7]), 5.0);
        assert_eq!(half(&[5, 7]), 5.0);
    }

    #[test]
    fn empty_buckets_can_be_added_by_their_number() {
        let mut counts = vec![5, 10];
        counts.extend([0; 98]);
        let mut histogram = BucketHistogram::default();
        histogram.record(5);
        histogram.record_empty(60);
        histogram.record(10);
        histogram.record_empty(38);
        assert_eq!(histogram.percentiles(), recorded(&counts));
    }

    #[test]
    fn dispersion_of_known_counts() {
        assert_eq!(recorded(&[0, 0]).unwrap().dispersion, None);
        assert_eq!(recorded(&[7; 50]).unwrap().dispersion, Some(0.0));
        // Mean 1, variance 3.
        assert_eq!(recorded(&[4, 0, 0, 0]).unwrap().dispersion, Some(3.0));
    }

    /// The definition, for sorted counts: the smallest count that at least `part` per thousand of the counts do not exceed.
    fn nearest_rank(sorted: &[u64], part: usize) -> f64 {
        let needed = |n: usize| n * 1000 >= part * sorted.len();
        let rank = (1..=sorted.len()).find(|&n| needed(n)).unwrap();
        sorted[rank - 1] as f64 / BUCKET_SECONDS
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Both computations match the definition: one exactly, the other within its precision.
        #[test]
        fn percentiles_match_an_exact_computation(
            counts in prop::collection::vec(prop_oneof![Just(0), 0_u64..30, 0_u64..5_000_000], 1..3000)
        ) {
            let busy: Vec<u64> = counts.iter().copied().filter(|&n| n > 0).collect();
            let exact = Percentiles::of(busy, counts.len() as u64).unwrap();
            let near = recorded(&counts).unwrap();
            let mut sorted = counts.clone();
            sorted.sort_unstable();
            for (part, exact, near) in [
                (500, exact.p50, near.p50),
                (900, exact.p90, near.p90),
                (990, exact.p99, near.p99),
                (999, exact.p999, near.p999),
                (1000, exact.max, near.max),
            ] {
                let expected = nearest_rank(&sorted, part);
                prop_assert_eq!(exact, expected);
                prop_assert!(
                    (near - expected).abs() <= expected / 1000.0,
                    "p{}: {} instead of {}", part, near, expected
                );
                if expected * BUCKET_SECONDS < 2047.5 {
                    prop_assert_eq!(near, expected);
                }
            }
            let n = counts.len() as f64;
            let mean = counts.iter().map(|&c| c as f64).sum::<f64>() / n;
            let variance = counts.iter().map(|&c| (c as f64 - mean).powi(2)).sum::<f64>() / n;
            prop_assert_eq!(exact.dispersion, near.dispersion);
            match near.dispersion {
                Some(dispersion) => prop_assert!(
                    (dispersion - variance / mean).abs() <= 1e-6 * (1.0 + variance / mean)
                ),
                None => prop_assert_eq!(mean, 0.0),
            }
        }
    }
}
