//! The whole run.

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

/// The whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Time from the first to the last reading.
    pub duration_s: f64,
    /// Events by kind; `None` where there were no probes to see any.
    pub events: Option<Ordered<EventTotals>>,
    /// Each instance.
    pub instances: Vec<InstanceSummary>,
    /// Namespaces that came and went, and of which nothing is said: those with the fewest flows, where there were many.
    #[serde(default, skip_serializing_if = "is_none_left_out")]
    pub instances_left_out: u64,
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
    /// Probe hits the kernel missed; `None` where it does not tell, or without probes.
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
