//! `nf_conntrack_max` and the number of buckets.

use super::{
    demand::Demand,
    observed::SeenInstance,
    phrases::{amount, bytes, duration, percent, sysctl},
    wishes::AdviceWishes,
};
use crate::{
    model::record::{AdviceTopic, SettingChange},
    text::Text,
};

pub(super) const MAXIMUM: &str = "net.netfilter.nf_conntrack_max";
const BUCKETS: &str = "net.netfilter.nf_conntrack_buckets";

/// Chains of a full table should be no longer than this, on average: the kernel's own choice is 2 (`nf_conntrack_max` is the
/// number of buckets by default, since 5.15; each entry is in two chains), 8 before that.
const LONGEST_MEAN: f64 = 8.0;

/// A change, and what it is about.
pub(super) type Proposal = (AdviceTopic, Text, Vec<Text>, SettingChange);

/// The maximum that holds the highest demand and leaves the headroom free.
pub(super) fn sufficient(demand: &Demand, wishes: &AdviceWishes) -> u64 {
    let used = 1.0 - wishes.headroom_percent.clamp(0.0, 90.0) / 100.0;
    rounded_up((demand.highest / used).ceil().max(1024.0) as u64)
}

/// To a multiple of a 32nd of its power of two, so that it is easy to read and at most 6 % more.
fn rounded_up(number: u64) -> u64 {
    let step = 1_u64 << number.max(1).ilog2().saturating_sub(5);
    number.div_ceil(step).saturating_mul(step)
}

/// A larger maximum, where the present one leaves too little free.
pub(super) fn maximum(
    observed: &SeenInstance,
    demand: &Demand,
    wishes: &AdviceWishes,
) -> Option<Proposal> {
    let max = observed.max?;
    let to = sufficient(demand, wishes);
    if to <= max {
        return None;
    }
    let free = 100.0 - demand.highest / to as f64 * 100.0;
    let mut evidence = vec![
        format!(
            "{} of {} entries at the highest",
            amount(observed.entries.most),
            amount(max)
        )
        .into(),
    ];
    if let Some(minute) = minutes_left(observed, demand, to) {
        evidence.push(minute);
    }
    let mut effect = format!(
        "the highest demand of {} leaves {} free",
        amount(demand.highest as u64),
        percent(free)
    );
    if let Some(memory) = memory(observed, max, to) {
        effect.push_str(&format!("; {memory}"));
    }
    let change = SettingChange {
        setting: MAXIMUM.into(),
        from: Some(max),
        to: Some(to),
        effect: effect.into(),
        risk: Some("a flood fills a larger table too, only later: see what fills it first".into()),
        commands: vec![sysctl(MAXIMUM, to)],
        or: Vec::new(),
        undo: vec![sysctl(MAXIMUM, max)],
    };
    let finding = format!(
        "{} entries are too few: the table has to hold {} on average and up to {}",
        amount(max),
        amount(demand.mean as u64),
        amount(demand.highest as u64)
    );
    Some((AdviceTopic::Maximum, finding.into(), evidence, change))
}

/// How long the free part would last if the table grew as in its worst minute.
pub(super) fn minutes_left(observed: &SeenInstance, demand: &Demand, max: u64) -> Option<Text> {
    let growth = observed.entries.worst_minute;
    let free = max as f64 - demand.highest;
    let minutes = free / growth as f64;
    (growth > 0 && free > 0.0).then(|| {
        format!(
            "the most that it grew in a minute is {} entries: what stays free lasts {} of those",
            amount(growth),
            duration(minutes * 60.0)
        )
        .into()
    })
}

fn memory(observed: &SeenInstance, from: u64, to: u64) -> Option<String> {
    let memory = observed.limits.as_ref()?.memory.as_ref()?;
    let each = memory.entry_bytes + memory.extension_bytes as f64;
    let of = |entries: u64| bytes(entries as f64 * each);
    Some(format!(
        "full, it takes {} of kernel memory instead of {}",
        of(to),
        of(from)
    ))
}

/// More buckets, where the chains of a full table would be long, or flows were refused for that.
pub(super) fn buckets(observed: &SeenInstance, max: u64, too_long: u64) -> Option<Proposal> {
    let hash = observed.limits.as_ref()?.hash.as_ref()?;
    let mean = |buckets: u64| 2.0 * max as f64 / buckets as f64;
    if mean(hash.buckets) <= LONGEST_MEAN && too_long == 0 {
        return None;
    }
    let to = max
        .max(hash.buckets.saturating_add(1))
        .checked_next_power_of_two()?;
    let bytes_more = (to - hash.buckets).saturating_mul(8);
    let finding = format!(
        "{} buckets are few for {} entries: a lookup goes through {:.1} entries on average when the table is full",
        amount(hash.buckets),
        amount(max),
        mean(hash.buckets) / 2.0
    );
    let evidence = vec![
        format!(
            "chains of a full table have {:.1} entries on average (each entry is in two)",
            mean(hash.buckets)
        )
        .into(),
        format!(
            "{} flows were refused for the length of a chain",
            amount(too_long)
        )
        .into(),
    ];
    let change = SettingChange {
        setting: BUCKETS.into(),
        from: Some(hash.buckets),
        to: Some(to),
        effect: format!(
            "chains of {:.1} entries on average; {} more kernel memory",
            mean(to),
            bytes(bytes_more as f64)
        )
        .into(),
        risk: Some(
            "all network namespaces share the buckets; lookups start again while they are moved, for milliseconds".into(),
        ),
        commands: vec![sysctl(BUCKETS, to)],
        or: vec![format!("echo {to} > /sys/module/nf_conntrack/parameters/hashsize").into()],
        undo: vec![sysctl(BUCKETS, hash.buckets)],
    };
    Some((AdviceTopic::Buckets, finding.into(), evidence, change))
}

#[cfg(test)]
mod tests {
    use super::rounded_up;

    #[test]
    fn it_is_rounded_up_a_little() {
        assert_eq!(rounded_up(1024), 1024);
        assert_eq!(rounded_up(1025), 1056);
        assert_eq!(rounded_up(100_000), 100_352);
        for number in [1, 3, 999, 65_537, 3_000_000] {
            let rounded = rounded_up(number);
            assert!(rounded >= number && rounded as f64 <= number as f64 * 1.06 + 1.0);
        }
    }
}
