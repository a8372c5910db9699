//! What is reported: the objects of the JSON contract, and the input of every other output format.
//!
//! Everything a renderer needs is here, computed: renderers do no arithmetic. What was written as JSON
//! can be read again, and is then the same to every renderer.

mod check;
pub(crate) mod derived;
mod happenings;
mod hello;
mod sample;
mod summary;
mod top;
mod wire;

use serde::{Deserialize, Serialize};

pub use self::{
    check::{Check, Crosscheck, ENTRIES_BALANCE, Verdict, worst},
    happenings::{Alert, Burst, BurstTotals, Event, EventTotals},
    hello::{Hello, Instance},
    sample::{AlertState, Buckets, Peak, PerCpu, Percentiles, Sample, Skew, SourceKind},
    summary::{InstanceSummary, Summary, Total},
    top::{Top, TopRow, TopTable},
    wire::{Ordered, Time},
};

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// What is watched, and how. Comes first, and again when it changes.
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
    /// Top talkers, by several measures.
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
