//! The totals of a whole run.

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        durations::{latency::Latency, lifetimes::Lifetimes},
        kernel::per_counter::PerCounter,
        record::{
            check::Check,
            happenings::{BurstTotals, EventTotals},
            sample::Percentiles,
            wire::{Ordered, by_name, from_names, is_none_left_out},
        },
    },
    text::Text,
};

/// The totals of a whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Time from the first to the last reading.
    pub duration_s: f64,
    /// Events by kind; `None` if there were no probes to report any.
    pub events: Option<Ordered<EventTotals>>,
    /// One per watched network namespace, ended ones included.
    pub instances: Vec<InstanceSummary>,
    /// The number of namespaces that have ended and are left out: of many, those with the fewest flows.
    #[serde(default, skip_serializing_if = "is_none_left_out")]
    pub instances_left_out: u64,
}

/// The totals of one instance over the whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceSummary {
    /// Its network namespace, or the directory.
    pub name: Text,
    /// The totals of probes and kernel.
    #[serde(serialize_with = "by_name", deserialize_with = "from_names")]
    pub totals: PerCounter<Total>,
    /// The final checks.
    pub crosscheck: Vec<Check>,
    /// Probe hits that the kernel missed; `None` without probes, or where the kernel does not count them.
    pub missed: Option<u64>,
    /// Events that were lost after they reached the programs; `None` without probes.
    pub lost_events: Option<u64>,
    /// Milliseconds of buckets that were overwritten before they were read.
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

/// The totals of one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Counted by the probes.
    pub probe: Option<u64>,
    /// Counted by the kernel, if it has a live column.
    pub kernel: Option<u64>,
}
