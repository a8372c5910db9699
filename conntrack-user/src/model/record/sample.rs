//! One interval of one instance.

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        alert::AlertStatus,
        forecast::TimeToFull,
        kernel::per_counter::PerCounter,
        record::{
            check::Verdict,
            wire::{
                Ordered, Time, all_by_name, by_name, from_names, is_zero, optional_by_name,
                optional_from_names,
            },
        },
    },
    text::Text,
};

/// One interval of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The interval's end.
    pub time: Time,
    /// Its measured length in seconds.
    pub interval_s: f64,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// `nf_conntrack_max`.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    /// Net change of `entries` per second since the sample before; `None` if either is unavailable.
    #[serde(default)]
    pub entries_per_s: Option<f64>,
    /// Seconds until the table is full if it keeps filling at this rate; `None` if it does not fill, or if there is no forecast.
    #[serde(default)]
    pub time_to_full_s: Option<TimeToFull>,
    /// The six charts: rates per second, and entries.
    pub charts: Ordered<Ordered<Option<f64>>>,
    /// Where each dimension comes from.
    pub sources: Ordered<Ordered<SourceKind>>,
    /// Totals since the start of the run.
    #[serde(serialize_with = "all_by_name", deserialize_with = "from_names")]
    pub counters: PerCounter<u64>,
    /// The busiest bucket of the interval.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub peaks: PerCounter<Peak>,
    /// The distribution of the per-bucket rate in the interval, of counters that rose; `None` without probes.
    #[serde(
        serialize_with = "optional_by_name",
        deserialize_with = "optional_from_names",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub histograms: Option<PerCounter<Percentiles>>,
    /// The buckets of the interval, if they were requested.
    #[serde(
        serialize_with = "optional_by_name",
        deserialize_with = "optional_from_names",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub buckets: Option<PerCounter<Buckets>>,
    /// The values of each CPU, if they were requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub per_cpu: Option<PerCpu>,
    /// Milliseconds of buckets that were overwritten before they were read.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub buckets_lost_ms: f64,
    /// Why there are no peaks, distributions and buckets although probes count; `None` if there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets_unavailable: Option<Text>,
    /// Why the table is empty, when nothing tracks connections here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untracked: Option<Text>,
    /// The current state of the alerts, whether or not it was notified.
    pub alerts: Ordered<AlertState>,
    /// Why alerts could not be evaluated.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub alerts_unavailable: Ordered<Text>,
    /// The worst verdict of the cross-check; details are in the `crosscheck` record that follows.
    pub verdict: Option<Verdict>,
    /// The counters whose probes' counts, and so peaks and buckets, a check proves wrong, with what it says.
    #[serde(
        serialize_with = "by_name",
        deserialize_with = "from_names",
        default,
        skip_serializing_if = "PerCounter::is_empty"
    )]
    pub wrong: PerCounter<Text>,
}

/// The source of a dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// The kernel's own counter.
    Proc,
    /// An eBPF program.
    Probe,
    /// None.
    Unavailable,
}

/// The busiest bucket of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peak {
    /// Events per second in that bucket.
    pub rate: f64,
    /// Length of a bucket.
    pub window_ms: f64,
    /// The bucket's start; `None` when there were no events in the interval.
    pub at: Option<Time>,
}

/// A series of buckets, without leading and trailing zeros.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Buckets {
    /// The start of the first bucket.
    pub start: Time,
    /// Length of a bucket.
    pub width_ms: f64,
    /// Events per bucket. Where buckets of two samples overlap in time, their counts add up.
    pub counts: Vec<u64>,
}

/// The values of each CPU. All lists are in the order of `cpus`: one entry per possible CPU.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerCpu {
    /// The CPUs' ids; `None` if they are not known. Then the lists are in the order of the kernel's rows, which have no ids.
    pub cpus: Option<Vec<u32>>,
    /// Why something is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unknown: Option<Text>,
    /// Events per second, of counters that rose in the interval.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub rates: PerCounter<Vec<f64>>,
    /// Totals since the start of the run, of counters that rose.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub totals: PerCounter<Vec<u64>>,
    /// How uneven the rates are.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub skew: PerCounter<Skew>,
}

/// How uneven a counter's rates are across CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skew {
    /// Position of the busiest CPU in the lists.
    pub busiest: usize,
    /// Its share of all events, in percent.
    pub share: f64,
    /// Its rate divided by the mean of the online CPUs: 1 when all are equal.
    pub ratio: f64,
}

/// The current state of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertState {
    /// Its status now.
    pub status: AlertStatus,
    /// The value that was last evaluated, in the alert's unit.
    pub value: Option<f64>,
    /// The status last notified.
    pub notified: AlertStatus,
    /// When a recovery will be notified, if it lasts.
    pub notify_at: Option<Time>,
}

/// The distribution of the per-bucket rate, empty buckets included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Percentiles {
    /// Median, in events per second: at least half of the buckets have no higher rate.
    pub p50: f64,
    /// 90th percentile, likewise.
    pub p90: f64,
    /// 99th percentile.
    pub p99: f64,
    /// 99.9th percentile.
    pub p999: f64,
    /// The busiest bucket.
    pub max: f64,
    /// Index of dispersion: the variance of the counts per bucket by their mean. 1 for independent
    /// events, less for regular ones, more for those that come in clumps; `None` without events.
    #[serde(default)]
    pub dispersion: Option<f64>,
}
