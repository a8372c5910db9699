//! The distribution of a counter's per-bucket rate.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::series::{BUCKET_SECONDS, Series};

/// Significant decimal digits kept of a count per bucket.
const DIGITS: u8 = 3;

/// Percentiles of the per-bucket rate, in events per second.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median.
    pub p50: f64,
    /// 90th percentile.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The busiest bucket.
    pub max: f64,
}

/// A histogram of counts per bucket, empty buckets included.
#[derive(Clone, Debug)]
pub struct BucketHistogram {
    counts: Histogram<u64>,
}

impl Default for BucketHistogram {
    fn default() -> Self {
        let mut counts = Histogram::new_with_bounds(1, 1 << 20, DIGITS).unwrap_or_else(|_| {
            unreachable!("constant bounds that hdrhistogram documents as valid")
        });
        counts.auto(true);
        Self { counts }
    }
}

impl BucketHistogram {
    /// Adds the buckets of a span: those of `series`, and the rest of `span` buckets as empty.
    pub fn record(&mut self, series: &Series, span: u64) {
        let mut busy = 0;
        for &count in series.counts.iter().filter(|&&count| count > 0) {
            self.counts.saturating_record(count);
            busy += 1;
        }
        self.counts
            .saturating_record_n(0, span.saturating_sub(busy));
    }

    /// The percentiles; `None` before the first bucket.
    #[must_use]
    pub fn percentiles(&self) -> Option<Percentiles> {
        if self.counts.is_empty() {
            return None;
        }
        let rate = |quantile| self.counts.value_at_quantile(quantile) as f64 / BUCKET_SECONDS;
        Some(Percentiles {
            p50: rate(0.5),
            p90: rate(0.9),
            p99: rate(0.99),
            p999: rate(0.999),
            max: self.counts.max() as f64 / BUCKET_SECONDS,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_buckets_count() {
        let mut histogram = BucketHistogram::default();
        assert_eq!(histogram.percentiles(), None);
        let series = Series {
            start: 7,
            counts: vec![5, 0, 10],
        };
        histogram.record(&series, 100);
        let p = histogram.percentiles().unwrap();
        assert_eq!((p.p50, p.p90), (0.0, 0.0));
        assert_eq!(p.p99, 5.0 / BUCKET_SECONDS);
        assert_eq!(p.max, 10.0 / BUCKET_SECONDS);
    }
}
