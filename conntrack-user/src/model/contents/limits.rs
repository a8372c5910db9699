//! What limits a table, as a record.

use super::{chains, listing::chained, names};
use crate::{
    clock::Instant,
    model::record::{
        ExpectationUse, HashUse, TableLimits, TableMemory, Time, TimeoutPolicy, TimeoutSetting,
    },
    reading::{InstanceInfo, table_limits::LimitsReading},
};

/// `struct nf_conn` on 64-bit kernels, which is aligned to cache lines.
const TYPICAL_ENTRY: f64 = 256.0;

/// `NF_CT_EXT_PREALLOC`: the least that is allocated for extensions.
const EXTENSIONS: u64 = 128;

/// A bucket is the head of a list: a pointer.
const BUCKET: u64 = 8;

pub(super) fn record(at: Instant, info: &InstanceInfo, read: &LimitsReading) -> TableLimits {
    let limit = read.max.filter(|max| *max > 0);
    let load = |entries: u64, buckets| chains::load(chained(entries), buckets);
    TableLimits {
        time: Time(at.realtime),
        instance: info.name.clone(),
        closing: false,
        entries: read.entries,
        max: read.max,
        expectations: read.expectations.map(|expectations| ExpectationUse {
            held: expectations.held,
            max: expectations.max,
            utilization: expectations.percent(),
        }),
        hash: read.buckets.map(|buckets| HashUse {
            buckets,
            now: read.entries.and_then(|entries| load(entries, buckets)),
            full: limit.and_then(|max| load(max, buckets)),
            limit: chains::LIMIT,
        }),
        memory: Some(memory(read, limit)),
        timeouts: settings(read.timeouts.iter().map(|(n, s)| (n.clone(), *s))),
        policies: read.policies.as_ref().map(|policies| {
            let policies = policies.iter().map(|policy| TimeoutPolicy {
                name: policy.name.clone().into(),
                proto: names::protocol(policy.protocol).into(),
                uses: policy.uses,
                timeouts: settings(policy.timeouts.iter().map(|(number, seconds)| {
                    (names::policy_timeout(policy.protocol, *number), *seconds)
                })),
            });
            policies.collect()
        }),
    }
}

fn settings(timeouts: impl Iterator<Item = (String, u64)>) -> Vec<TimeoutSetting> {
    let setting = |(name, seconds): (String, u64)| TimeoutSetting {
        name: name.into(),
        seconds,
    };
    timeouts.map(setting).collect()
}

fn memory(read: &LimitsReading, limit: Option<u64>) -> TableMemory {
    let (entry_bytes, source) = match read.slab {
        Some(slab) => (slab.object_bytes, "slabinfo"),
        None => (TYPICAL_ENTRY, "typical"),
    };
    let extension_bytes = if read.extended { EXTENSIONS } else { 0 };
    let of =
        |entries: u64| (entries as f64 * (entry_bytes + extension_bytes as f64)).round() as u64;
    let buckets_bytes = read.buckets.map(|buckets| buckets.saturating_mul(BUCKET));
    TableMemory {
        entry_bytes,
        source: source.into(),
        extension_bytes,
        slab_bytes: read.slab.map(|slab| slab.bytes),
        entries_bytes: read.entries.map(of),
        buckets_bytes,
        full_bytes: limit
            .zip(buckets_bytes)
            .map(|(max, buckets)| of(max).saturating_add(buckets)),
    }
}
