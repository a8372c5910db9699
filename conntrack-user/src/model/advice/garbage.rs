//! Entries that have expired and still count: the collector of garbage comes only now and then.
//!
//! Since 5.16 `gc_worker()` (net/netfilter/nf_conntrack_core.c) runs again after the average time that is left to entries, of
//! which each counts for 1 to 300 s, with a hundred of 60 s added, and after 1 to 60 s. No listing has what has expired, but
//! `nf_conntrack_count` does.

use super::observed::{GroupSeen, SeenInstance};

/// `GC_SCAN_INTERVAL_CLAMP`, in seconds.
const LONGEST_LEFT: f64 = 300.0;

/// `GC_SCAN_INITIAL_COUNT`.
const BIAS: f64 = 100.0;

/// `GC_SCAN_INTERVAL_MIN` and `GC_SCAN_INTERVAL_MAX`.
const INTERVAL: (f64, f64) = (1.0, 60.0);

/// The seconds between two runs, with these timeouts instead of the present ones.
pub(super) fn interval(observed: &SeenInstance, timeout_of: impl Fn(&str) -> Option<f64>) -> f64 {
    of_groups(observed, timeout_of, |_, left| left)
}

/// The same once there is room: what is evicted now would wait for the end of its timeout, and has half of it left on average.
pub(super) fn interval_with_room(observed: &SeenInstance) -> f64 {
    of_groups(
        observed,
        |_| None,
        |group, left| match group.last.assured {
            0 => left.min(group.held() * group.timeout().unwrap_or(f64::INFINITY) / 2.0),
            _ => left,
        },
    )
}

fn of_groups(
    observed: &SeenInstance,
    timeout_of: impl Fn(&str) -> Option<f64>,
    left_to: impl Fn(&GroupSeen, f64) -> f64,
) -> f64 {
    let (mut entries, mut seconds) = (BIAS, BIAS * INTERVAL.1);
    for group in observed.groups() {
        let Some(idle) = &group.idle else {
            entries += group.held();
            seconds += group.held() * LONGEST_LEFT;
            continue;
        };
        let setting = group.last.setting.as_ref();
        let timeout = setting.and_then(|name| timeout_of(name.raw()));
        let timeout = timeout.unwrap_or_else(|| idle.timeout());
        entries += idle.held_with(timeout).entries;
        seconds += left_to(group, idle.left_with(timeout, LONGEST_LEFT));
    }
    (seconds / entries).clamp(INTERVAL.0, INTERVAL.1)
}

/// How long an entry that has expired still counts, on average.
pub(super) fn lag(interval: f64) -> f64 {
    interval / 2.0
}
