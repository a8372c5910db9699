//! All alerts of one instance.

use std::time::Duration;

use crate::{
    model::{
        alert::{
            ALERTS, Alarm, AlertId, AlertRule, AlertSettings, COUNT, ConntrackFull, Notification,
            window::WindowRate,
        },
        forecast::{HORIZON_S, Outlook},
        kernel::counters::Counter,
    },
    reading::unavailable::Unavailable,
};

/// The measurements that the alerts of an instance judge at the end of an interval.
pub struct AlertInputs<'a> {
    /// Length of the interval.
    pub interval: Duration,
    /// Entries in the table, if known.
    pub entries: Option<u64>,
    /// `nf_conntrack_max`; 0 means no limit.
    pub max: Option<u64>,
    /// Events of a counter in the interval. `None` when they are not known for this interval, as in the first one of a source;
    /// an error when the counter is unavailable.
    pub events: &'a dyn Fn(Counter) -> Result<Option<u64>, Unavailable>,
    /// The forecast of when the table is full.
    pub outlook: Outlook,
    /// Checks of the probes that ended in a mismatch.
    pub mismatches: Result<usize, Unavailable>,
}

/// A notification that is due now, and its alert.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DueNotification {
    /// The alert whose status has changed.
    pub alert: AlertId,
    /// The change.
    pub notification: Notification,
}

/// What the last evaluation of an alert gave.
#[derive(Clone, Debug)]
pub enum AlertEvaluation<'a> {
    Judged(&'a Alarm),
    /// It cannot be judged, for this reason.
    Unavailable(Unavailable),
}

/// All alerts of one instance.
#[derive(Clone, Debug)]
pub struct Alerts {
    alerts: [TrackedAlert; COUNT],
}

#[derive(Clone, Debug)]
struct TrackedAlert {
    evaluator: Evaluator,
    /// Why it cannot be judged now; `None` when it is.
    unavailable: Option<Unavailable>,
}

/// How the value of an alert is computed and judged.
#[derive(Clone, Debug)]
enum Evaluator {
    Disabled,
    Full(ConntrackFull),
    Rate(Counter, WindowRate, Alarm),
    TimeToFull(Alarm),
    Mismatch(Alarm),
}

const DISABLED: &str = "turned off in the configuration";
const NOT_JUDGED: &str = "not judged yet";

impl Alerts {
    /// All alerts start CLEAR, and not judged yet.
    #[must_use]
    pub fn new(settings: &AlertSettings) -> Self {
        Self {
            alerts: ALERTS.each_ref().map(|spec| {
                let evaluator = Evaluator::new(spec.id, &settings[spec.id]);
                let unavailable = match evaluator {
                    Evaluator::Disabled => DISABLED,
                    _ => NOT_JUDGED,
                };
                TrackedAlert {
                    evaluator,
                    unavailable: Some(unavailable.into()),
                }
            }),
        }
    }

    /// Judges all alerts at `now`, and returns the notifications that are due. An alert that cannot be judged keeps its status, and
    /// has no notification.
    pub fn observe(&mut self, now: Duration, inputs: &AlertInputs<'_>) -> Vec<DueNotification> {
        let mut due = Vec::new();
        for (spec, one) in ALERTS.iter().zip(&mut self.alerts) {
            let notification = match one.evaluator.observe(now, inputs) {
                Ok(notification) => {
                    one.unavailable = None;
                    notification
                }
                Err(reason) => {
                    one.unavailable = Some(reason);
                    None
                }
            };
            due.extend(notification.map(|notification| DueNotification {
                alert: spec.id,
                notification,
            }));
        }
        due
    }

    /// The evaluation of each alert, in the order of [`ALERTS`].
    pub fn evaluations(&self) -> impl Iterator<Item = (AlertId, AlertEvaluation<'_>)> {
        ALERTS.iter().zip(&self.alerts).map(|(spec, one)| {
            let evaluation = match (&one.unavailable, one.evaluator.alarm()) {
                (None, Some(alarm)) => AlertEvaluation::Judged(alarm),
                (reason, _) => AlertEvaluation::Unavailable(
                    reason.clone().unwrap_or_else(|| NOT_JUDGED.into()),
                ),
            };
            (spec.id, evaluation)
        })
    }
}

impl Evaluator {
    fn new(id: AlertId, settings: &AlertRule) -> Self {
        if !settings.enabled {
            return Self::Disabled;
        }
        let alarm = Alarm::new(settings.thresholds, settings.delay);
        let rate = |counter, alarm| {
            let window = settings.window.unwrap_or(ConntrackFull::EVERY);
            Self::Rate(counter, WindowRate::new(window), alarm)
        };
        match id {
            AlertId::Full => Self::Full(ConntrackFull::with(settings)),
            AlertId::TableFull => rate(Counter::TableFull, alarm),
            AlertId::InsertFailed => rate(Counter::InsertFailed, alarm),
            AlertId::NatExhausted => rate(Counter::NatExhausted, alarm),
            AlertId::EarlyDrop => rate(Counter::EarlyDrop, alarm),
            AlertId::TimeToFull => Self::TimeToFull(alarm),
            AlertId::ProbeMismatch => Self::Mismatch(alarm),
        }
    }

    fn alarm(&self) -> Option<&Alarm> {
        match self {
            Self::Disabled => None,
            Self::Full(full) => Some(full.alarm()),
            Self::Rate(_, _, alarm) | Self::TimeToFull(alarm) | Self::Mismatch(alarm) => {
                Some(alarm)
            }
        }
    }

    fn observe(
        &mut self,
        now: Duration,
        inputs: &AlertInputs<'_>,
    ) -> Result<Option<Notification>, Unavailable> {
        match self {
            Self::Disabled => Err(DISABLED.into()),
            Self::Full(full) => {
                let due = inputs
                    .entries
                    .and_then(|entries| full.observe(now, entries, inputs.max));
                // Once judged, it keeps its status while the number of entries or its limit is unknown.
                if full.value().is_none()
                    && let Outlook::Unknown(reason) = inputs.outlook
                {
                    return Err(reason.into());
                }
                Ok(due)
            }
            Self::Rate(counter, rate, alarm) => {
                if let Some(events) = (inputs.events)(*counter)? {
                    let value = rate.push(now, inputs.interval, events);
                    alarm.judge(now, value);
                }
                Ok(alarm.take_due(now))
            }
            Self::TimeToFull(alarm) => {
                let seconds = match inputs.outlook {
                    Outlook::Fills(time) => time.estimate,
                    Outlook::Steady => HORIZON_S,
                    Outlook::Unknown(reason) => return Err(reason.into()),
                };
                alarm.judge(now, seconds);
                Ok(alarm.take_due(now))
            }
            Self::Mismatch(alarm) => {
                alarm.judge(now, inputs.mismatches.clone()? as f64);
                Ok(alarm.take_due(now))
            }
        }
    }
}

#[cfg(test)]
mod tests;
