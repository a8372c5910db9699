//! What is reported: the objects of the JSON contract, and the input of every other output format.
//!
//! Everything a renderer needs is here, computed: renderers do no arithmetic. What was written as JSON
//! can be read again, and is then the same to every renderer.

pub mod derived;
mod wire;

use crate::{reading::probes::Probes, text::Text};
use serde::{Deserialize, Serialize};

pub use self::wire::{Ordered, Time};
use self::wire::{
    all_by_name, by_name, from_names, is_zero, optional_by_name, optional_from_names,
};
use crate::model::{
    alert::AlertStatus,
    durations::{latency::Latency, lifetimes::Lifetimes},
    event::Tuple,
    forecast::TimeToFull,
    kernel::per_counter::PerCounter,
    rates::percentiles::Percentiles,
    verify::crosscheck::Check,
};

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// What is watched, and how. Said first, and again when it changes.
    Hello(Box<Hello>),
    /// One interval of one instance.
    Sample(Box<Sample>),
    /// The cross-check at the end of an interval.
    Crosscheck(Crosscheck),
    /// A single event: something dropped, evicted or refused.
    Event(Box<Event>),
    /// A notification.
    Alert(Alert),
    /// Far more of something than before, for a short time.
    Burst(Burst),
    /// Who causes what: the leaders by several measures.
    Top(Top),
    /// The whole run. The last line.
    Summary(Box<Summary>),
}

impl Record {
    /// The moment it is about, where it is about one: the end of an interval or burst.
    #[must_use]
    pub fn time(&self) -> Option<Time> {
        match self {
            Self::Sample(sample) => Some(sample.time),
            Self::Crosscheck(crosscheck) => Some(crosscheck.time),
            Self::Event(event) => Some(event.time),
            Self::Alert(alert) => Some(alert.time),
            Self::Burst(burst) => Some(burst.end),
            Self::Top(top) => Some(top.time),
            Self::Hello(_) | Self::Summary(_) => None,
        }
    }
}

/// What is watched, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of ctpulse.
    pub version: Text,
    /// Kernel release.
    pub kernel: Text,
    /// Host name.
    pub hostname: Text,
    /// Time between samples, in milliseconds.
    pub interval_ms: f64,
    /// What is attached.
    pub probes: Probes,
    /// What is watched.
    pub instances: Vec<Instance>,
    /// Why a counter is unavailable.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub unavailable: PerCounter<Text>,
}

/// A watched network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its name here.
    pub name: Text,
    /// Its inode number; `None` for a directory of files.
    pub netns: Option<u32>,
}

/// One interval of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The interval's end.
    pub time: Time,
    /// Its real length in seconds.
    pub interval_s: f64,
    /// The instance.
    pub instance: Text,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// The most entries it may hold.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    /// Seconds until the table is full, if it goes on filling as it does; `None` where it does not fill,
    /// or where nothing can be said.
    #[serde(default)]
    pub time_to_full_s: Option<TimeToFull>,
    /// The six charts: rates per second, and entries.
    pub charts: Ordered<Ordered<Option<f64>>>,
    /// Where each dimension comes from.
    pub sources: Ordered<Ordered<SourceKind>>,
    /// Totals since the start.
    #[serde(serialize_with = "all_by_name", deserialize_with = "from_names")]
    pub counters: PerCounter<u64>,
    /// The busiest bucket of the interval.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub peaks: PerCounter<Peak>,
    /// Distribution of the per-bucket rate in the interval, of counters that moved; `None` without probes.
    #[serde(
        serialize_with = "optional_by_name",
        deserialize_with = "optional_from_names",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub histograms: Option<PerCounter<Percentiles>>,
    /// The buckets of the interval.
    #[serde(
        serialize_with = "optional_by_name",
        deserialize_with = "optional_from_names",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub buckets: Option<PerCounter<Buckets>>,
    /// Each CPU by itself, when that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_cpu: Option<PerCpu>,
    /// Milliseconds of buckets that had been overwritten before they could be read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub buckets_lost_ms: f64,
    /// Why the table is empty, where that is not for lack of traffic: nothing tracks here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untracked: Option<Text>,
    /// The alerts as they stand, whether or not anybody was notified.
    pub alerts: Ordered<AlertState>,
    /// Alerts that do not stand anywhere, because what they are judged by is unavailable, and why.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub alerts_unavailable: Ordered<Text>,
    /// Worst verdict of the cross-check; the `crosscheck` object that follows says the rest.
    pub verdict: Option<crate::model::verify::crosscheck::Verdict>,
}

/// Where a dimension comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// The kernel's own counter.
    Proc,
    /// A probe.
    Probe,
    /// Nowhere.
    Unavailable,
}

/// The busiest bucket of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Events per second in that bucket.
    pub rate: f64,
    /// Length of a bucket.
    pub window_ms: f64,
    /// When the bucket began; `None` when nothing happened in the interval.
    pub at: Option<Time>,
}

/// A series of buckets, without leading and trailing zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    /// When the first bucket began.
    pub start: Time,
    /// Length of a bucket.
    pub width_ms: f64,
    /// Events per bucket. Buckets of the same time in two samples add up.
    pub counts: Vec<u64>,
}

/// Each CPU by itself. All lists are in the order of `cpus`: one entry per possible CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerCpu {
    /// The CPUs' ids; `None` where they are not known. Then the lists are in the order of the kernel's
    /// rows, which have no ids.
    pub cpus: Option<Vec<u32>>,
    /// Why something is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Text>,
    /// Events per second, of counters that moved in the interval.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub rates: PerCounter<Vec<f64>>,
    /// Totals since the start, of counters that have moved.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub totals: PerCounter<Vec<u64>>,
    /// How uneven the rates are.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub skew: PerCounter<Skew>,
}

/// How uneven a counter's rates are over the CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skew {
    /// Position of the busiest CPU in the lists.
    pub busiest: usize,
    /// Its share of all events, in percent.
    pub share: f64,
    /// Its rate by the mean of the CPUs that are online: 1 when all do the same.
    pub ratio: f64,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    /// Its status now.
    pub status: AlertStatus,
    /// The value it was last judged by, in the alert's unit.
    pub value: Option<f64>,
    /// The status last notified.
    pub notified: AlertStatus,
    /// When a recovery will be notified, if it lasts.
    pub notify_at: Option<Time>,
}

/// The cross-check of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crosscheck {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: Text,
    /// Differences since the probes were attached.
    pub checks: Vec<Check>,
}

/// A single event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: Text,
    /// `table_full`, `early_drop`, `clash`, `insert_failed`, `chain_too_long`, `invalid`, `icmp_error`.
    pub kind: Text,
    /// The flow or packet it is about.
    pub tuple: Option<Tuple>,
    /// The flow that took its place, for `early_drop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Tuple>,
}

/// What became of the events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTotals {
    /// Reported.
    pub sent: u64,
    /// Left out by the rate limit.
    pub suppressed: u64,
    /// Lost because the ring buffer was full.
    pub lost: u64,
}

/// A notification: a raise at once, a recovery after its delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: Text,
    /// The alert's name.
    pub name: Text,
    /// The status now.
    pub status: AlertStatus,
    /// The value it was judged by.
    pub value: f64,
    /// Unit of the value.
    pub unit: Text,
    /// The status notified before.
    pub previous: AlertStatus,
}

/// Far more events of one counter than before, for a short time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// The instance.
    pub instance: Text,
    /// The counter's name.
    pub counter: Text,
    /// Begin of its first bucket.
    pub start: Time,
    /// End of its last bucket.
    pub end: Time,
    /// From start to end, in milliseconds.
    pub duration_ms: f64,
    /// Events in it.
    pub count: u64,
    /// Events per second in its busiest bucket.
    pub peak_rate: f64,
    /// Length of a bucket.
    pub window_ms: f64,
    /// Events per second that were usual before.
    #[serde(default)]
    pub usual_rate: f64,
}

/// The bursts of one counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurstTotals {
    /// How many there were.
    pub number: u64,
    /// Events in them together.
    pub count: u64,
    /// The one with the most events, the first of equals.
    pub largest: Burst,
}

impl BurstTotals {
    /// None so far; `first` will be the first.
    #[must_use]
    pub fn none(first: &Burst) -> Self {
        Self {
            number: 0,
            count: 0,
            largest: first.clone(),
        }
    }

    /// And one more.
    pub fn add(&mut self, burst: &Burst) {
        self.number += 1;
        self.count += burst.count;
        if burst.count > self.largest.count {
            self.largest = burst.clone();
        }
    }
}

/// Who causes what: leaders by several measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: Text,
    /// Seconds that the counts cover, up to `time`; 0 for what is held at `time`.
    pub window_s: f64,
    /// Said once, at the end: of the whole run, or of the entries as they were listed last.
    #[serde(default)]
    pub closing: bool,
    /// One for each measure and kind of key. What cannot be counted has none.
    pub tables: Vec<TopTable>,
    /// What is to be known about the counts, such as that the table changed while it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Text>,
}

/// The leaders by one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopTable {
    /// What is counted: `new`, `dropped`, `evicted`, `entries`.
    pub by: Text,
    /// What it is counted for: `src`, `dst`, `dport`, and for entries also `proto`, `state`, `zone`, `mark`.
    pub of: Text,
    /// The sum over everybody. With several instances it may lack what is certain for no key.
    pub total: u64,
    /// No count is further below the truth than this; 0 where all are exact. None is above it.
    pub error: u64,
    /// Whether nobody else can have more than the last row.
    #[serde(default)]
    pub certain: bool,
    /// The leaders, most first.
    pub rows: Vec<TopRow>,
}

/// One leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopRow {
    /// An address or prefix, a port, …
    pub key: Text,
    /// How many, at least.
    pub count: u64,
    /// `count` in percent of the table's `total`.
    #[serde(default)]
    pub share: f64,
    /// The process or container behind it, where a local socket makes it knowable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
}

/// The whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Time from the first to the last reading.
    pub duration_s: f64,
    /// Events by kind.
    pub events: Ordered<EventTotals>,
    /// Each instance.
    pub instances: Vec<InstanceSummary>,
}

/// The whole run of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceSummary {
    /// The instance.
    pub name: Text,
    /// What was counted, by probe and by kernel.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub totals: PerCounter<Total>,
    /// The final checks.
    pub crosscheck: Vec<Check>,
    /// Probe hits the kernel skipped; `None` where it does not tell, or without probes.
    pub missed: Option<u64>,
    /// Events that reached the programs and were lost; `None` without probes.
    pub lost_events: Option<u64>,
    /// Milliseconds of buckets that had been overwritten before they could be read.
    pub buckets_lost_ms: f64,
    /// How long connections lived, with `--lifetimes`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetimes: Option<Lifetimes>,
    /// How long functions took, with `--latency`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Distribution of the per-bucket rate.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub histograms: PerCounter<Percentiles>,
    /// The bursts, of counters that had any.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names", default)]
    pub bursts: PerCounter<BurstTotals>,
}

/// A counter over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// By the probes.
    pub probe: Option<u64>,
    /// By the kernel's own column, where this kernel counts it.
    pub kernel: Option<u64>,
}
