//! Top talkers.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// Who causes what: leaders by several measures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Top {
    /// When.
    pub time: Time,
    /// Which network namespace or directory it is about, by its name.
    pub instance: Text,
    /// Seconds that the counts cover, up to `time`; 0 for what is held at `time`.
    pub window_s: f64,
    /// Said once, at the end: of the whole run, or of the entries as they were listed last.
    #[serde(default)]
    pub closing: bool,
    /// One for each measure and kind of key. What cannot be counted has none.
    pub tables: Vec<TopTable>,
    /// What is to be known about the counts, such as that the table changed while it was listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Text>,
}

/// The leaders by one measure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopTable {
    /// What is counted: `new`, `dropped`, `evicted`, `entries`.
    pub by: Text,
    /// What it is counted for: `src`, `dst`, `dport`, and for entries also `proto`, `state`, `zone`, `mark`.
    pub of: Text,
    /// The sum over everybody. With several instances it may lack what is certain for no key.
    pub total: u64,
    /// No count is further below the truth than this; 0 where all are exact. None is above it.
    pub error: u64,
    /// Whether nobody else can have more than the last row.
    #[serde(default)]
    pub certain: bool,
    /// The leaders, most first.
    pub rows: Vec<TopRow>,
}

/// One leader.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TopRow {
    /// An address or prefix, a port, …
    pub key: Text,
    /// How many, at least.
    pub count: u64,
    /// `count` in percent of the table's `total`.
    #[serde(default)]
    pub share: f64,
    /// The process or container behind it, where a local socket makes it knowable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Text>,
}
