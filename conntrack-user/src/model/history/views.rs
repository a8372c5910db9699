//! The charts of a window: values by column, and the numbers beside them.

use std::ops::Range;

use crate::{
    model::{
        history::{
            buckets::{BucketStore, Resolution, SLOT},
            samples::{SamplePoint, SampleStore, first_dimension},
            time::Nanos,
            window::Window,
        },
        kernel::{
            charts::{CHARTS, Quantity},
            counters::Counter,
        },
        record::SourceKind,
    },
    reading::buckets::BUCKET_SECONDS,
};

/// The value of a column.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WindowColumn {
    /// The average rate, or the most entries.
    pub mean: f64,
    /// The rate of the busiest bucket, or of the busiest interval where there are no buckets.
    pub peak: f64,
}

/// A dimension in a window.
#[derive(Clone, Debug, PartialEq)]
pub struct DimensionView {
    /// Its columns; `None` where nothing is known.
    pub columns: Vec<Option<WindowColumn>>,
    /// The last value in the window.
    pub now: Option<f64>,
    /// The greatest value: of a bucket if there are buckets, else of an interval.
    pub peak: Option<f64>,
    /// The 99th percentile of the window's buckets, or of its intervals if there are no buckets.
    pub p99: Option<f64>,
    /// Its source at the end of the window.
    pub source: SourceKind,
    /// Whether `now` is a count of probes that a check proves wrong.
    pub is_now_wrong: bool,
    /// Whether `peak`, `p99` and the columns have such counts.
    pub is_window_wrong: bool,
    /// The resolution of `p99` in milliseconds; `None` if that is the interval.
    pub resolution_ms: Option<f64>,
}

impl DimensionView {
    /// Whether anything happened in the window, as far as is known.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.source != SourceKind::Unavailable && self.peak.is_some_and(|peak| peak != 0.0)
    }
}

/// Everything that is summed for a column.
#[derive(Clone, Copy, Default)]
struct ColumnSum {
    /// The part of the column that buckets cover.
    covered: Option<(Nanos, Nanos)>,
    sum: u64,
    max: u32,
    /// Rates of intervals, multiplied by the length of their overlap with the column.
    weighted: f64,
    weight: f64,
    highest: f64,
}

/// The dimensions of a chart in a window, in the memory of `spare`, whatever that has.
#[must_use]
pub fn chart_view(
    samples: &SampleStore,
    buckets: &BucketStore,
    chart: usize,
    window: &Window,
    spare: Vec<DimensionView>,
) -> Vec<DimensionView> {
    let first = first_dimension(chart);
    let dimensions = CHARTS.get(chart).map_or(&[][..], |c| c.dimensions);
    let mut columns = spare.into_iter().map(|view| view.columns);
    let mut sums = Vec::new();
    (first..)
        .zip(dimensions)
        .map(|(at, dimension)| {
            let mut columns = columns.next().unwrap_or_default();
            columns.clear();
            match dimension.quantity {
                Quantity::Entries => gauge(samples, at, window, columns),
                Quantity::Rate(counter) => {
                    sums.clear();
                    sums.resize(window.columns, ColumnSum::default());
                    rate(samples, buckets, (at, counter), window, &mut sums, columns)
                }
            }
        })
        .collect()
}

/// `columns` is empty.
fn gauge(
    samples: &SampleStore,
    at: usize,
    window: &Window,
    mut columns: Vec<Option<WindowColumn>>,
) -> DimensionView {
    columns.resize(window.columns, None);
    let mut values = Vec::new();
    for point in samples.over(&window.range()) {
        let Some(value) = point.values[at] else {
            continue;
        };
        values.push(value);
        for i in window.columns_of(&(point.start()..point.end)) {
            let column: &mut WindowColumn = columns[i].get_or_insert_default();
            column.mean = column.mean.max(value);
            column.peak = column.mean;
        }
    }
    let total = values.len() as u64;
    DimensionView {
        columns,
        now: last(samples, at, window),
        peak: values.iter().copied().reduce(f64::max),
        p99: percentile_99(values, total),
        source: source(samples, at, window),
        is_now_wrong: false,
        is_window_wrong: false,
        resolution_ms: None,
    }
}

/// `sums` has a default for each column, `columns` is empty.
fn rate(
    samples: &SampleStore,
    buckets: &BucketStore,
    (at, counter): (usize, Counter),
    window: &Window,
    sums: &mut [ColumnSum],
    mut columns: Vec<Option<WindowColumn>>,
) -> DimensionView {
    let range = window.range();
    let mut rates = Vec::new();
    let mut covered: Option<(Nanos, Nanos)> = None;
    let mut is_window_wrong = false;
    for point in samples.over(&range) {
        let Some(value) = point.values[at] else {
            continue;
        };
        let span = point.start().max(range.start)..point.end.min(range.end);
        if point.bucketed[at] {
            extend(&mut covered, &span);
            is_window_wrong |= point.buckets_wrong[at];
        } else {
            rates.push(value);
            is_window_wrong |= point.wrong[at];
        }
        for i in window.columns_of(&span) {
            let column = window.column(i);
            let part = span.start.max(column.start)..span.end.min(column.end);
            let sum = &mut sums[i];
            if point.bucketed[at] {
                extend(&mut sum.covered, &part);
            } else {
                let length = (part.end - part.start) as f64;
                sum.weighted += value * length;
                sum.weight += length;
                sum.highest = sum.highest.max(value);
            }
        }
    }
    let resolution = Resolution::for_step(window.step);
    let mut counts = Vec::new();
    let mut busiest = 0;
    if let Some((start, end)) = covered {
        buckets.visit(counter, &(start..end), resolution, |c| {
            counts.push(c.sum as f64 / (resolution.slots() as f64 * BUCKET_SECONDS));
            busiest = busiest.max(c.max);
            let i = usize::try_from((c.at - window.start) / window.step).unwrap_or_default();
            if let Some(sum) = sums.get_mut(i) {
                sum.sum += c.sum;
                sum.max = sum.max.max(c.max);
            }
        });
    }
    let narrow = window.step < SLOT;
    let filled = sums.iter().enumerate();
    columns.extend(filled.map(|(i, sum)| column(buckets, counter, &window.column(i), sum, narrow)));
    let highest = rates.iter().copied().reduce(f64::max);
    let p99 = match covered {
        Some((start, end)) => {
            percentile_99(counts, buckets.slots_in(&(start..end)) / resolution.slots())
        }
        None => {
            let total = rates.len() as u64;
            percentile_99(rates, total)
        }
    };
    DimensionView {
        columns,
        now: last(samples, at, window),
        peak: match covered {
            Some(_) => Some((f64::from(busiest) / BUCKET_SECONDS).max(highest.unwrap_or(0.0))),
            None => highest,
        },
        p99,
        source: source(samples, at, window),
        is_now_wrong: shown(samples, window).is_some_and(|point| point.wrong[at]),
        is_window_wrong,
        resolution_ms: covered.map(|_| resolution.milliseconds()),
    }
}

/// A column of rates. If it is shorter than a bucket, it has the rate of the bucket that contains it.
fn column(
    buckets: &BucketStore,
    counter: Counter,
    span: &Range<Nanos>,
    sum: &ColumnSum,
    narrow: bool,
) -> Option<WindowColumn> {
    if let Some((start, end)) = sum.covered {
        if narrow {
            let rate = f64::from(buckets.at(counter, span.start)) / BUCKET_SECONDS;
            return Some(WindowColumn {
                mean: rate,
                peak: rate,
            });
        }
        let slots = buckets.slots_in(&(start..end)).max(1) as f64;
        return Some(WindowColumn {
            mean: sum.sum as f64 / (slots * BUCKET_SECONDS),
            peak: f64::from(sum.max) / BUCKET_SECONDS,
        });
    }
    (sum.weight > 0.0).then(|| WindowColumn {
        mean: sum.weighted / sum.weight,
        peak: sum.highest,
    })
}

fn extend(covered: &mut Option<(Nanos, Nanos)>, span: &Range<Nanos>) {
    *covered = Some(match *covered {
        Some((start, end)) => (start.min(span.start), end.max(span.end)),
        None => (span.start, span.end),
    });
}

fn last(samples: &SampleStore, at: usize, window: &Window) -> Option<f64> {
    shown(samples, window)?.values[at]
}

fn source(samples: &SampleStore, at: usize, window: &Window) -> SourceKind {
    shown(samples, window)
        .or(samples.last())
        .map_or(SourceKind::Unavailable, |point| point.sources[at])
}

/// The last point of a window. If none ends in the window, the one before it, or else the one that overlaps it.
fn shown<'a>(samples: &'a SampleStore, window: &Window) -> Option<&'a SamplePoint> {
    samples
        .at(window.end())
        .or_else(|| samples.over(&window.range()).next())
}

/// The 99th percentile of `total` values. Those that are not given are 0. `None` without values.
fn percentile_99(mut values: Vec<f64>, total: u64) -> Option<f64> {
    let total = total.max(values.len() as u64);
    if total == 0 {
        return None;
    }
    let rank = usize::try_from((total * 99).div_ceil(100)).ok()?;
    let zeros = usize::try_from(total).ok()? - values.len();
    let Some(at) = rank.checked_sub(zeros + 1) else {
        return Some(0.0);
    };
    let (_, value, _) = values.select_nth_unstable_by(at, f64::total_cmp);
    Some(*value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn implied_zeros_count() {
        assert_eq!(percentile_99(vec![], 0), None);
        assert_eq!(percentile_99(vec![], 10), Some(0.0));
        assert_eq!(percentile_99(vec![5.0], 100), Some(0.0));
        assert_eq!(percentile_99(vec![5.0, 7.0], 100), Some(5.0));
        assert_eq!(
            percentile_99((1..=100).map(f64::from).collect(), 100),
            Some(99.0)
        );
        assert_eq!(percentile_99(vec![3.0], 1), Some(3.0));
    }
}
