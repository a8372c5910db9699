//! The alerts of the instance: what they are judged by, and how they are reported.

use crate::{
    model::{
        alert::{Inputs, Standing},
        monitor::{
            Alert, AlertState, AlertStatus, Counter, CounterSpec, InstanceReading, Instant,
            Monitor, Ordered, Origin, PerCounter, Previous, Time, Verdict,
        },
        verify::crosscheck::worst,
    },
    reading::selector::Selector,
    text::Text,
};

impl Monitor {
    /// Judges the interval from `previous` to `snapshot`, and gives what is to be told.
    pub(super) fn judge(
        &mut self,
        snapshot: &InstanceReading,
        previous: &Previous,
        counters: &PerCounter<u64>,
        started: Instant,
    ) -> Vec<Alert> {
        let now = snapshot.at.monotonic;
        let origins = &self.origins;
        let events = |counter: Counter| {
            if let Some(Origin::Unavailable(reason)) = origins.get(counter) {
                return Err(reason.clone());
            }
            Ok(risen(counter.spec(), origins, previous, counters))
        };
        let inputs = Inputs {
            interval: now.saturating_sub(previous.at.monotonic),
            entries: snapshot.kernel.entries(),
            max: snapshot.kernel.max,
            events: &events,
            outlook: self.outlook,
            mismatches: self.mismatches(),
        };
        let told = self
            .alerts
            .observe(now.saturating_sub(started.monotonic), &inputs);
        told.into_iter()
            .map(|told| {
                let spec = told.alert.spec();
                Alert {
                    time: Time(snapshot.at.realtime),
                    instance: self.config.instance.clone(),
                    name: spec.name.into(),
                    status: told.notification.status,
                    value: told.notification.value,
                    unit: spec.unit.into(),
                    previous: told.notification.previous,
                }
            })
            .collect()
    }

    /// Checks that ended in a mismatch; an error says why there are none to ask.
    fn mismatches(&self) -> Result<usize, String> {
        const ANY: Selector = Selector::sum(&[conntrack_ebpf::ProbeCounter::AllocCall]);
        if worst(&self.checks).is_none() {
            let reason = self.coverage.missing(ANY);
            return Err(reason
                .unwrap_or("no check has anything to compare with")
                .to_owned());
        }
        let mismatch = |check: &&crate::model::monitor::Check| check.verdict == Verdict::Mismatch;
        Ok(self.checks.iter().filter(mismatch).count())
    }

    /// The alerts as they stand, and why some do not.
    pub(super) fn standing(&self, started: Instant) -> (Ordered<AlertState>, Ordered<Text>) {
        let (mut standing, mut unavailable) = (Vec::new(), Vec::new());
        for (id, state) in self.alerts.standing() {
            let name = id.spec().name.into();
            match state {
                Standing::Judged(alarm) => {
                    let notifier = alarm.notifier();
                    let due = |due| Time(started.wall(started.monotonic + due));
                    let state = AlertState {
                        status: notifier.status(),
                        value: alarm.value(),
                        notified: notifier.told(),
                        notify_at: notifier.pending().map(|(_, at)| due(at)),
                    };
                    standing.push((name, state));
                }
                Standing::Unavailable(reason) => unavailable.push((name, reason.to_owned().into())),
            }
        }
        (Ordered(standing), Ordered(unavailable))
    }

    /// The worst status of all alerts that are judged.
    #[must_use]
    pub fn alert_status(&self) -> AlertStatus {
        self.alerts
            .standing()
            .filter_map(|(_, state)| match state {
                Standing::Judged(alarm) => Some(alarm.notifier().status()),
                Standing::Unavailable(_) => None,
            })
            .max()
            .unwrap_or_default()
    }
}

/// By how much a counter rose since the last interval's end; `None` where it came from elsewhere then.
pub(super) fn risen(
    spec: &CounterSpec,
    origins: &crate::model::monitor::Origins,
    previous: &Previous,
    counters: &PerCounter<u64>,
) -> Option<u64> {
    let same = previous.origins.get(spec.id) == origins.get(spec.id);
    let (now, before) = counters.get(spec.id).zip(previous.counters.get(spec.id))?;
    same.then(|| now.saturating_sub(*before))
}
