//! What the table has to hold: Little's law, N = λ · W, and what comes on top of its mean.
//!
//! Where flows were refused or evicted, the table holds less than it has to. An evicted entry would have been held for the time
//! that was left to it, a refused flow for as long as others: W = (N − S + E · m) / λ and N' = S + (λ + R) · W, with E evictions, R refusals
//! and λ insertions per second, the mean time left m of entries that can be evicted, and S entries that stay: no packet came for half
//! of the time in which the table was observed, and their timeout is many times as long. New flows are not held like those.

use super::{
    expired::{self, Expired},
    garbage,
    observed::{GroupSeen, SeenInstance},
    wishes::AdviceWishes,
};
use crate::model::kernel::counters::Counter;

/// What the table has to hold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Demand {
    /// Entries on average.
    pub(super) mean: f64,
    /// Entries at the highest, within the horizon.
    pub(super) highest: f64,
    /// The mean's standard error.
    pub(super) error: f64,
    /// Flows put into the table per second, or refused; `None` without probes.
    pub(super) offered_per_s: Option<f64>,
    /// Seconds that an entry is held, on average; `None` without probes, or if there were no flows.
    pub(super) hold_s: Option<f64>,
    /// Refused and evicted per second.
    pub(super) refused_per_s: f64,
    pub(super) evicted_per_s: f64,
    /// What the fluctuations, or the largest burst, add to the mean, and what expires before the collector comes.
    pub(super) on_top: f64,
}

/// Averages over less than this many holding times say little.
const INDEPENDENT: f64 = 3.0;

/// `None` before there are samples with entries.
pub(super) fn demand(observed: &SeenInstance, wishes: &AdviceWishes) -> Option<Demand> {
    let inserted = observed.rate(Counter::Inserted);
    let inserted = inserted.or_else(|| observed.rate(Counter::New));
    let refused_per_s = observed.per_second(observed.refused()).unwrap_or(0.0);
    let evicted_per_s = observed.rate(Counter::EarlyDrop).unwrap_or(0.0);
    let flows = inserted.filter(|rate| *rate > 0.0);
    let limited = refused_per_s > 0.0 || evicted_per_s > 0.0;
    let offered_per_s = inserted.map(|rate| rate + refused_per_s);
    let counted = observed.entries.mean()?;
    let listed = observed.listed();
    let is_listed = limited && listed > 0.0;
    let held = match limited {
        // A full table still has some that have expired: whoever looks for room looks into a few chains.
        true if is_listed => listed.min(counted),
        true => counted,
        false => {
            let expired = Expired::observed(observed);
            counted + expired.map_or(0.0, |expired| expired.removed_by_listings(observed))
        }
    };
    let stay = match is_listed {
        true => staying(observed).min(held),
        false => 0.0,
    };
    let in_turn = held - stay;
    let held_in_turn = in_turn + evicted_per_s * time_left(observed);
    let lag = match flows.zip(offered_per_s) {
        Some((rate, offered)) if is_listed => {
            let more = offered * held_in_turn / rate / in_turn.max(1.0);
            lag_with_room(observed, offered, more)
        }
        _ => 0.0,
    };
    let hold_s = flows.map(|rate| held_in_turn / rate + lag);
    let mean = match (offered_per_s, hold_s) {
        (Some(offered), Some(hold)) if limited => stay + offered * hold,
        _ => held,
    };
    // A table that was full does not show how entries fluctuate: by chance at least.
    let deviation = observed.entries.deviation().max(mean.sqrt());
    let independent = match hold_s {
        Some(hold) if hold > 0.0 => (observed.seconds / hold).max(1.0),
        _ => 1.0,
    };
    let times = wishes.horizon_s / hold_s.unwrap_or(60.0).max(1.0);
    // The highest of as many independent values of a normal distribution.
    let reach = (2.0 * times.max(2.0).ln()).sqrt();
    let on_top = (reach * deviation).max(observed.largest_burst as f64);
    // Just before the collector comes twice as many have expired as on average. What was seen of a table with room shows that.
    let uncollected = offered_per_s.unwrap_or(0.0) * lag;
    let on_top = on_top + uncollected;
    let seen = if limited {
        0.0
    } else {
        observed.entries.most as f64
    };
    Some(Demand {
        mean,
        highest: (mean + on_top).max(seen),
        error: deviation / independent.sqrt(),
        offered_per_s,
        hold_s,
        refused_per_s,
        evicted_per_s,
        on_top,
    })
}

impl Demand {
    pub(super) fn is_limited(&self) -> bool {
        self.refused_per_s > 0.0 || self.evicted_per_s > 0.0
    }

    /// Seconds of observation after which the mean is one of independent values.
    pub(super) fn needed_s(&self) -> f64 {
        self.hold_s
            .map_or(60.0, |hold| INDEPENDENT * hold)
            .max(10.0)
    }
}

/// How long an entry that has expired would count, on average, if there was room: with so many flows a second, and as many times the
/// entries that come and go.
fn lag_with_room(observed: &SeenInstance, offered_per_s: f64, more: f64) -> f64 {
    let more = |group: &GroupSeen| match stays(observed, group) {
        true => 1.0,
        false => more,
    };
    let interval = garbage::interval_with_room(observed, more);
    let met = expired::met_by_new_flows(observed, offered_per_s);
    expired::lag(interval, f64::INFINITY, met)
}

/// A timeout is far longer than the observation if it is as many times as long.
const FAR_LONGER: f64 = 10.0;

/// Entries that were there all the time, and stay: those whose last packet came before half of the observation.
fn staying(observed: &SeenInstance) -> f64 {
    let groups = observed.groups().into_iter();
    let staying = groups.filter(|group| stays(observed, group));
    let idle =
        staying.filter_map(|group| Some(group.idle.as_ref()?.idle_for(observed.seconds / 2.0)));
    idle.sum()
}

/// Whether entries of a group may stay for as long as anybody looks.
fn stays(observed: &SeenInstance, group: &GroupSeen) -> bool {
    let timeout = group.timeout();
    timeout.is_some_and(|timeout| timeout > FAR_LONGER * observed.seconds)
}

/// The mean time that is left to entries that can be evicted, in seconds.
fn time_left(observed: &SeenInstance) -> f64 {
    let (mut entries, mut seconds) = (0.0, 0.0);
    for group in observed.groups() {
        let Some(idle) = &group.idle else { continue };
        let unassured = group.last.held.count.saturating_sub(group.last.assured);
        let part = unassured as f64 / group.last.held.count.max(1) as f64;
        entries += idle.now() * part;
        seconds += idle.left_in_all() * part;
    }
    if entries > 0.0 {
        seconds / entries
    } else {
        0.0
    }
}
