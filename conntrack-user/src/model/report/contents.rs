//! What a report holds.

use jiff::Timestamp;

use crate::{
    model::{
        alert::AlertStatus,
        kernel::{charts::Chart, counters::Counter, per_counter::PerCounter},
        record::{
            Alert, Burst, Check, Event, Hello, Instance, InstanceSummary, Peak, SourceKind, Time,
            TopTable, Verdict, derived::UnseenEvents,
        },
        report::{
            track::{self, Cells, Micros, Steps},
            unseen::Unseen,
        },
    },
    text::Text,
};

/// Time shown around a moment that is jumped to.
const AROUND: Micros = 50_000;

/// The page's contents.
#[derive(Clone, Debug)]
pub struct RecordingReport {
    /// What was watched, and how, as last announced.
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
    pub notes: Vec<Text>,
    /// What could not be seen.
    pub(super) unseen: Unseen,
}

/// What happened in one instance. Of what there may be much of, as much is here as a page shows.
#[derive(Clone, Debug)]
pub struct InstanceReport {
    /// Its name and inode number.
    pub instance: Instance,
    /// The six charts.
    pub charts: Vec<ChartReport>,
    /// The moment at which the table was fullest.
    pub fullest: Option<Fullest>,
    /// The alert on the table's utilization, over the whole recording.
    pub full_alert: FullAlert,
    /// The busiest bucket of each counter.
    pub peaks: PerCounter<Peak>,
    /// Bursts in order of time: those with the greatest peaks.
    pub bursts: Vec<Burst>,
    /// All bursts.
    pub burst_count: u64,
    /// The first events.
    pub events: Vec<Event>,
    /// All events by kind.
    pub event_counts: Vec<(Text, u64)>,
    /// The first notifications.
    pub alerts: Vec<Alert>,
    /// All notifications.
    pub alert_count: u64,
    /// The last of the worst notifications.
    pub worst_alert: Option<Alert>,
    /// Top talkers by each measure and kind of key, as reported last.
    pub talkers: Vec<TopReport>,
    /// The cross-check, as reported last.
    pub checks: Vec<Check>,
    /// The worst verdict of any moment, and when it was first given.
    pub worst: Option<(Verdict, Micros)>,
    /// Its summary, if the recording has one.
    pub summary: Option<InstanceSummary>,
    /// Milliseconds of buckets that could not be read in time.
    pub buckets_lost_ms: f64,
}

/// The moment at which the table was fullest: by its maximum then, where there was one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fullest {
    /// Entries in the table.
    pub entries: u64,
    /// When.
    pub at: Micros,
    /// The most entries it might hold then.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    /// Whether the table held as much as it may.
    pub is_full: bool,
}

/// The alert on the table's utilization, over the whole recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FullAlert {
    /// The worst status; `None` where it was never judged.
    pub worst: Option<AlertStatus>,
    /// Why it was not judged, the last time when it was not.
    pub not_judged: Option<Text>,
}

/// Top talkers by one measure.
#[derive(Clone, Debug)]
pub struct TopReport {
    /// When they were reported.
    pub time: Time,
    /// Seconds it covers; 0 for what is held at `time`.
    pub window_s: f64,
    /// Whether it is of the whole run.
    pub closing: bool,
    /// Who they are: no more rows than are shown.
    pub table: TopTable,
}

/// A chart.
#[derive(Clone, Debug)]
pub struct ChartReport {
    /// Its names, unit and title.
    pub chart: &'static Chart,
    pub dimensions: Vec<DimensionReport>,
}

/// A dimension of a chart.
#[derive(Clone, Debug)]
pub struct DimensionReport {
    /// Its documented name.
    pub name: &'static str,
    /// The counter behind it; `None` for the number of entries.
    pub counter: Option<Counter>,
    /// Whether it is drawn below zero, as Netdata draws it.
    pub below: bool,
    /// Where it comes from, as reported last.
    pub source: SourceKind,
    /// Why it is unavailable, where it is.
    pub reason: Option<Text>,
    /// By interval.
    pub steps: Steps,
    /// By bucket.
    pub cells: Cells,
    /// Whether it was unavailable at some time.
    pub has_gap: bool,
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

impl InstanceReport {
    /// The dimension of a counter.
    #[must_use]
    pub fn dimension(&self, counter: Counter) -> Option<&DimensionReport> {
        let mut dimensions = self.charts.iter().flat_map(|chart| &chart.dimensions);
        dimensions.find(|dimension| dimension.counter == Some(counter))
    }

    /// The counters that moved, each with its busiest bucket and when that was.
    pub fn busy_peaks(&self) -> impl Iterator<Item = (Counter, &Peak, Time)> {
        let peaks = self.peaks.iter();
        peaks.filter_map(|(counter, peak)| Some((counter, peak, peak.at?)))
    }
}

impl RecordingReport {
    /// Why there were no probes, if there were none at some time.
    #[must_use]
    pub fn without_probes(&self) -> Option<&Text> {
        self.unseen.without_probes()
    }

    /// The kinds of events of which some may not have been seen, by reason.
    #[must_use]
    pub fn unseen_events(&self) -> &[UnseenEvents] {
        self.unseen.groups()
    }

    /// Seconds from the first moment to the last.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        (self.to - self.from) as f64 / 1e6
    }

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

    /// The span to show for what lasted from one moment to another.
    #[must_use]
    pub fn around(&self, from: Time, to: Time) -> (Micros, Micros) {
        (self.micros(from.0) - AROUND, self.micros(to.0) + AROUND)
    }

    /// The same for a bucket.
    #[must_use]
    pub fn around_bucket(&self, start: Time) -> (Micros, Micros) {
        let (from, to) = self.around(start, start);
        (from, to + track::BUCKET_US as Micros)
    }

    /// A moment, from the origin.
    #[must_use]
    pub fn micros(&self, time: Timestamp) -> Micros {
        time.as_microsecond() - self.origin.as_microsecond()
    }

    /// The moment so long after the origin.
    #[must_use]
    pub fn time(&self, micros: Micros) -> Time {
        let micros = self.origin.as_microsecond().saturating_add(micros);
        Time(Timestamp::from_microsecond(micros).unwrap_or(self.origin))
    }
}
