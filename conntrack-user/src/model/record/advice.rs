//! What to set, and what speaks for it.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// A piece of advice: what was measured, and what to set if anything. ctpulse sets nothing by itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// The end of what it rests on.
    pub time: Time,
    /// The name of the network namespace.
    pub instance: Text,
    /// What it is about.
    pub topic: AdviceTopic,
    /// What was found, in a sentence.
    pub finding: Text,
    /// The measurements that it rests on.
    pub evidence: Vec<Text>,
    /// How much the measurements support it.
    pub confidence: Confidence,
    /// What would support it more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Text>,
    /// The entries that are predicted: of a changed setting, else of what goes on as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub predicted: Option<PredictedEntries>,
    /// What to set; `None` where nothing needs to be, or nothing can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<SettingChange>,
}

/// What a piece of advice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdviceTopic {
    /// What the table has to hold.
    Demand,
    /// A table that only grows.
    Growth,
    /// `nf_conntrack_max`.
    Maximum,
    /// The number of buckets.
    Buckets,
    /// How long entries are held after their last packet.
    Timeout,
    /// Traffic that need not be tracked.
    Untracked,
    /// Flows that a full table refused or evicted others for.
    TableFull,
    /// Connections that are begun and never answered, as in a flood of SYN packets.
    HalfOpen,
    /// Packets of the same flow that raced each other.
    Clashes,
    /// Flows refused for the length of a chain.
    ChainTooLong,
    /// The table of expectations.
    Expectations,
    /// Flows that NAT found no free port for, or soon will not.
    NatPorts,
    /// What would be if settings or rates were changed as asked.
    WhatIf,
    /// Too little was seen.
    Watch,
}

/// How much the measurements support a piece of advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// A guess.
    Low,
    /// Of the right size.
    Medium,
    /// Within the stated range.
    High,
}

/// A number of entries that is predicted.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictedEntries {
    /// Those there are now.
    pub now: u64,
    /// Those that are expected.
    pub expected: u64,
    /// At least, with a confidence of 95 %.
    pub low: u64,
    /// At most, with the same.
    pub high: u64,
}

/// A setting, and how to change it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SettingChange {
    /// The sysctl, or what kind of rule it is.
    pub setting: Text,
    /// Its value; `None` of a rule, or where it could not be read.
    pub from: Option<u64>,
    /// The value to set; `None` of a rule.
    pub to: Option<u64>,
    /// What it is expected to bring.
    pub effect: Text,
    /// What it may break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<Text>,
    /// The command lines that make it, for a shell of root's in the network namespace.
    pub commands: Vec<Text>,
    /// Other ways to the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub or: Vec<Text>,
    /// The command lines that undo it.
    pub undo: Vec<Text>,
}
