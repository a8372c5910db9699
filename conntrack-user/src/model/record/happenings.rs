//! Single events, alert notifications and bursts.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        alert::AlertStatus,
        event::Tuple,
        record::wire::{Ordered, Time},
    },
    reading::workload::Workload,
    text::Text,
};

/// A single event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When it happened.
    pub time: Time,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// `table_full`, `early_drop`, `clash`, `insert_failed`, `chain_too_long`, `invalid`, `icmp_error`, `nat_exhausted`,
    /// `expect_full`.
    pub kind: Text,
    /// Its flow or packet, if known; for `expect_full` the flow whose helper expected another.
    pub tuple: Option<Tuple>,
    /// The flow that took its place, for `early_drop`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<Tuple>,
    /// The flow as NAT has translated it, where that differs from `tuple`: its real destination, or the source that others see. For
    /// `nat_exhausted` the source is the last address and port that was tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated: Option<Tuple>,
    /// The pods, containers and units that have addresses of these, by the address.
    #[serde(default, skip_serializing_if = "Ordered::is_empty")]
    pub workloads: Ordered<Arc<Workload>>,
}

impl Event {
    /// Its flow or packet, before NAT and after it, as far as they are known and differ.
    pub fn flows(&self) -> impl Iterator<Item = &Tuple> {
        self.tuple.iter().chain(&self.translated)
    }
}

/// The number of events of one kind, by what became of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventTotals {
    /// Sent to user space.
    pub sent: u64,
    /// Suppressed by the rate limit.
    pub suppressed: u64,
    /// Lost because the ring buffer was full.
    pub lost: u64,
}

/// A notification that the status of an alert has changed: a raise at once, a recovery after a delay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// When the notification was due.
    pub time: Time,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// The alert's name.
    pub name: Text,
    /// The new status.
    pub status: AlertStatus,
    /// The value from which it was evaluated.
    pub value: f64,
    /// The unit of `value`.
    pub unit: Text,
    /// The status that was notified before.
    pub previous: AlertStatus,
    /// Which checks are about it, and what they say: of `conntrack_probe_mismatch` when it is raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
}

/// A short time with far more events of one counter than usual.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Burst {
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// The name of the counter.
    pub counter: Text,
    /// Start of its first bucket.
    pub start: Time,
    /// End of its last bucket.
    pub end: Time,
    /// From start to end, in milliseconds.
    pub duration_ms: f64,
    /// The number of events in it.
    pub count: u64,
    /// Events per second in its busiest bucket.
    pub peak_rate: f64,
    /// Length of a bucket.
    pub window_ms: f64,
    /// The usual rate before it, in events per second.
    #[serde(default)]
    pub usual_rate: f64,
}

/// The bursts of one counter, in total.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BurstTotals {
    /// The number of bursts.
    pub number: u64,
    /// The number of events in all of them.
    pub count: u64,
    /// The one with the most events; the first of equals.
    pub largest: Burst,
}

impl BurstTotals {
    /// The totals before `first`, the first burst.
    #[must_use]
    pub fn none(first: &Burst) -> Self {
        Self {
            number: 0,
            count: 0,
            largest: first.clone(),
        }
    }

    /// Adds a burst.
    pub fn add(&mut self, burst: &Burst) {
        self.number += 1;
        self.count += burst.count;
        if burst.count > self.largest.count {
            self.largest = burst.clone();
        }
    }
}
