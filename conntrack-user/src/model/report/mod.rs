//! A recording summed up for one page: series for the six charts, and what happened.

mod build;
pub mod track;

use crate::text::Text;
pub use build::Builder;
use jiff::Timestamp;

use self::track::{Cells, Micros, Steps};
use crate::model::{
    kernel::{charts::Chart, counters::Counter, per_counter::PerCounter},
    record::{
        Alert, Burst, Check, Event, Hello, Instance, InstanceSummary, Peak, SourceKind, Time,
        TopTable, Verdict,
    },
};

/// The page's contents.
#[derive(Clone, Debug)]
pub struct Report {
    /// What was watched, and how; what was said last.
    pub hello: Option<Hello>,
    /// The moment times count from.
    pub origin: Timestamp,
    /// First moment, from the origin.
    pub from: Micros,
    /// Last moment.
    pub to: Micros,
    /// Records read.
    pub records: u64,
    /// Each instance, in the order they appeared.
    pub instances: Vec<InstanceReport>,
    /// What the reader should know of the recording, such as damage.
    pub notes: Vec<String>,
}

/// What happened in one instance.
#[derive(Clone, Debug)]
pub struct InstanceReport {
    /// Its name and inode number.
    pub instance: Instance,
    /// The six charts.
    pub charts: Vec<ChartReport>,
    /// Greatest `nf_conntrack_max`.
    pub max: Option<u64>,
    /// Most entries, and when; with their percentage of the maximum then.
    pub fullest: Option<(u64, Micros, Option<f64>)>,
    /// The busiest bucket of each counter.
    pub peaks: PerCounter<Peak>,
    /// Bursts, in order.
    pub bursts: Vec<Burst>,
    /// Events, in order, as many as are shown.
    pub events: Vec<Event>,
    /// All events by kind.
    pub event_counts: Vec<(String, u64)>,
    /// Notifications, in order.
    pub alerts: Vec<Alert>,
    /// The leaders by each measure and kind of key, as said last.
    pub leaders: Vec<Leaders>,
    /// The cross-check, as said last.
    pub checks: Vec<Check>,
    /// The worst verdict of any moment, and when it was first given.
    pub worst: Option<(Verdict, Micros)>,
    /// Its summary, if the recording has one.
    pub summary: Option<InstanceSummary>,
    /// Milliseconds of buckets that could not be read in time.
    pub buckets_lost_ms: f64,
}

/// The leaders by one measure.
#[derive(Clone, Debug)]
pub struct Leaders {
    /// When that was said.
    pub time: Time,
    /// Seconds it covers; 0 for what is held at `time`.
    pub window_s: f64,
    /// Whether it was said at the end, of the whole run.
    pub closing: bool,
    /// Who they are.
    pub table: TopTable,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct ChartReport {
    /// Its names.
    pub chart: &'static Chart,
    /// Its title.
    pub title: &'static str,
    /// Its dimensions.
    pub dimensions: Vec<DimensionReport>,
}

/// A dimension of a chart.
#[derive(Clone, Debug)]
pub struct DimensionReport {
    /// Its name.
    pub name: &'static str,
    /// The counter behind it; `None` for the number of entries.
    pub counter: Option<Counter>,
    /// Whether it is drawn below zero, as Netdata draws it.
    pub below: bool,
    /// Where it comes from, as said last.
    pub source: SourceKind,
    /// Why it is unavailable, where it is.
    pub reason: Option<Text>,
    /// By interval.
    pub steps: Steps,
    /// By bucket.
    pub cells: Cells,
    /// When it was unavailable.
    pub gaps: Vec<(Micros, Micros)>,
}

impl DimensionReport {
    /// Whether there is anything to draw.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.steps.as_slice().is_empty()
    }

    /// The greatest value and when: of a bucket where there are buckets, else of an interval.
    #[must_use]
    pub fn peak(&self) -> Option<(Micros, f64)> {
        self.cells.busiest().or_else(|| self.steps.greatest())
    }

    /// The average.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        if self.cells.is_empty() {
            return self.steps.mean();
        }
        let seconds = self.steps.time() as f64 / 1e6;
        (seconds > 0.0).then(|| self.cells.total() as f64 / seconds)
    }
}

impl Report {
    /// Length of the longest cell of any series, in buckets: 1 where every bucket is there.
    #[must_use]
    pub fn coarseness(&self) -> u64 {
        let dimensions = self
            .instances
            .iter()
            .flat_map(|instance| &instance.charts)
            .flat_map(|chart| &chart.dimensions);
        let widest = dimensions
            .filter(|dimension| !dimension.cells.is_empty())
            .map(|dimension| dimension.cells.width_us())
            .fold(track::BUCKET_US, f64::max);
        (widest / track::BUCKET_US).round() as u64
    }

    /// When an instance had bursts, of whatever counters: spans that do not touch, in order.
    #[must_use]
    pub fn burst_spans(&self, instance: &InstanceReport) -> Vec<(Micros, Micros)> {
        let bursts = instance.bursts.iter();
        let mut spans: Vec<_> = bursts
            .map(|burst| (self.micros(burst.start.0), self.micros(burst.end.0)))
            .collect();
        spans.sort_unstable();
        spans.dedup_by(|later, earlier| {
            let touches = later.0 <= earlier.1;
            if touches {
                earlier.1 = earlier.1.max(later.1);
            }
            touches
        });
        spans
    }

    /// A moment, from the origin.
    #[must_use]
    pub fn micros(&self, time: Timestamp) -> Micros {
        time.as_microsecond() - self.origin.as_microsecond()
    }

    /// The moment so long after the origin.
    #[must_use]
    pub fn time(&self, micros: Micros) -> Timestamp {
        Timestamp::from_microsecond(self.origin.as_microsecond().saturating_add(micros))
            .unwrap_or(self.origin)
    }
}
