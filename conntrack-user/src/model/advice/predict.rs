//! How many entries there would be with other timeouts or rates.

use super::{demand::Demand, garbage, observed::SeenInstance, wishes::WhatIf};
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
    if listed <= 0.0 {
        return None;
    }
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
    // The kernel also counts those that have expired, for as long as the collector lets them.
    let groups = observed.groups().into_iter();
    let expire_per_s: f64 = groups
        .filter_map(|group| Some(group.idle.as_ref()?.expire_per_s()))
        .sum();
    let counted = (held - listed).max(0.0);
    let [before, after] = [
        garbage::interval(observed, |_| None),
        garbage::interval(observed, timeout_of),
    ];
    // A lookup removes those it meets before that. Where the collector comes more often, it finds no more than are due.
    expected += match after > before {
        true => counted * after / before,
        false => counted.min(expire_per_s * garbage::lag(after)),
    };
    // A table that refuses flows has fewer than it has to hold.
    let scale = what_if.rate.unwrap_or(1.0) * demand.mean / held.max(1.0);
    let error = (variance.sqrt() * scale).hypot(demand.error * scale * expected / held.max(1.0));
    let around = |errors: f64| (expected * scale + errors * error).max(0.0).round() as u64;
    Some(PredictedEntries {
        now: held.round() as u64,
        expected: around(0.0),
        low: around(-Z),
        high: around(Z),
    })
}
