//! The objects of the JSON contract, which are also the input of every other output format.
//!
//! They contain everything that a renderer needs: renderers do no arithmetic. Records can be read back from JSON, and are
//! rendered the same then.

mod advice;
mod check;
mod contents;
pub(crate) mod derived;
mod happenings;
mod hello;
mod host;
mod sample;
mod summary;
mod table_limits;
mod top;
mod verdict;
mod wire;

use serde::{Deserialize, Serialize};

pub use self::{
    advice::{Advice, AdviceTopic, Confidence, PredictedEntries, SettingChange},
    check::{Check, Crosscheck, Verdict, worst},
    contents::{
        Directions, EntryGroup, EntryMarks, Estimate, Evictable, HelperEntries, Spread,
        TableContents,
    },
    happenings::{Alert, Burst, BurstTotals, Event, EventTotals},
    hello::{Hello, Instance},
    host::{HostState, HostStatus},
    sample::{AlertState, Buckets, Peak, PerCpu, Percentiles, Sample, Skew, SourceKind},
    summary::{InstanceSummary, Summary, Total},
    table_limits::{
        ChainLoad, ExpectationUse, HashUse, TableLimits, TableMemory, TimeoutPolicy, TimeoutSetting,
    },
    top::{NatPortsLeft, Top, TopRow, TopTable},
    verdict::{
        AdvisedChange, BurstsSoFar, BusiestBucket, HighestUse, HostLoss, InstanceVerdict,
        LargestBurst, Loss, LossKind, Proof, Severity, TopShare, VerdictFacts,
    },
    wire::{Ordered, Time},
};
pub use crate::reading::workload::Workload;

/// Version of the contract.
pub const SCHEMA: u32 = 1;

/// A record of a run: a line of JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Record {
    /// The configuration and what is available. Comes first, and again when it changes.
    Hello(Box<Hello>),
    /// One interval of one instance.
    Sample(Box<Sample>),
    /// The cross-check at the end of an interval.
    Crosscheck(Crosscheck),
    /// A single event: something was dropped, evicted or rejected.
    Event(Box<Event>),
    /// A change of an alert's status.
    Alert(Alert),
    /// A short time with far more events than usual.
    Burst(Burst),
    /// Top talkers, by several measures.
    Top(Top),
    /// What the table is made of.
    Contents(Box<TableContents>),
    /// What limits it besides `nf_conntrack_max`.
    Limits(Box<TableLimits>),
    /// What an operator wants to know first, when it has changed, and at the end of the run.
    Verdict(Box<InstanceVerdict>),
    /// What to set, and what speaks for it.
    Advice(Box<Advice>),
    /// The state of a host, where records come from other hosts: when it changes.
    Host(Box<HostStatus>),
    /// The totals of the run. Comes last.
    Summary(Box<Summary>),
}

impl Record {
    /// Its time, if it has one: the end of its interval or burst.
    #[must_use]
    pub fn time(&self) -> Option<Time> {
        match self {
            Self::Sample(sample) => Some(sample.time),
            Self::Crosscheck(crosscheck) => Some(crosscheck.time),
            Self::Event(event) => Some(event.time),
            Self::Alert(alert) => Some(alert.time),
            Self::Burst(burst) => Some(burst.end),
            Self::Top(top) => Some(top.time),
            Self::Contents(contents) => Some(contents.time),
            Self::Limits(limits) => Some(limits.time),
            Self::Verdict(verdict) => Some(verdict.time),
            Self::Advice(advice) => Some(advice.time),
            Self::Host(host) => Some(host.time),
            Self::Hello(_) | Self::Summary(_) => None,
        }
    }
}
