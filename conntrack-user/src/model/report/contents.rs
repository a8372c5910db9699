//! The contents of a report.

use jiff::Timestamp;

use crate::{
    model::{
        alert::AlertStatus,
        kernel::{charts::Chart, counters::Counter, per_counter::PerCounter},
        record::{
            Advice, Alert, Burst, Check, Event, Hello, HighestUse, Instance, InstanceSummary,
            InstanceVerdict, Peak, Severity, SourceKind, TableContents, TableLimits, Time,
            TopTable, Verdict,
            derived::{BurstGroup, UnseenEvents},
        },
        report::{
            bursts,
            limits::Limits,
            track::{self, Cells, Micros, Steps},
            unseen::Unseen,
        },
    },
    text::Text,
};

/// The time shown before and after a point that is jumped to.
const AROUND: Micros = 50_000;

/// The contents of a report.
#[derive(Clone, Debug)]
pub struct RecordingReport {
    /// The last hello.
    pub hello: Option<Hello>,
    /// The time that all times in the report are relative to.
    pub origin: Timestamp,
    /// The start, relative to the origin.
    pub from: Micros,
    /// The end, relative to the origin.
    pub to: Micros,
    /// The number of records that were read.
    pub records: u64,
    /// The instances, the worst first.
    pub instances: Vec<InstanceReport>,
    /// Remarks on the recording, for example that it is damaged.
    pub notes: Vec<Text>,
    /// What could not have been seen as an event.
    pub(super) unseen: Unseen,
}

/// The report of one instance. Lists are limited to what a page can show.
#[derive(Clone, Debug)]
pub struct InstanceReport {
    /// Its name and inode number.
    pub instance: Instance,
    /// What to know first: the last verdict on it.
    pub verdict: Option<InstanceVerdict>,
    /// The six charts.
    pub charts: Vec<ChartReport>,
    /// The entries in percent of the limit.
    pub utilization: DimensionReport,
    /// The limit of the table.
    pub limits: Limits,
    /// When the table was fullest.
    pub fullest: Option<Fullest>,
    /// The status of the alert on the table's utilization over the whole recording.
    pub full_alert: FullAlert,
    /// The busiest bucket of each counter.
    pub peaks: PerCounter<Peak>,
    /// The bursts with the greatest peaks, in order of time.
    pub bursts: Vec<Burst>,
    /// The number of all bursts.
    pub burst_count: u64,
    /// The first events.
    pub events: Vec<Event>,
    /// The number of all events by kind.
    pub event_counts: Vec<(Text, u64)>,
    /// The first notifications.
    pub alerts: Vec<Alert>,
    /// The number of all notifications.
    pub alert_count: u64,
    /// The worst notification; the last one of equals.
    pub worst_alert: Option<Alert>,
    /// The last top talkers by each measure and kind of key.
    pub talkers: Vec<TopReport>,
    /// What the table was made of, by the last listing.
    pub table_contents: Option<Box<TableContents>>,
    /// What limited the table last.
    pub table_limits: Option<Box<TableLimits>>,
    /// What fills the table, and what to set.
    pub advice: Vec<Advice>,
    /// The checks of the last cross-check.
    pub checks: Vec<Check>,
    /// The worst verdict, and when it was first given.
    pub worst: Option<(Verdict, Micros)>,
    /// The counters that a check proved wrong at any time.
    pub wrong: PerCounter<WrongReport>,
    /// Its summary, if the recording has one.
    pub summary: Option<InstanceSummary>,
    /// Milliseconds of buckets that were overwritten before they were read.
    pub buckets_lost_ms: f64,
}

/// A counter whose probes' counts a check proved wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct WrongReport {
    /// When it was first.
    pub since: Micros,
    /// What the check said last.
    pub reason: Text,
}

/// When the table was fullest, relative to its maximum at that time, if there was one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fullest {
    /// How full, and when.
    pub highest: HighestUse,
    /// `nf_conntrack_max` at that time.
    pub max: Option<u64>,
    /// Whether the table was full.
    pub is_full: bool,
}

/// The alert on the table's utilization over the whole recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FullAlert {
    /// The worst status; `None` if it was never evaluated.
    pub worst: Option<AlertStatus>,
    /// Why it was not evaluated, for the last time it was not.
    pub not_judged: Option<Text>,
}

/// Top talkers by one measure.
#[derive(Clone, Debug)]
pub struct TopReport {
    /// When they were reported.
    pub time: Time,
    /// The length of the window in seconds; 0 for current entries.
    pub window_s: f64,
    /// Whether they are of the whole run.
    pub closing: bool,
    /// The table, with no more rows than are shown.
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
    /// Its counter; `None` for the number of entries.
    pub counter: Option<Counter>,
    /// Whether it is drawn below zero, as Netdata draws it.
    pub below: bool,
    /// The last known source.
    pub source: SourceKind,
    /// Why it is unavailable.
    pub reason: Option<Text>,
    /// Values by interval.
    pub steps: Steps,
    /// Those of them for which buckets are not unavailable.
    pub bucketed: Steps,
    /// Counts by bucket.
    pub cells: Cells,
    /// Whether it was unavailable for a part of the time.
    pub has_gap: bool,
    /// Whether a check proved some of its values by interval wrong.
    pub are_steps_wrong: bool,
    /// The same of its counts by bucket. Where the kernel counts too, only they can be wrong.
    pub are_cells_wrong: bool,
}

impl DimensionReport {
    /// Whether there is anything to draw.
    #[must_use]
    pub fn is_available(&self) -> bool {
        !self.steps.as_slice().is_empty()
    }

    /// Whether a check proved some of what is drawn wrong.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        if self.cells.is_empty() {
            self.are_steps_wrong
        } else {
            self.are_cells_wrong
        }
    }

    /// Whether it was never anything but zero, as far as it was available.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.peak().is_some_and(|(_, peak)| peak == 0.0)
    }

    /// Whether all of it is in buckets: a namespace has none while others are busier.
    #[must_use]
    pub fn is_in_buckets(&self) -> bool {
        !self.cells.is_empty() && self.bucketed.time() == self.steps.time()
    }

    /// The greatest value and its time: of a bucket if there are buckets, else of an interval.
    #[must_use]
    pub fn peak(&self) -> Option<(Micros, f64)> {
        self.cells.busiest().or_else(|| self.steps.greatest())
    }

    /// The mean over the time in which it was available.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        if !self.is_in_buckets() {
            return self.steps.mean();
        }
        let seconds = self.steps.time() as f64 / 1e6;
        (seconds > 0.0).then(|| self.cells.total() as f64 / seconds)
    }
}

impl ChartReport {
    /// Whether it has nothing to show: all of it is zero or unavailable. What a check proves wrong is something to show.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let mut dimensions = self.dimensions.iter();
        dimensions.all(|d| !d.is_wrong() && (d.is_zero() || !d.is_available()))
    }
}

impl InstanceReport {
    /// How bad it is, by its verdict.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let verdict = self.verdict.as_ref();
        verdict.map_or(Severity::Unknown, |verdict| verdict.severity)
    }

    /// The bursts, of which those that overlap are one, in order of time.
    #[must_use]
    pub fn burst_groups(&self) -> Vec<BurstGroup> {
        bursts::group(&self.bursts)
    }

    /// The dimension of a counter.
    #[must_use]
    pub fn dimension(&self, counter: Counter) -> Option<&DimensionReport> {
        let mut dimensions = self.charts.iter().flat_map(|chart| &chart.dimensions);
        dimensions.find(|dimension| dimension.counter == Some(counter))
    }

    /// The counters that rose, each with its busiest bucket and the time of that.
    pub fn busy_peaks(&self) -> impl Iterator<Item = (Counter, &Peak, Time)> {
        let peaks = self.peaks.iter();
        peaks.filter_map(|(counter, peak)| Some((counter, peak, peak.at?)))
    }
}

impl RecordingReport {
    /// Why there were no probes, if there were none for a part of the time.
    #[must_use]
    pub fn without_probes(&self) -> Option<&Text> {
        self.unseen.without_probes()
    }

    /// The kinds of events that may not all have been seen, by reason.
    #[must_use]
    pub fn unseen_events(&self) -> &[UnseenEvents] {
        self.unseen.groups()
    }

    /// The length of the recording in seconds.
    #[must_use]
    pub fn duration_s(&self) -> f64 {
        (self.to - self.from) as f64 / 1e6
    }

    /// The length of the longest cell of any series, in buckets; 1 if no buckets were merged.
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

    /// The time spans in which an instance had bursts, of any counter: disjoint and in order.
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

    /// The time span to show for something that happened between two times.
    #[must_use]
    pub fn around(&self, from: Time, to: Time) -> (Micros, Micros) {
        (self.micros(from.0) - AROUND, self.micros(to.0) + AROUND)
    }

    /// The time span to show for a bucket.
    #[must_use]
    pub fn around_bucket(&self, start: Time) -> (Micros, Micros) {
        let (from, to) = self.around(start, start);
        (from, to + track::BUCKET_US as Micros)
    }

    /// A time relative to the origin.
    #[must_use]
    pub fn micros(&self, time: Timestamp) -> Micros {
        time.as_microsecond() - self.origin.as_microsecond()
    }

    /// The time for a time relative to the origin.
    #[must_use]
    pub fn time(&self, micros: Micros) -> Time {
        let micros = self.origin.as_microsecond().saturating_add(micros);
        Time(Timestamp::from_microsecond(micros).unwrap_or(self.origin))
    }
}
