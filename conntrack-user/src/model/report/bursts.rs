//! Bursts of several counters at one time, as one.

use crate::model::record::{Burst, derived::BurstGroup};

/// How many groups before the last a burst may belong to: those of counters that rose again meanwhile.
const RECENT: usize = 8;

/// Groups bursts whose times overlap. They come in any order; the groups are in order of time.
#[must_use]
pub(super) fn group(bursts: &[Burst]) -> Vec<BurstGroup> {
    let mut sorted: Vec<&Burst> = bursts.iter().collect();
    sorted.sort_by_key(|burst| (burst.start, burst.end));
    let mut groups: Vec<BurstGroup> = Vec::new();
    for burst in sorted {
        let recent = groups.iter_mut().rev().take(RECENT);
        let rest = BurstGroup::join_any(recent, burst.clone());
        groups.extend(rest.map(BurstGroup::new));
    }
    groups.sort_by_key(|group| group.start);
    groups
}
