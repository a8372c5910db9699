//! How many entries there would be with other timeouts or rates.

use super::{demand::Demand, expired::Expired, observed::SeenInstance, wishes::WhatIf};
use crate::model::record::PredictedEntries;

/// The standard errors within which a prediction is said to be: of 95 %.
const Z: f64 = 2.0;

/// A prediction: `None` where no entry was listed.
pub(super) fn predict(
    observed: &SeenInstance,
    demand: &Demand,
    what_if: &WhatIf,
) -> Option<PredictedEntries> {
    let listed = observed.listed();
    let expired = Expired::observed(observed)?;
    let timeout_of = |setting: &str| {
        let named = what_if.timeouts.iter().find(|(name, _)| name == setting);
        named.map(|(_, seconds)| *seconds as f64)
    };
    let (mut expected, mut variance) = (0.0, 0.0);
    for group in observed.groups() {
        let setting = group.last.setting.as_ref();
        let changed = setting.and_then(|setting| timeout_of(setting.raw()));
        match (changed, &group.idle) {
            (Some(seconds), Some(idle)) => {
                let held = idle.held_with(seconds);
                // Of entries whose time left is not known, the timeout does not matter.
                let others = (group.held() - idle.now()).max(0.0);
                expected += held.entries + others;
                variance += held.error.powi(2);
            }
            _ => expected += group.held(),
        }
    }
    let held = observed.entries.mean().unwrap_or(listed);
    let rate = what_if.rate.unwrap_or(1.0);
    let expected = if demand.is_limited() {
        // What a change leaves of those that are listed, of what the table has to hold, expired ones included.
        expected / listed * demand.mean * rate
    } else {
        // The kernel also counts those that have expired, until something removes them.
        expected * rate + expired.unlisted(observed, timeout_of, rate)
    };
    let error = variance.sqrt() * rate;
    let error = error.hypot(demand.error * expected / held.max(1.0));
    let around = |errors: f64| (expected + errors * error).max(0.0).round() as u64;
    Some(PredictedEntries {
        now: held.round() as u64,
        expected: around(0.0),
        low: around(-Z),
        high: around(Z),
    })
}
