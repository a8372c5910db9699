//! How many entries have expired and still count, when nobody lists them.
//!
//! The collector of garbage comes every I seconds. Before it, a lookup removes an expired entry that it meets
//! (`____nf_conntrack_find()`), and a listing all that it meets (`ctnetlink_dump_table()`, net/netfilter/nf_conntrack_netlink.c; 5.10 to
//! 7.3), so that a table that is listed has fewer of them than one that is not. Of an entry that expired t seconds ago the collector has
//! left (1 − t/I), listings every P seconds (1 − t/P), and lookups, which meet the part h of all entries in a second, e^(−ht). An entry is
//! in two of B chains, and a new flow's packet goes through one: h is at least twice the new flows per second over B.

use super::{garbage, observed::SeenInstance};
use crate::model::kernel::counters::Counter;

/// Beyond this part per second lookups leave nothing.
const MOST_MET: f64 = 10.0;

/// If the collector comes as often as a listing, how many are counted depends on which of them comes when: from half between two to
/// together, as many times what they would be on average of all. Only what is beyond is something else's.
const BY_CHANCE: [f64; 2] = [0.75, 1.5];

/// Entries that have expired, and what becomes of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Expired {
    /// The part of them that lookups remove in a second.
    met: f64,
    /// Those on average, as was observed.
    counted: f64,
    /// Of these, those that are more than can be explained: flows that are not confirmed yet, or a collector that is slower.
    rest: f64,
}

impl Expired {
    /// `None` where no entry was listed.
    pub(super) fn observed(observed: &SeenInstance) -> Option<Self> {
        let listed = observed.listed();
        if listed <= 0.0 {
            return None;
        }
        let counted = (observed.entries.mean()? - listed).max(0.0);
        let per_s = per_s(observed, |_| None);
        let interval = garbage::interval(observed, |_| None, 1.0);
        let every = observed.listed_every_s().unwrap_or(f64::INFINITY);
        let expected = |met: f64| per_s * lag(interval, every, met);
        let new = observed.rate(Counter::Inserted).unwrap_or(per_s);
        let (mut least, mut most) = (met_by_new_flows(observed, new), MOST_MET);
        let [few, many] = BY_CHANCE;
        let rest = (counted - many * expected(least)).max(0.0);
        if counted >= few * expected(least) {
            most = least;
        }
        for _ in 0..40 {
            let between = (least + most) / 2.0;
            match few * expected(between) > counted {
                true => least = between,
                false => most = between,
            }
        }
        Some(Self {
            met: most,
            counted,
            rest,
        })
    }

    /// How many there would be without listings, with other timeouts and so many times the flows.
    pub(super) fn unlisted(
        &self,
        observed: &SeenInstance,
        timeout_of: impl Fn(&str) -> Option<f64>,
        flows: f64,
    ) -> f64 {
        let per_s = per_s(observed, &timeout_of) * flows;
        let interval = garbage::interval(observed, timeout_of, flows);
        per_s * lag(interval, f64::INFINITY, self.met * flows) + self.rest * flows
    }

    /// Those that the listings have removed, on average.
    pub(super) fn removed_by_listings(&self, observed: &SeenInstance) -> f64 {
        (self.unlisted(observed, |_| None, 1.0) - self.counted).max(0.0)
    }
}

/// Entries that expire in a second, with these timeouts instead of the present ones.
fn per_s(observed: &SeenInstance, timeout_of: impl Fn(&str) -> Option<f64>) -> f64 {
    let groups = observed.groups().into_iter();
    let of_groups = groups.filter_map(|group| {
        let idle = group.idle.as_ref()?;
        let setting = group.last.setting.as_ref();
        let timeout = setting.and_then(|name| timeout_of(name.raw()));
        Some(idle.expire_per_s(timeout.unwrap_or_else(|| idle.timeout())))
    });
    of_groups.sum()
}

/// The part of all entries that the lookups of so many new flows a second meet in a second, at least.
pub(super) fn met_by_new_flows(observed: &SeenInstance, flows_per_s: f64) -> f64 {
    let hash = observed.limits.as_ref().and_then(|l| l.hash.as_ref());
    let Some(buckets) = hash.map(|hash| hash.buckets).filter(|n| *n > 0) else {
        return 0.0;
    };
    2.0 * flows_per_s / buckets as f64
}

/// How long an entry that has expired still counts, on average, in seconds.
pub(super) fn lag(interval: f64, listed_every: f64, met: f64) -> f64 {
    const STEPS: u32 = 200;
    let end = interval.min(listed_every);
    let step = end / f64::from(STEPS);
    let remains = |t: f64| {
        let unlisted = (1.0 - t / listed_every).max(0.0);
        (1.0 - t / interval).max(0.0) * unlisted * (-met * t).exp()
    };
    let middles = (0..STEPS).map(|i| (f64::from(i) + 0.5) * step);
    middles.map(remains).sum::<f64>() * step
}

#[cfg(test)]
mod tests {
    use super::lag;

    /// Without lookups half of the interval; as integrals on paper.
    #[test]
    fn an_entry_counts_until_something_removes_it() {
        let near = |is: f64, expected: f64| assert!((is - expected).abs() < 0.01, "{is}");
        near(lag(13.0, f64::INFINITY, 0.0), 6.5);
        // P/2 − P²/(6 I)
        near(lag(13.0, 10.0, 0.0), 5.0 - 100.0 / 78.0);
        near(lag(10.0, 13.0, 0.0), 5.0 - 100.0 / 78.0);
        // (1 − (1 − e^(−hI)) / hI) / h
        near(lag(13.0, f64::INFINITY, 0.04), 5.51);
        assert!(lag(13.0, f64::INFINITY, 10.0) < 0.1);
    }
}
