//! What limits the table besides `nf_conntrack_max`.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// The limits of a table, and how near it is to them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableLimits {
    /// When they were read.
    pub time: Time,
    /// The name of its network namespace.
    pub instance: Text,
    /// Whether this is the last one of the run.
    #[serde(default)]
    pub closing: bool,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// `nf_conntrack_max`; 0 without a limit.
    pub max: Option<u64>,
    /// Expectations; `None` where they could not be read.
    pub expectations: Option<ExpectationUse>,
    /// The hash table; `None` where the number of its buckets could not be read.
    pub hash: Option<HashUse>,
    /// The memory of entries; `None` where it is not known.
    pub memory: Option<TableMemory>,
    /// The timeouts of the namespace, in seconds by the name of the setting below net.netfilter, without `nf_conntrack_`.
    pub timeouts: Vec<TimeoutSetting>,
    /// Timeouts for chosen flows, as nfct(8) and rules set them; `None` where they could not be asked for.
    pub policies: Option<Vec<TimeoutPolicy>>,
}

/// The expectations of helpers, which are flows that they have announced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectationUse {
    /// Those that are held.
    pub held: u64,
    /// `nf_conntrack_expect_max`.
    pub max: u64,
    /// In percent of that.
    pub utilization: f64,
}

/// The hash table that all network namespaces share, as this one's entries fill it: each is in two chains.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HashUse {
    /// `nf_conntrack_buckets`.
    pub buckets: u64,
    /// Now; `None` where the number of entries is not known.
    pub now: Option<ChainLoad>,
    /// When the table is full; `None` without a limit.
    pub full: Option<ChainLoad>,
    /// A chain that is longer may refuse a flow (`chaintoolong`): the kernel draws the limit of each insertion from this up to 80.
    pub limit: u64,
}

/// How long the chains of buckets are to be expected, by the Poisson distribution that a random hash leads to.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChainLoad {
    /// Average length of a chain.
    pub mean: f64,
    /// 99 % of the chains are no longer.
    pub p99: u64,
    /// The longest of all.
    pub longest: u64,
    /// Chains that are longer than the limit.
    pub too_long: f64,
}

/// Memory that the kernel takes for entries. It cannot be swapped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableMemory {
    /// Bytes of an entry, with its share of the rest of its slab.
    pub entry_bytes: f64,
    /// Where `entry_bytes` is from: `slabinfo`, or `typical` where /proc/slabinfo cannot be read.
    pub source: Text,
    /// Bytes of the extensions of an entry (NAT, accounting, time stamps, events, helpers): one allocation of at least 128; 0 where
    /// nothing asks for any.
    pub extension_bytes: u64,
    /// Bytes that the slab of all entries of all namespaces occupies; `None` unless read.
    pub slab_bytes: Option<u64>,
    /// Bytes of this namespace's entries with extensions.
    pub entries_bytes: Option<u64>,
    /// Bytes of the heads of all chains, for all namespaces.
    pub buckets_bytes: Option<u64>,
    /// Bytes that a full table takes, with the buckets; `None` without a limit.
    pub full_bytes: Option<u64>,
}

/// A timeout of the namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeoutSetting {
    /// `tcp_timeout_established`, `udp_timeout`, …
    pub name: Text,
    /// Its value.
    pub seconds: u64,
}

/// Timeouts that rules give to chosen flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimeoutPolicy {
    /// As the rules that use it call it.
    pub name: Text,
    /// The protocol that it is for.
    pub proto: Text,
    /// The objects that refer to it, itself included.
    pub uses: u64,
    /// Its timeouts by state.
    pub timeouts: Vec<TimeoutSetting>,
}
