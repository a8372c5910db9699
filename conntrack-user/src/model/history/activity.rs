//! How busy a window was, and the bursts in it.

use crate::model::{
    history::{samples::SamplePoint, views::DimensionView},
    kernel::counters::Counter,
};

/// The activity in a window, over all rates.
#[derive(Clone, Debug, PartialEq)]
pub struct Activity {
    /// The busiest rate of each column; `None` where nothing is known.
    pub columns: Vec<Option<f64>>,
    /// Whether a column overlaps a burst.
    pub in_burst: Vec<bool>,
    /// The maximum of `columns`, in events per second.
    pub greatest: f64,
    /// A summary of the window.
    pub summary: ActivitySummary,
}

/// A summary of the activity in a window.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ActivitySummary {
    /// There were bursts; the rate is that of the busiest bucket in any of them.
    Bursts {
        /// The number of bursts.
        number: usize,
        /// Events per second of the busiest bucket.
        peak_rate: f64,
    },
    /// There were no bursts; this is the busiest rate in events per second.
    Busiest(f64),
    /// Flows were counted all the time, and nothing happened.
    Quiet,
    /// Nothing was seen, but not everything was counted.
    Unknown,
}

/// The counters that are needed to tell that no flows started or ended.
const FLOWS: [Counter; 3] = [Counter::New, Counter::Inserted, Counter::Deleted];

/// Whether flows were counted in all of these intervals, by bucket where there are buckets.
pub(super) fn are_flows_counted<'a>(points: impl Iterator<Item = &'a SamplePoint>) -> bool {
    let mut any = false;
    for point in points {
        any = true;
        let is_counted =
            |counter: &Counter| point.rate(*counter).is_some() && !point.is_rate_wrong(*counter);
        if point.buckets_lost || !FLOWS.iter().all(is_counted) {
            return false;
        }
    }
    any
}

/// The maximum of all rates, over `per` columns at a time: of buckets, or of intervals for rates without buckets. `None` where
/// nothing is known.
#[must_use]
pub fn busiest(dimensions: &[&DimensionView], per: usize) -> Vec<Option<f64>> {
    let in_buckets = |dimension: &DimensionView| dimension.resolution_ms.is_some();
    let any = dimensions.iter().any(|dimension| in_buckets(dimension));
    let mut busiest: Vec<Option<f64>> = Vec::new();
    for dimension in dimensions.iter().filter(|d| in_buckets(d) == any) {
        for (i, columns) in dimension.columns.chunks(per.max(1)).enumerate() {
            if busiest.len() == i {
                busiest.push(None);
            }
            let peaks = columns.iter().flatten().map(|column| column.peak);
            busiest[i] = peaks.chain(busiest[i]).reduce(f64::max);
        }
    }
    busiest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{history::views::WindowColumn, record::SourceKind};

    fn view(peaks: &[Option<f64>], resolution_ms: Option<f64>) -> DimensionView {
        let column = |peak: &Option<f64>| peak.map(|peak| WindowColumn { mean: 0.0, peak });
        DimensionView {
            columns: peaks.iter().map(column).collect(),
            now: None,
            peak: None,
            p99: None,
            source: SourceKind::Probe,
            is_now_wrong: false,
            is_window_wrong: false,
            resolution_ms,
        }
    }

    #[test]
    fn the_busiest_rate_is_that_of_a_bucket_if_there_are_buckets() {
        let bucketed = view(&[None, Some(1.0), Some(5.0), None, None], Some(1.0));
        let interval = view(&[Some(9.0); 5], None);
        assert_eq!(
            busiest(&[&bucketed, &interval], 2),
            [Some(1.0), Some(5.0), None]
        );
        assert_eq!(busiest(&[&interval], 5), [Some(9.0)]);
        assert!(busiest(&[], 2).is_empty());
    }
}
