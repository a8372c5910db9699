//! The values of each interval: rates by dimension, entries, and the alert on the table's utilization.

use std::{collections::VecDeque, ops::Range};

use crate::model::{
    alert::{ALERTS, AlertId, AlertStatus, COUNT},
    forecast::TimeToFull,
    history::time::{Nanos, length, nanos},
    kernel::{
        charts::{CHARTS, Quantity},
        counters::Counter,
    },
    record::{Sample, SourceKind},
};

/// The number of dimensions of all charts.
pub const DIMENSIONS: usize = {
    let mut n = 0;
    let mut chart = 0;
    while chart < CHARTS.len() {
        n += CHARTS[chart].dimensions.len();
        chart += 1;
    }
    n
};

/// The index of a chart's first dimension among all dimensions.
#[must_use]
pub fn first_dimension(chart: usize) -> usize {
    CHARTS.iter().take(chart).map(|c| c.dimensions.len()).sum()
}

/// The values of one interval.
#[derive(Clone, Debug)]
pub struct SamplePoint {
    /// The end of the interval.
    pub end: Nanos,
    /// The length of the interval.
    pub length: Nanos,
    /// Values by dimension: events per second, or entries; `None` if unavailable.
    pub values: [Option<f64>; DIMENSIONS],
    /// The sources of the values.
    pub sources: [SourceKind; DIMENSIONS],
    /// Whether there are buckets, by dimension.
    pub bucketed: [bool; DIMENSIONS],
    /// Whether the value is a count of probes that a check proves wrong, by dimension.
    pub wrong: [bool; DIMENSIONS],
    /// The same of its buckets. Where the kernel counts too, its rate is right and only they are wrong.
    pub buckets_wrong: [bool; DIMENSIONS],
    /// Whether some of its buckets were overwritten before they were read.
    pub buckets_lost: bool,
    /// `nf_conntrack_max`.
    pub max: Option<u64>,
    /// Entries in percent of `max`.
    pub utilization: Option<f64>,
    /// Whether the table is full.
    pub is_full: bool,
    /// When the table is full if it keeps filling at this rate.
    pub time_to_full: Option<TimeToFull>,
    /// The status of the alert on the table's utilization; `None` if it was not evaluated.
    pub full_alert: Option<AlertStatus>,
    /// Until when its last notification holds although its status is another, and which that is.
    pub held: Option<(AlertStatus, Nanos)>,
    /// The status and value of the raised alerts, by their place in the table.
    pub raised: [Option<(AlertStatus, Option<f64>)>; COUNT],
    /// Events since the start of the run, by dimension; `None` if unavailable.
    pub totals: [Option<u64>; DIMENSIONS],
}

impl SamplePoint {
    /// From a sample.
    #[must_use]
    pub fn new(sample: &Sample) -> Self {
        let mut values = [None; DIMENSIONS];
        let mut sources = [SourceKind::Unavailable; DIMENSIONS];
        let mut bucketed = [false; DIMENSIONS];
        let mut wrong = [false; DIMENSIONS];
        let mut buckets_wrong = [false; DIMENSIONS];
        let mut totals = [None; DIMENSIONS];
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
            wrong[i] = sample.is_wrong(chart, place);
            if let Quantity::Rate(counter) = dimension.quantity {
                totals[i] = sample.counters.get(counter).copied();
                buckets_wrong[i] = sample.wrong.get(counter).is_some();
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
            wrong,
            buckets_wrong,
            buckets_lost: sample.has_lost_buckets(),
            max: sample.max,
            utilization: sample.utilization,
            is_full: sample.is_full(),
            time_to_full: sample.time_to_full_s,
            full_alert: sample.judgement(AlertId::Full).status(),
            held: sample
                .alerts
                .get(AlertId::Full.spec().name)
                .and_then(|alert| Some((alert.notified, nanos(alert.notify_at?)))),
            raised: ALERTS.map(|spec| {
                let alert = sample.alerts.get(spec.name)?;
                alert
                    .status
                    .is_raised()
                    .then_some((alert.status, alert.value))
            }),
            totals,
        }
    }

    /// The start of the interval.
    #[must_use]
    pub fn start(&self) -> Nanos {
        self.end - self.length
    }

    /// Entries in the table.
    #[must_use]
    pub fn entries(&self) -> Option<f64> {
        self.of(Quantity::Entries)
    }

    /// Whether that is a count of probes that a check proves wrong.
    #[must_use]
    pub fn is_rate_wrong(&self, counter: Counter) -> bool {
        let dimensions = CHARTS.iter().flat_map(|chart| chart.dimensions);
        let mut wrong = dimensions.zip(self.wrong);
        wrong.any(|(dimension, wrong)| wrong && dimension.quantity == Quantity::Rate(counter))
    }

    /// The counters on charts whose buckets are wrong.
    pub fn wrong_counters(&self) -> impl Iterator<Item = Counter> {
        let dimensions = CHARTS.iter().flat_map(|chart| chart.dimensions);
        let wrong = dimensions.zip(self.buckets_wrong);
        wrong.filter_map(|(dimension, wrong)| match dimension.quantity {
            Quantity::Rate(counter) if wrong => Some(counter),
            _ => None,
        })
    }

    /// Events per second of a counter that is on a chart.
    #[must_use]
    pub fn rate(&self, counter: Counter) -> Option<f64> {
        self.of(Quantity::Rate(counter))
    }

    fn of(&self, quantity: Quantity) -> Option<f64> {
        let dimensions = CHARTS.iter().flat_map(|chart| chart.dimensions);
        let mut values = dimensions.zip(self.values);
        values.find_map(|(dimension, value)| (dimension.quantity == quantity).then_some(value)?)
    }

    /// Seconds until the table is full, with their range; `None` if it does not fill. A table that is full already needs no
    /// forecast.
    #[must_use]
    pub fn fills_in(&self) -> Option<TimeToFull> {
        self.time_to_full.filter(|time| time.estimate >= 0.05)
    }
}

/// Points in order of time.
#[derive(Default)]
pub struct SampleStore(VecDeque<SamplePoint>);

impl SampleStore {
    /// Adds the newest point.
    pub fn push(&mut self, point: SamplePoint) {
        self.0.push_back(point);
    }

    /// The newest point.
    #[must_use]
    pub fn last(&self) -> Option<&SamplePoint> {
        self.0.back()
    }

    /// The oldest point.
    #[must_use]
    pub fn first(&self) -> Option<&SamplePoint> {
        self.0.front()
    }

    /// The last point that ends at or before a time.
    #[must_use]
    pub fn at(&self, time: Nanos) -> Option<&SamplePoint> {
        let after = self.0.partition_point(|point| point.end <= time);
        self.0.get(after.checked_sub(1)?)
    }

    /// The points whose intervals overlap a time span.
    pub fn over(&self, range: &Range<Nanos>) -> impl Iterator<Item = &SamplePoint> {
        let first = self.0.partition_point(|point| point.end <= range.start);
        let end = range.end;
        self.0
            .range(first..)
            .take_while(move |point| point.start() < end)
    }

    /// Drops the oldest points until `count` are left.
    pub fn shrink(&mut self, count: usize) {
        while self.0.len() > count {
            self.0.pop_front();
        }
    }

    /// Drops the points that end after a time.
    pub fn truncate(&mut self, time: Nanos) {
        let keep = self.0.partition_point(|point| point.end <= time);
        self.0.truncate(keep);
    }
}
