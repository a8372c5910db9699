//! The alerts of one instance: their inputs, and their records.

use conntrack_ebpf::ProbeCounter;

use super::{instance::InstanceMonitor, interval::Interval, sample::disproof};
use crate::{
    clock::Instant,
    model::{
        alert::{AlertEvaluation, AlertId, AlertInputs},
        kernel::{counters::Counter, origin::Origin},
        record::{Alert, AlertState, Check, Ordered, Time, Verdict, worst},
    },
    reading::{selector::Selector, unavailable::Unavailable},
    text::Text,
};

impl InstanceMonitor {
    /// Evaluates the alerts at the end of an interval; returns the notifications that are due.
    pub(super) fn judge(&mut self, interval: &Interval<'_>) -> Vec<Alert> {
        let reading = interval.reading;
        let now = reading.at.monotonic;
        let origins = &self.origins;
        let events = |counter: Counter| {
            if let Some(Origin::Unavailable(reason)) = origins.get(counter) {
                return Err(reason.clone());
            }
            Ok(interval.events(counter.spec(), origins))
        };
        let inputs = AlertInputs {
            interval: now.saturating_sub(interval.previous.at.monotonic),
            entries: reading.kernel.entries(),
            max: reading.kernel.max,
            events: &events,
            outlook: self.outlook,
            mismatches: self.mismatches(),
        };
        let since_start = now.saturating_sub(interval.started.monotonic);
        let due = self.alerts.observe(since_start, &inputs);
        due.into_iter()
            .map(|due| {
                let spec = due.alert.spec();
                Alert {
                    time: Time(reading.at.realtime),
                    instance: self.settings.instance.clone(),
                    name: spec.name.into(),
                    status: due.notification.status,
                    value: due.notification.value,
                    unit: spec.unit.into(),
                    previous: due.notification.previous,
                    reason: match due.alert {
                        AlertId::ProbeMismatch => disagreements(&self.checks),
                        _ => None,
                    },
                }
            })
            .collect()
    }

    /// The number of checks that ended in a mismatch.
    fn mismatches(&self) -> Result<usize, Unavailable> {
        const ANY: Selector = Selector::sum(&[ProbeCounter::AllocCall]);
        if worst(&self.checks).is_none() {
            let reason = self.coverage.missing(ANY);
            let uncompared = || "no check has anything to compare with".into();
            return Err(reason.cloned().unwrap_or_else(uncompared));
        }
        let mismatch = |check: &&Check| check.verdict == Verdict::Mismatch;
        Ok(self.checks.iter().filter(mismatch).count())
    }

    /// The state of each alert that is evaluated, and the reason for each that is not.
    pub(super) fn alert_states(&self, started: Instant) -> (Ordered<AlertState>, Ordered<Text>) {
        let (mut states, mut unavailable) = (Vec::new(), Vec::new());
        for (id, state) in self.alerts.evaluations() {
            let name = id.spec().name.into();
            match state {
                AlertEvaluation::Judged(alarm) => {
                    let notifier = alarm.notifier();
                    let due = |due| Time(started.wall(started.monotonic + due));
                    let state = AlertState {
                        status: notifier.status(),
                        value: alarm.value(),
                        notified: notifier.notified(),
                        notify_at: notifier.pending().map(|(_, at)| due(at)),
                    };
                    states.push((name, state));
                }
                AlertEvaluation::Unavailable(reason) => {
                    unavailable.push((name, reason.into_reason()));
                }
            }
        }
        (Ordered(states), Ordered(unavailable))
    }
}

/// What the checks that ended in a mismatch say; `None` if none did.
fn disagreements(checks: &[Check]) -> Option<Text> {
    let mismatches = checks
        .iter()
        .filter(|check| check.verdict == Verdict::Mismatch);
    let said: Vec<String> = mismatches
        .map(|check| format!("{}: {}", check.name.raw(), disproof(check).raw()))
        .collect();
    (!said.is_empty()).then(|| said.join("; ").into())
}
