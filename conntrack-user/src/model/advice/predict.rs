//! How many entries there would be with other timeouts or rates.

use super::{demand::Demand, observed::Observed, wishes::WhatIf};
use crate::model::record::PredictedEntries;

/// The standard errors within which a prediction is said to be: of 95 %.
const Z: f64 = 2.0;

/// A prediction: `None` where no entry was listed.
pub(super) fn predict(
    observed: &Observed,
    demand: &Demand,
    what_if: &WhatIf,
) -> Option<PredictedEntries> {
    let listed = observed.listed();
    if listed <= 0.0 {
        return None;
    }
    let (mut expected, mut variance) = (0.0, 0.0);
    for group in observed.groups() {
        let setting = group.last.setting.as_ref();
        let changed = setting.and_then(|setting| {
            let named = |(name, _): &&(String, u64)| name == setting.raw();
            what_if.timeouts.iter().find(named)
        });
        match (changed, &group.idle) {
            (Some((_, seconds)), Some(idle)) => {
                let held = idle.held_with(*seconds as f64);
                // Of entries whose time left is not known, the timeout does not matter.
                let others = (group.held() - idle.now()).max(0.0);
                expected += held.entries + others;
                variance += held.error.powi(2);
            }
            _ => expected += group.held(),
        }
    }
    let rate = what_if.rate.unwrap_or(1.0);
    // The kernel also counts entries that no listing has; a table that refuses flows has fewer than it has to hold.
    let scale = rate * demand.mean / listed;
    let error = (variance.sqrt() * scale).hypot(demand.error * rate * expected / listed);
    let around = |errors: f64| (expected * scale + errors * error).max(0.0).round() as u64;
    Some(PredictedEntries {
        now: observed.entries.mean().unwrap_or(listed).round() as u64,
        expected: around(0.0),
        low: around(-Z),
        high: around(Z),
    })
}
