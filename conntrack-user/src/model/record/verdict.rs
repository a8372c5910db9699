//! The verdict: what an operator wants to know first, in sentences, and the facts behind them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    model::{
        forecast::TimeToFull,
        record::wire::{Ordered, Time},
    },
    reading::workload::Workload,
    text::Text,
};

/// How bad the state of a table is, by the configured alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// No alert is raised.
    Ok,
    /// There is nothing to judge by: the entries cannot be read, or nothing tracks connections here.
    Unknown,
    /// An alert is at WARNING, and none worse.
    Warning,
    /// An alert is at CRITICAL.
    Critical,
}

impl Severity {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// The verdict on one instance, up to a time. Written when it changes, and at the end of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceVerdict {
    /// The end of the interval that changed it.
    pub time: Time,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// Whether it is that of the whole run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub closing: bool,
    /// How bad it is.
    pub severity: Severity,
    /// The facts in plain words, the most important first; times are in UTC.
    pub sentences: Vec<Text>,
    /// The numbers.
    pub facts: VerdictFacts,
}

impl InstanceVerdict {
    /// The sentences on one line, safe to show.
    #[must_use]
    pub fn text(&self) -> String {
        let sentences: Vec<String> = self.sentences.iter().map(Text::to_string).collect();
        sentences.join(" ")
    }
}

/// What a verdict is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VerdictFacts {
    /// When counting started: the start of the run.
    pub since: Time,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// `nf_conntrack_max`; 0 where there is no limit.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    /// The fullest that the table was.
    pub highest: Option<HighestUse>,
    /// Since when the table has been full, if it is.
    pub full_since: Option<Time>,
    /// Net change of `entries` per second over the last 5 seconds.
    pub entries_per_s: Option<f64>,
    /// When the table will be full, if it fills.
    pub time_to_full_s: Option<TimeToFull>,
    /// Why the table is empty, when nothing tracks connections here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untracked: Option<Text>,
    /// Since when nothing is known of it, because its host is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_lost: Option<HostLoss>,
    /// Flows lost since the start, by [`LossKind`]; `null` where that cannot be seen.
    pub losses: Ordered<Option<Loss>>,
    /// The bucket with the most new flows; `None` without probes, and before the first flow.
    pub busiest: Option<BusiestBucket>,
    /// The bursts of new flows; `None` without probes to see them.
    #[serde(default)]
    pub bursts: Option<BurstsSoFar>,
    /// The top talkers by measure, as in [`crate::model::record::TopTable::by`]: `new`, `dropped`, `evicted`, `entries`.
    pub who: Ordered<Vec<TopShare>>,
    /// What to set first, by [`crate::model::record::Advice`]; `None` where nothing needs to be, or too little was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advice: Option<AdvisedChange>,
    /// Whether the counts of probes are proven.
    pub proof: Proof,
}

/// A change of a setting, in short.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisedChange {
    /// The sysctl, or what kind of rule it is.
    pub setting: Text,
    /// Its value; `None` of a rule, or where it could not be read.
    pub from: Option<u64>,
    /// The value to set; `None` of a rule.
    pub to: Option<u64>,
}

/// Since when nothing comes from a host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostLoss {
    /// Its name.
    pub host: Text,
    /// Since when, by its own clock.
    pub since: Time,
    /// Why.
    pub reason: Text,
}

/// The fullest that a table was.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HighestUse {
    /// Entries then.
    pub entries: u64,
    /// In percent of the limit then; `None` without one.
    pub utilization: Option<f64>,
    /// The end of the interval.
    pub at: Time,
}

impl HighestUse {
    /// Whether the table was fuller than at another time. The limit may change in a run, so the highest use is not that with the
    /// most entries.
    #[must_use]
    pub fn is_above(&self, other: &Self) -> bool {
        match (self.utilization, other.utilization) {
            (Some(one), Some(other)) => one > other,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => self.entries > other.entries,
        }
    }
}

/// A way to lose flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LossKind {
    /// Refused because the table was full (`table_full`).
    Refused,
    /// Evicted to make room in a full table (`early_drop`).
    Evicted,
    /// Could not be put into the table (`insert_failed`).
    Failed,
    /// Packets dropped, for any of these reasons or a lost clash (`drop`).
    Dropped,
}

impl LossKind {
    /// Every one, in the order of the record.
    pub const ALL: [Self; 4] = [Self::Refused, Self::Evicted, Self::Failed, Self::Dropped];

    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Evicted => "evicted",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

/// Flows lost in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many since the start of the run.
    pub count: u64,
    /// The end of the first interval in which any was lost.
    pub first: Option<Time>,
    /// The end of the last such interval.
    pub last: Option<Time>,
    /// Whether a check proves the count wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrong: bool,
}

/// The bucket of about a millisecond with the most new flows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BusiestBucket {
    /// New flows per second in it.
    pub rate: f64,
    /// Its length.
    pub window_ms: f64,
    /// Its start.
    pub at: Time,
    /// Whether a check proves the count wrong.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrong: bool,
}

/// The bursts of new flows since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BurstsSoFar {
    /// How many have ended.
    pub number: u64,
    /// The one with the most flows; the first of equals.
    pub largest: Option<LargestBurst>,
    /// Whether a check proved the count of new flows wrong at any time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wrong: bool,
}

/// The burst with the most new flows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LargestBurst {
    /// New flows in it.
    pub count: u64,
    /// From start to end, in milliseconds.
    pub duration_ms: f64,
    /// Its start.
    pub at: Time,
}

/// The share of a top talker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopShare {
    /// The kind of key: `src`, `dst`, `dport`, …
    pub of: Text,
    /// An address or prefix, a port, …
    pub key: Text,
    /// In percent.
    pub share: f64,
    /// The process behind it, with what it belongs to, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
    /// What has the address in `key`, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<Workload>>,
}

/// Whether the counts of probes are proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// How they are attached: `fentry`, `kprobe`, `off`.
    pub probes: Text,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// The number of checks that compare anything.
    pub checks: u64,
    /// How many of them agree.
    pub agree: u64,
    /// The names of those that do not.
    pub disagree: Vec<Text>,
}
