//! Entries that have expired and still count: the collector of garbage comes only now and then.
//!
//! Since 6.0 `gc_worker()` (net/netfilter/nf_conntrack_core.c) goes through the table again after 1 to 60 s: a moving average of the
//! time that is left to entries, of which each counts for 1 to 300 s, twice (it is in two chains), after a hundred of 60 s. The
//! average is of whole jiffies, and differences are rounded towards 0, so that it stays above the mean. No listing has what has
//! expired, but `nf_conntrack_count` does. Before 6.0 the collector came every 60 s or more seldom.

use super::observed::{GroupSeen, SeenInstance};

/// `GC_SCAN_INTERVAL_CLAMP`, in seconds.
const LONGEST_LEFT: f64 = 300.0;

/// `GC_SCAN_INITIAL_COUNT`.
const BIAS: i64 = 100;

/// `HZ` of most distributions; the kernel does not say it. With 1,000 the average is nearer to the mean.
const JIFFIES: f64 = 250.0;

/// The golden ratio, whose multiples are spread most evenly.
const GOLDEN: f64 = 0.618_033_988_749_895;

/// `GC_SCAN_INTERVAL_MIN` and `GC_SCAN_INTERVAL_MAX`.
const INTERVAL: (f64, f64) = (1.0, 60.0);

/// The seconds between two runs, with these timeouts instead of the present ones and so many times the entries.
pub(super) fn interval(
    observed: &SeenInstance,
    timeout_of: impl Fn(&str) -> Option<f64>,
    entries: f64,
) -> f64 {
    of_groups(observed, timeout_of, |_, left| left, |_| entries)
}

/// The same once there is room, for as many times the entries of each group: what is evicted now would wait for the end of its
/// timeout, and has half of it left on average.
pub(super) fn interval_with_room(observed: &SeenInstance, more: impl Fn(&GroupSeen) -> f64) -> f64 {
    of_groups(
        observed,
        |_| None,
        |group, left| match group.last.assured {
            0 => left.min(group.held() * group.timeout().unwrap_or(f64::INFINITY) / 2.0),
            _ => left,
        },
        more,
    )
}

fn of_groups(
    observed: &SeenInstance,
    timeout_of: impl Fn(&str) -> Option<f64>,
    left_to: impl Fn(&GroupSeen, f64) -> f64,
    more: impl Fn(&GroupSeen) -> f64,
) -> f64 {
    let mut left = Vec::new();
    for group in observed.groups() {
        let more = more(group);
        let Some(idle) = &group.idle else {
            left.push((LONGEST_LEFT, group.held() * more));
            continue;
        };
        let setting = group.last.setting.as_ref();
        let timeout = setting.and_then(|name| timeout_of(name.raw()));
        let timeout = timeout.unwrap_or_else(|| idle.timeout());
        // Where room changes what is left, it changes it of all alike.
        let all = idle.left_with(timeout, LONGEST_LEFT);
        let scale = if all > 0.0 {
            left_to(group, all) / all
        } else {
            1.0
        };
        let classes = idle.classes_with(timeout);
        left.extend(classes.map(|(seconds, held)| (seconds * scale, held * more)));
    }
    moving_average(&left)
}

/// What the collector makes of entries with so many seconds left: seconds, and how many entries.
fn moving_average(left: &[(f64, f64)]) -> f64 {
    // Entries up to the end of each: the live verdict asks at every listing, so each is found by bisection.
    let mut entries = 0.0;
    let up_to: Vec<f64> = left
        .iter()
        .map(|(_, more)| {
            entries += more;
            entries
        })
        .collect();
    let mut average = (INTERVAL.1 * JIFFIES) as i64;
    // Beyond as many, no difference is large enough to count.
    let steps = (2.0 * entries).min(LONGEST_LEFT * JIFFIES) as i64;
    let mut random = 0.0_f64;
    for count in (BIAS + 1..).take(usize::try_from(steps).unwrap_or_default()) {
        // The hash puts them in a random order: this one is spread as evenly.
        random = (random + GOLDEN).fract();
        let at = random * entries;
        let one = left.get(up_to.partition_point(|end| *end <= at));
        let seconds = one.map_or(LONGEST_LEFT, |(seconds, _)| *seconds);
        let jiffies = (seconds.clamp(1.0, LONGEST_LEFT) * JIFFIES) as i64;
        average += (jiffies - average) / count;
    }
    (average as f64 / JIFFIES).clamp(INTERVAL.0, INTERVAL.1)
}

#[cfg(test)]
mod tests {
    use super::moving_average;

    /// As a simulation of the kernel's code says, with entries in a random order.
    #[test]
    fn the_average_stays_above_the_mean() {
        for (entries, timeout, expected) in [(1_200, 8, 8.9), (3_000, 20, 13.1), (20_000, 30, 16.9)]
        {
            let each = f64::from(entries) / f64::from(timeout);
            let left: Vec<_> = (0..timeout).map(|s| (f64::from(s) + 0.5, each)).collect();
            let average = moving_average(&left);
            assert!((average - expected).abs() < 0.7, "{timeout}: {average}");
        }
        assert_eq!(moving_average(&[]), 60.0);
        assert_eq!(moving_average(&[(400.0, 1e6)]), 60.0);
    }
}
