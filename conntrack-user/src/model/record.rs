//! What is reported: the objects of the JSON contract, and the input of every other output format.
//!
//! Everything a renderer needs is here, computed: renderers do no arithmetic.

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::{
    alert::AlertStatus, counters::PerCounter, crosscheck::Check, event::Tuple,
    histogram::Percentiles,
};

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// A line of the report.
#[derive(Clone, Debug, Serialize)]
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
    /// The whole run. The last line.
    Summary(Box<Summary>),
}

/// A moment, written as RFC 3339 in UTC with microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Timestamp);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A map that keeps its order: chart dimensions are documented in one.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<V>(pub Vec<(&'static str, V)>);

impl<V> Ordered<V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&V> {
        self.0.iter().find(|(k, _)| *k == key).map(|(_, v)| v)
    }
}

impl<V: Serialize> Serialize for Ordered<V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(k, v)| (k, v)))
    }
}

fn by_name<T: Serialize, S: Serializer>(
    values: &PerCounter<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(
        values
            .iter()
            .map(|(counter, value)| (counter.spec().name, value)),
    )
}

/// All counters, `null` where unavailable.
fn all_by_name<T: Serialize, S: Serializer>(
    values: &PerCounter<T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(super::counters::COUNT))?;
    for spec in &super::counters::COUNTERS {
        map.serialize_entry(spec.name, &values.get(spec.id))?;
    }
    map.end()
}

/// What is watched, and how.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Hello {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of ctpulse.
    pub version: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Host name.
    pub hostname: String,
    /// Time between samples, in milliseconds.
    pub interval_ms: f64,
    /// What is attached.
    pub probes: Probes,
    /// What is watched.
    pub instances: Vec<Instance>,
    /// Why a counter is unavailable.
    #[serde(serialize_with = "by_name")]
    pub unavailable: PerCounter<String>,
}

/// What is attached to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probes {
    /// `kprobe`, `fentry` or `off`.
    pub mode: &'static str,
    /// `flow`, `all` or `off`.
    pub group: &'static str,
    /// Why no probe is attached, when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Kernel functions with a probe on them.
    pub attached: Vec<String>,
    /// Kernel functions without, and why.
    pub missing: Vec<Missing>,
}

/// A function that could not be probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// The function.
    pub function: String,
    /// Why not.
    pub reason: String,
}

/// A watched network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Instance {
    /// Its name here.
    pub name: String,
    /// Its inode number; `None` for a directory of files.
    pub netns: Option<u32>,
}

/// One interval of one instance.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The interval's end.
    pub time: Time,
    /// Its real length in seconds.
    pub interval_s: f64,
    /// The instance.
    pub instance: String,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// The most entries it may hold.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    /// The six charts: rates per second, and entries.
    pub charts: Ordered<Ordered<Option<f64>>>,
    /// Where each dimension comes from.
    pub sources: Ordered<Ordered<SourceKind>>,
    /// Totals since the start.
    #[serde(serialize_with = "all_by_name")]
    pub counters: PerCounter<u64>,
    /// The busiest bucket of the interval.
    #[serde(serialize_with = "by_name")]
    pub peaks: PerCounter<Peak>,
    /// The buckets of the interval.
    #[serde(
        serialize_with = "optional_by_name",
        skip_serializing_if = "Option::is_none"
    )]
    pub buckets: Option<PerCounter<Buckets>>,
    /// Milliseconds of buckets that had been overwritten before they could be read.
    #[serde(skip_serializing_if = "is_zero")]
    pub buckets_lost_ms: f64,
    /// The alerts as they stand, whether or not anybody was notified.
    pub alerts: Ordered<AlertState>,
    /// Worst verdict of the cross-check; not serialized, the `crosscheck` object says it.
    #[serde(skip)]
    pub verdict: Option<super::crosscheck::Verdict>,
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

fn optional_by_name<T: Serialize, S: Serializer>(
    values: &Option<PerCounter<T>>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match values {
        Some(values) => by_name(values, serializer),
        None => serializer.serialize_none(),
    }
}

/// Where a dimension comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Peak {
    /// Events per second in that bucket.
    pub rate: f64,
    /// Length of a bucket.
    pub window_ms: f64,
    /// When the bucket began; `None` when nothing happened in the interval.
    pub at: Option<Time>,
}

/// A series of buckets, without leading and trailing zeros.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Buckets {
    /// When the first bucket began.
    pub start: Time,
    /// Length of a bucket.
    pub width_ms: f64,
    /// Events per bucket. Buckets of the same time in two samples add up.
    pub counts: Vec<u64>,
}

/// How an alert stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AlertState {
    /// Its status now.
    pub status: AlertStatus,
    /// The value it was last judged by, in percent.
    pub value: Option<f64>,
    /// The status last notified.
    pub notified: AlertStatus,
    /// When a recovery will be notified, if it lasts.
    pub notify_at: Option<Time>,
}

/// The cross-check of one instance.
#[derive(Clone, Debug, Serialize)]
pub struct Crosscheck {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: String,
    /// Differences since the probes were attached.
    pub checks: Vec<Check>,
}

/// A single event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: String,
    /// `table_full`, `early_drop`, `clash`, `insert_failed`, `chain_too_long`, `invalid`, `icmp_error`.
    pub kind: &'static str,
    /// The flow or packet it is about.
    pub tuple: Option<Tuple>,
    /// The flow that took its place, for `early_drop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Tuple>,
}

/// What became of the events of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventTotals {
    /// Reported.
    pub sent: u64,
    /// Left out by the rate limit.
    pub suppressed: u64,
    /// Lost because the ring buffer was full.
    pub lost: u64,
}

/// A notification: a raise at once, a recovery after its delay.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alert {
    /// When.
    pub time: Time,
    /// The instance.
    pub instance: String,
    /// The alert's name.
    pub name: &'static str,
    /// The status now.
    pub status: AlertStatus,
    /// The value it was judged by.
    pub value: f64,
    /// Unit of the value.
    pub unit: &'static str,
    /// The status notified before.
    pub previous: AlertStatus,
}

/// The whole run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// Time from the first to the last reading.
    pub duration_s: f64,
    /// Events by kind.
    pub events: Ordered<EventTotals>,
    /// Each instance.
    pub instances: Vec<InstanceSummary>,
}

/// The whole run of one instance.
#[derive(Clone, Debug, Serialize)]
pub struct InstanceSummary {
    /// The instance.
    pub name: String,
    /// What was counted, by probe and by kernel.
    #[serde(serialize_with = "by_name")]
    pub totals: PerCounter<Total>,
    /// The final checks.
    pub crosscheck: Vec<Check>,
    /// Probe hits the kernel skipped; `None` where it does not tell, or without probes.
    pub missed: Option<u64>,
    /// Events that reached the programs and were lost; `None` without probes.
    pub lost_events: Option<u64>,
    /// Milliseconds of buckets that had been overwritten before they could be read.
    pub buckets_lost_ms: f64,
    /// Distribution of the per-bucket rate.
    #[serde(serialize_with = "by_name")]
    pub histograms: PerCounter<Percentiles>,
}

/// A counter over the whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Total {
    /// By the probes.
    pub probe: Option<u64>,
    /// By the kernel's own column, where this kernel counts it.
    pub kernel: Option<u64>,
}
