//! What each interval gave: rates by dimension, entries, and the alert.

use std::{collections::VecDeque, ops::Range};

use crate::model::{
    alert::{AlertStatus, ConntrackFull},
    forecast::TimeToFull,
    history::{Nanos, nanos},
    kernel::charts::{CHARTS, Quantity},
    record::{Sample, SourceKind},
};

/// Dimensions of all charts, one after the other.
pub const DIMENSIONS: usize = {
    let mut n = 0;
    let mut chart = 0;
    while chart < CHARTS.len() {
        n += CHARTS[chart].dimensions.len();
        chart += 1;
    }
    n
};

/// Where a chart's dimensions begin among all.
#[must_use]
pub fn first_dimension(chart: usize) -> usize {
    CHARTS[..chart].iter().map(|c| c.dimensions.len()).sum()
}

/// What one interval gave.
#[derive(Clone, Debug)]
pub struct Point {
    /// The interval's end.
    pub end: Nanos,
    /// Its length.
    pub length: Nanos,
    /// Values by dimension; `None` where unavailable.
    pub values: [Option<f64>; DIMENSIONS],
    /// Where they come from.
    pub sources: [SourceKind; DIMENSIONS],
    /// Whether buckets came with it, by dimension.
    pub bucketed: [bool; DIMENSIONS],
    /// The most entries the table may hold.
    pub max: Option<u64>,
    /// Entries in percent of that.
    pub utilization: Option<f64>,
    /// When the table is full, if it goes on filling as it does.
    pub time_to_full: Option<TimeToFull>,
    /// The alert on the table's utilization.
    pub status: AlertStatus,
    /// What `utilization` by itself would raise: the alert is judged only every ten seconds.
    pub level: AlertStatus,
}

impl Point {
    /// Of a sample.
    #[must_use]
    pub fn new(sample: &Sample) -> Self {
        let mut values = [None; DIMENSIONS];
        let mut sources = [SourceKind::Unavailable; DIMENSIONS];
        let mut bucketed = [false; DIMENSIONS];
        let dimensions = CHARTS
            .iter()
            .flat_map(|chart| chart.dimensions.iter().map(move |d| (chart, d)));
        for (i, (chart, dimension)) in dimensions.enumerate() {
            let value =
                |all: &crate::model::record::Ordered<_>| all.get(dimension.name).copied().flatten();
            values[i] = sample.charts.get(chart.name).and_then(value);
            sources[i] = sample
                .sources
                .get(chart.name)
                .and_then(|all| all.get(dimension.name))
                .copied()
                .unwrap_or(SourceKind::Unavailable);
            if let Quantity::Rate(counter) = dimension.quantity {
                bucketed[i] = sample
                    .buckets
                    .as_ref()
                    .is_some_and(|buckets| buckets.get(counter).is_some());
            }
        }
        Self {
            end: nanos(sample.time),
            length: (sample.interval_s.max(0.0) * 1e9) as Nanos,
            values,
            sources,
            bucketed,
            max: sample.max,
            utilization: sample.utilization,
            time_to_full: sample.time_to_full_s,
            level: sample.utilization.map_or(AlertStatus::Clear, |percent| {
                ConntrackFull::THRESHOLDS.status(AlertStatus::Clear, percent)
            }),
            status: sample
                .alerts
                .get(ConntrackFull::NAME)
                .map_or(AlertStatus::Clear, |alert| alert.status),
        }
    }

    /// When its interval began.
    #[must_use]
    pub fn start(&self) -> Nanos {
        self.end - self.length
    }
}

/// Points in the order of time.
#[derive(Default)]
pub struct SampleStore(VecDeque<Point>);

impl SampleStore {
    /// Adds the newest.
    pub fn push(&mut self, point: Point) {
        self.0.push_back(point);
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<&Point> {
        self.0.back()
    }

    /// The oldest.
    #[must_use]
    pub fn first(&self) -> Option<&Point> {
        self.0.front()
    }

    /// The last one that ends by a time.
    #[must_use]
    pub fn at(&self, time: Nanos) -> Option<&Point> {
        let after = self.0.partition_point(|point| point.end <= time);
        self.0.get(after.checked_sub(1)?)
    }

    /// Those whose intervals touch a span of time.
    pub fn over(&self, range: &Range<Nanos>) -> impl Iterator<Item = &Point> {
        let first = self.0.partition_point(|point| point.end <= range.start);
        let end = range.end;
        self.0
            .range(first..)
            .take_while(move |point| point.start() < end)
    }

    /// Keeps the newest `count`.
    pub fn shrink(&mut self, count: usize) {
        while self.0.len() > count {
            self.0.pop_front();
        }
    }

    /// Forgets those that end after a time.
    pub fn truncate(&mut self, time: Nanos) {
        let keep = self.0.partition_point(|point| point.end <= time);
        self.0.truncate(keep);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
