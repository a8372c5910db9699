//! What happens at a moment: single events, notifications, bursts.

use serde::{Deserialize, Serialize};

use crate::{
    model::{alert::AlertStatus, event::Tuple, record::wire::Time},
    text::Text,
};

/// A single event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When.
    pub time: Time,
    /// Which network namespace or directory it is about, by its name.
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
    /// Which network namespace or directory it is about, by its name.
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
    /// Which network namespace or directory it is about, by its name.
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
