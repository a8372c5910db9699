//! What the table is made of, by a listing of its entries.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// What the table is made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableContents {
    /// When the entries were listed.
    pub time: Time,
    /// The name of its network namespace.
    pub instance: Text,
    /// Whether this is the last listing of the run.
    #[serde(default)]
    pub closing: bool,
    /// `nf_conntrack_count` while they were listed, which also counts what no listing has: flows that are not confirmed yet, and
    /// those that have expired and are not removed yet. `None` where it could not be read.
    pub entries: Option<u64>,
    /// The entries that were listed.
    pub listed: u64,
    /// Whether those are a random sample of a larger table: counts are then estimates.
    pub sampled: bool,
    /// The most that any share can be wrong, in percentage points, with a confidence of 99.7 %; 0 where all were listed.
    pub error: f64,
    /// CPU time that the listing took.
    pub cpu_ms: f64,
    /// Entries by protocol and state, most first.
    pub groups: Vec<EntryGroup>,
    /// What further groups hold together, where there are very many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_groups: Option<Estimate>,
    /// Entries by what the kernel has marked them with.
    pub marks: EntryMarks,
    /// Entries by the connection tracking helper that follows them, most first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub helpers: Vec<HelperEntries>,
    /// What the kernel could remove for new flows.
    pub evictable: Evictable,
    /// Entries by whose they are; `None` where the addresses of the namespace could not be read.
    pub directions: Option<Directions>,
    /// A limitation of the counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remark: Option<Text>,
}

/// A number of entries: exact where all were listed, else an estimate from a sample.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Entries.
    pub count: u64,
    /// In percent of all.
    pub share: f64,
    /// The most that `share` can be wrong, in percentage points, with a confidence of 99.7 %.
    pub error: f64,
}

/// The entries of a protocol in one state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EntryGroup {
    /// The protocol.
    pub proto: Text,
    /// The state of a TCP or SCTP connection, `OFFLOADED`, else `UNREPLIED`, `REPLIED` or `ASSURED`.
    pub state: Text,
    /// The number of them.
    #[serde(flatten)]
    pub held: Estimate,
    /// Those that are spared from early drop.
    pub assured: u64,
    /// Those to which no packet has come back.
    pub unreplied: u64,
    /// The timeout that is in force for them; `None` where it is not known.
    pub timeout_s: Option<u64>,
    /// The setting of that, as in [`TableLimits::timeouts`](super::TableLimits::timeouts).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setting: Option<Text>,
    /// The time until they are removed if no packet comes; `None` where the kernel does not say (of offloaded flows).
    pub remaining: Option<Spread>,
    /// The time since they were made; `None` unless net.netfilter.nf_conntrack_timestamp was on then.
    pub age: Option<Spread>,
}

/// How times are spread over entries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Half have no more, in seconds.
    pub p50_s: u64,
    /// 90 % have no more.
    pub p90_s: u64,
    /// 99 % have no more.
    pub p99_s: u64,
    /// The most that one has.
    pub max_s: u64,
    /// The listed entries by time: the least seconds of a class, which goes up to that of the next power of two in 16 steps (in
    /// whole seconds below 32), and how many are in it. Classes with none are left out.
    pub classes: Vec<(u64, u64)>,
}

/// Entries by marks of the kernel's: some have several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EntryMarks {
    /// `ASSURED`: established as its protocol has it.
    pub assured: Estimate,
    /// No packet has come back.
    pub unreplied: Estimate,
    /// Neither: a packet has come back, and no more.
    pub neither: Estimate,
    /// `OFFLOAD`: a flow table forwards their packets.
    pub offload: Estimate,
    /// `HW_OFFLOAD`: hardware does.
    pub hw_offload: Estimate,
    /// Followed by a helper.
    pub helper: Estimate,
    /// Expected by another connection's helper.
    pub expected: Estimate,
    /// With a translated source.
    pub snat: Estimate,
    /// With a translated destination.
    pub dnat: Estimate,
    /// Removed from the table, and held until listeners of events have been told. Their number is exact; `None` where it could not be read.
    pub dying: Option<u64>,
}

/// The entries that a helper follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HelperEntries {
    /// The helper's name.
    pub name: Text,
    /// The number of them.
    #[serde(flatten)]
    pub held: Estimate,
}

/// What the kernel could remove for new flows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evictable {
    /// What a full table gives up for a new flow, if it is found (`early_drop_list()`): all that are not assured.
    pub early_drop: Estimate,
    /// What the collector of garbage removes once 95 % of a table are used (`gc_worker_can_early_drop()`): the same, and connections
    /// that are closing.
    pub nearly_full: Estimate,
    /// The chance, in percent, that a new flow finds one when the table is full: it looks through 8 of the buckets
    /// (`early_drop()`). `None` where the number of buckets is not known.
    pub found_percent: Option<f64>,
}

/// Entries by the ends that are addresses of the namespace itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Directions {
    /// From elsewhere to here.
    pub inbound: Estimate,
    /// From here to elsewhere.
    pub outbound: Estimate,
    /// From elsewhere to elsewhere.
    pub forwarded: Estimate,
    /// From here to here.
    pub local: Estimate,
}
