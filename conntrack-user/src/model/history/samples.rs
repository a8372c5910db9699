//! What each interval gave: rates by dimension, entries, and the alert on the table's utilization.

use std::{collections::VecDeque, ops::Range};

use crate::model::{
    alert::{AlertId, AlertStatus},
    forecast::TimeToFull,
    history::time::{Nanos, length, nanos},
    kernel::{
        charts::{CHARTS, Quantity},
        counters::Counter,
    },
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
    CHARTS.iter().take(chart).map(|c| c.dimensions.len()).sum()
}

/// What one interval gave.
#[derive(Clone, Debug)]
pub struct SamplePoint {
    /// The interval's end.
    pub end: Nanos,
    /// The interval's length.
    pub length: Nanos,
    /// Values by dimension: events per second, or entries; `None` where unavailable.
    pub values: [Option<f64>; DIMENSIONS],
    /// Where the values come from.
    pub sources: [SourceKind; DIMENSIONS],
    /// Whether buckets came with it, by dimension.
    pub bucketed: [bool; DIMENSIONS],
    /// Whether some buckets of it were overwritten before they could be read.
    pub buckets_lost: bool,
    /// The most entries the table may hold.
    pub max: Option<u64>,
    /// Entries in percent of that.
    pub utilization: Option<f64>,
    /// Whether the table holds as much as it may.
    pub is_full: bool,
    /// When the table is full, if it goes on filling as it does.
    pub time_to_full: Option<TimeToFull>,
    /// The alert on the table's utilization; `None` where it was not judged.
    pub full_alert: Option<AlertStatus>,
}

impl SamplePoint {
    /// Of a sample.
    #[must_use]
    pub fn new(sample: &Sample) -> Self {
        let mut values = [None; DIMENSIONS];
        let mut sources = [SourceKind::Unavailable; DIMENSIONS];
        let mut bucketed = [false; DIMENSIONS];
        let dimensions = CHARTS
            .iter()
            .enumerate()
            .flat_map(|(c, chart)| chart.dimensions.iter().enumerate().map(move |d| (c, d)));
        for (i, (chart, (place, dimension))) in dimensions.enumerate() {
            values[i] = sample.value(chart, place);
            sources[i] = sample
                .sources
                .get(CHARTS[chart].name)
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
            length: length(sample.interval_s),
            values,
            sources,
            bucketed,
            buckets_lost: sample.has_lost_buckets(),
            max: sample.max,
            utilization: sample.utilization,
            is_full: sample.is_full(),
            time_to_full: sample.time_to_full_s,
            full_alert: sample.judgement(AlertId::Full).status(),
        }
    }

    /// When its interval began.
    #[must_use]
    pub fn start(&self) -> Nanos {
        self.end - self.length
    }

    /// Entries in the table.
    #[must_use]
    pub fn entries(&self) -> Option<f64> {
        self.of(Quantity::Entries)
    }

    /// Events per second of a counter that is charted.
    #[must_use]
    pub fn rate(&self, counter: Counter) -> Option<f64> {
        self.of(Quantity::Rate(counter))
    }

    fn of(&self, quantity: Quantity) -> Option<f64> {
        let dimensions = CHARTS.iter().flat_map(|chart| chart.dimensions);
        let mut values = dimensions.zip(self.values);
        values.find_map(|(dimension, value)| (dimension.quantity == quantity).then_some(value)?)
    }

    /// Seconds until the table is full, with their range; `None` where it does not fill, or is full: that
    /// needs no forecast.
    #[must_use]
    pub fn fills_in(&self) -> Option<TimeToFull> {
        self.time_to_full.filter(|time| time.estimate > 0.0)
    }
}

/// Points in the order of time.
#[derive(Default)]
pub struct SampleStore(VecDeque<SamplePoint>);

impl SampleStore {
    /// Adds the newest.
    pub fn push(&mut self, point: SamplePoint) {
        self.0.push_back(point);
    }

    /// The newest.
    #[must_use]
    pub fn last(&self) -> Option<&SamplePoint> {
        self.0.back()
    }

    /// The oldest.
    #[must_use]
    pub fn first(&self) -> Option<&SamplePoint> {
        self.0.front()
    }

    /// The last one that ends by a time.
    #[must_use]
    pub fn at(&self, time: Nanos) -> Option<&SamplePoint> {
        let after = self.0.partition_point(|point| point.end <= time);
        self.0.get(after.checked_sub(1)?)
    }

    /// Those whose intervals touch a span of time.
    pub fn over(&self, range: &Range<Nanos>) -> impl Iterator<Item = &SamplePoint> {
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
}
