//! Alerts: thresholds with hysteresis, and delayed notifications.
//!
//! All alerts share one state machine: [`Thresholds`] turn a value into a status, [`Notifier`] decides when a change of status is
//! notified, [`Alarm`] joins the two. [`ALERTS`] is the table of all alerts with their defaults; [`Alerts`] judges all of them for
//! one instance. Only `netfilter_conntrack_full` has a beat of its own, as Netdata documents it ([`ConntrackFull`]).
//!
//! There is no clock in here: `now` is the time since some fixed start, and must not run backwards.

pub mod check;
mod full;
mod instance;
mod notifier;
mod table;
mod window;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use full::ConntrackFull;
pub use instance::{AlertEvaluation, AlertInputs, Alerts};
pub use notifier::{Change, Delay, Notifier};
pub use table::{ALERTS, AlertId, AlertRule, AlertSettings, AlertSpec, COUNT, named};

/// The status of an alert. Ordered: a greater status is worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlertStatus {
    /// Within every threshold.
    #[default]
    Clear,
    /// Beyond the warning threshold.
    Warning,
    /// Beyond the critical threshold.
    Critical,
}

impl fmt::Display for AlertStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Clear => "CLEAR",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        })
    }
}

/// The direction in which values get worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Greater values are worse.
    Above,
    /// Smaller values are worse.
    Below,
}

impl Worse {
    /// Whether `value` is worse than `threshold`; being equal is not.
    #[must_use]
    pub fn beyond(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Above => value > threshold,
            Self::Below => value < threshold,
        }
    }
}

/// One threshold with hysteresis: a value must be worse than `raise` to enter and worse than `hold` to
/// stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// The status is entered beyond this value.
    pub raise: f64,
    /// The status is kept beyond this value; not worse than `raise`.
    pub hold: f64,
}

/// The levels of an alert. One that is `None` is never reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// The direction in which values get worse.
    pub worse: Worse,
    /// For [`AlertStatus::Warning`]; an alert that was critical keeps it down to `hold`, too.
    pub warning: Option<Level>,
    /// For [`AlertStatus::Critical`].
    pub critical: Option<Level>,
}

impl Thresholds {
    /// The status of `value`, coming from the status `current`.
    ///
    /// NaN and infinity keep the current status, because they say nothing about the quantity.
    #[must_use]
    pub fn status(&self, current: AlertStatus, value: f64) -> AlertStatus {
        let reached = |level: Option<Level>, status| {
            level.is_some_and(|level| {
                let held = current >= status;
                self.worse
                    .beyond(value, if held { level.hold } else { level.raise })
            })
        };
        if !value.is_finite() {
            current
        } else if reached(self.critical, AlertStatus::Critical) {
            AlertStatus::Critical
        } else if reached(self.warning, AlertStatus::Warning) {
            AlertStatus::Warning
        } else {
            AlertStatus::Clear
        }
    }
}

/// A change of status that is due for notification.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notification {
    /// The status now.
    pub status: AlertStatus,
    /// The status of the notification before this one; clear for the first.
    pub previous: AlertStatus,
    /// The value that was judged last: for a recovery, which is delayed, that is later than the change itself.
    pub value: f64,
    /// When it became due.
    pub at: Duration,
}

/// One alert of one instance: its thresholds, its status, and its pending notification.
#[derive(Debug, Clone)]
pub struct Alarm {
    thresholds: Thresholds,
    notifier: Notifier,
    value: Option<f64>,
}

impl Alarm {
    /// Starts with the status CLEAR, without a value.
    #[must_use]
    pub fn new(thresholds: Thresholds, delay: Delay) -> Self {
        Self {
            thresholds,
            notifier: Notifier::new(delay),
            value: None,
        }
    }

    /// Updates the status by a new value.
    pub fn judge(&mut self, now: Duration, value: f64) {
        self.value = Some(value);
        let status = self.thresholds.status(self.notifier.status(), value);
        self.notifier.update(now, status);
    }

    /// The notification that is due at `now`; it is returned once. Call this after judging the value of the same moment, so that a
    /// raise takes precedence over a recovery that falls due just then.
    pub fn take_due(&mut self, now: Duration) -> Option<Notification> {
        let value = self.value?;
        let Change { previous, status } = self.notifier.take_due(now)?;
        Some(Notification {
            status,
            previous,
            value,
            at: now,
        })
    }

    /// The value that was judged last; `None` before the first.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The current status, the status that was notified last, and the pending one.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }
}
