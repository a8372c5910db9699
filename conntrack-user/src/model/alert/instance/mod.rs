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

/// What the alerts are judged by at the end of an interval.
pub struct Inputs<'a> {
    /// Length of the interval.
    pub interval: Duration,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// The most entries it may hold; 0: any number.
    pub max: Option<u64>,
    /// Events of a counter in the interval; `None` where they are not known for this interval alone.
    pub events: &'a dyn Fn(Counter) -> Result<Option<u64>, Unavailable>,
    /// When the table will be full.
    pub outlook: Outlook,
    /// Checks of the probes that ended in a mismatch.
    pub mismatches: Result<usize, Unavailable>,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Told {
    /// Of which alert.
    pub alert: AlertId,
    /// The change.
    pub notification: Notification,
}

/// How an alert stands.
#[derive(Clone, Debug)]
pub enum Standing<'a> {
    Judged(&'a Alarm),
    /// Not judged.
    Unavailable(Unavailable),
}

/// All alerts of one instance.
#[derive(Clone, Debug)]
pub struct Alerts {
    alerts: [One; COUNT],
}

#[derive(Clone, Debug)]
struct One {
    judge: Judge,
    /// Why it is not judged now.
    unavailable: Option<Unavailable>,
}

/// How a quantity is judged.
#[derive(Clone, Debug)]
enum Judge {
    Disabled,
    Full(ConntrackFull),
    Rate(Counter, WindowRate, Alarm),
    TimeToFull(Alarm),
    Mismatch(Alarm),
}

const DISABLED: &str = "turned off in the configuration";
const NOT_JUDGED: &str = "not judged yet";

impl Alerts {
    /// All clear, and none judged yet.
    #[must_use]
    pub fn new(settings: &AlertSettings) -> Self {
        Self {
            alerts: ALERTS.each_ref().map(|spec| {
                let judge = Judge::new(spec.id, &settings[spec.id]);
                let unavailable = match judge {
                    Judge::Disabled => DISABLED,
                    _ => NOT_JUDGED,
                };
                One {
                    judge,
                    unavailable: Some(unavailable.into()),
                }
            }),
        }
    }

    /// Judges everything at `now`, and returns what is to be told. What is unavailable keeps its status,
    /// and nothing is told of it.
    pub fn observe(&mut self, now: Duration, inputs: &Inputs<'_>) -> Vec<Told> {
        let mut told = Vec::new();
        for (spec, one) in ALERTS.iter().zip(&mut self.alerts) {
            let notification = match one.judge.observe(now, inputs) {
                Ok(notification) => {
                    one.unavailable = None;
                    notification
                }
                Err(reason) => {
                    one.unavailable = Some(reason);
                    None
                }
            };
            told.extend(notification.map(|notification| Told {
                alert: spec.id,
                notification,
            }));
        }
        told
    }

    /// How each stands, in the order of [`ALERTS`].
    pub fn standing(&self) -> impl Iterator<Item = (AlertId, Standing<'_>)> {
        ALERTS.iter().zip(&self.alerts).map(|(spec, one)| {
            let standing = match (&one.unavailable, one.judge.alarm()) {
                (None, Some(alarm)) => Standing::Judged(alarm),
                (reason, _) => {
                    Standing::Unavailable(reason.clone().unwrap_or_else(|| NOT_JUDGED.into()))
                }
            };
            (spec.id, standing)
        })
    }
}

impl Judge {
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
        inputs: &Inputs<'_>,
    ) -> Result<Option<Notification>, Unavailable> {
        match self {
            Self::Disabled => Err(DISABLED.into()),
            Self::Full(full) => {
                let told = inputs
                    .entries
                    .and_then(|entries| full.observe(now, entries, inputs.max));
                // Once judged, it stands as it was while there is nothing to judge it by.
                if full.value().is_none()
                    && let Outlook::Unknown(reason) = inputs.outlook
                {
                    return Err(reason.into());
                }
                Ok(told)
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
