//! Top talkers.

use std::{ops::Not, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    model::{forecast::TimeToFull, record::wire::Time},
    reading::workload::Workload,
    text::Text,
};

/// Top talkers of an instance by several measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// The end of the window, or when the entries were listed.
    pub time: Time,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// The length of the window that ends at `time`, in seconds; 0 for the current entries.
    pub window_s: f64,
    /// Whether this is the last one: of the whole run, or of the last listing of entries.
    #[serde(default)]
    pub closing: bool,
    /// A table for each measure and kind of key. Those that cannot be counted are left out.
    pub tables: Vec<TopTable>,
    /// A limitation of the counts, for example that the table changed while it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Text>,
}

/// The top talkers by one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopTable {
    /// The measure: `new`, `dropped`, `evicted`, `entries`, or `ports` for those that NAT has given to flows.
    pub by: Text,
    /// The kind of key: `src`, `dst`, `dport`, and for entries also `proto`, `state`, `status`, `zone`, `mark`; for
    /// ports `nat`: the translated source and the destination.
    pub of: Text,
    /// The sum over all keys. With several instances it may lack counts that cannot be attributed to a key.
    pub total: u64,
    /// The most that a count can be too low; 0 if all are exact. Counts are never too high.
    pub error: u64,
    /// Whether no key that is not listed can have more than the last row.
    #[serde(default)]
    pub certain: bool,
    /// Whether it is of a random sample of the entries: shares are those of all, counts are not.
    #[serde(default, skip_serializing_if = "Not::not")]
    pub sampled: bool,
    /// The top talkers, most first.
    pub rows: Vec<TopRow>,
}

/// One talker.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TopRow {
    /// An address or prefix, a port, …
    pub key: Text,
    /// Its count, at least.
    pub count: u64,
    /// `count` in percent of the table's `total`.
    #[serde(default)]
    pub share: f64,
    /// The process behind it, with what it belongs to, if a local socket identifies it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
    /// What that process belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_workload: Option<Arc<Workload>>,
    /// The pod, container or unit that has the address in `key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Arc<Workload>>,
    /// What is left, where ports of NAT are counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<NatPortsLeft>,
}

/// How many source ports NAT can give flows to one destination, and when they run out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NatPortsLeft {
    /// The most flows that can have one at a time.
    pub limit: u64,
    /// Whether `limit` is what NAT has where its rule names no ports: a rule that does leaves fewer. Else it is how many there were
    /// when NAT found no free one.
    pub assumed: bool,
    /// Whether NAT has found no free one since the listing before.
    pub refused: bool,
    /// Seconds until `limit` is reached if their number grows as it does; absent where it does not, or is not known to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exhausted_in_s: Option<TimeToFull>,
}
