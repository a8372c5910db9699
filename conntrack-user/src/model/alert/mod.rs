//! Alerts: thresholds with hysteresis, and notifications that wait.
//!
//! One state machine for all: [`Thresholds`] turn a value into a status, [`Notifier`] decides when a
//! change of status is told, [`Alarm`] joins the two. [`ALERTS`] is the table of the alerts there are,
//! with their defaults; [`Alerts`] judges all of them for one instance. `netfilter_conntrack_full`
//! alone has a beat of its own, as Netdata documents it ([`ConntrackFull`]).
//!
//! No clock in here: `now` is always the time since some fixed start, and must not run backwards.

pub mod check;
mod full;
mod instance;
mod notifier;
mod table;
mod window;

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

pub use full::ConntrackFull;
pub use instance::{Alerts, Inputs, Standing};
pub use notifier::{Change, Delay, Notifier};
pub use table::{ALERTS, AlertId, AlertRule, AlertSettings, AlertSpec, COUNT, named};

/// How bad it is. Ordered: a greater status is worse.
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

/// Which values are worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Worse {
    /// Greater ones.
    Above,
    /// Smaller ones.
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
    /// Enter beyond this.
    pub raise: f64,
    /// Stay beyond this; not worse than `raise`.
    pub hold: f64,
}

/// The levels of an alert. One that is `None` is never reached.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// Which way values get worse.
    pub worse: Worse,
    /// For [`AlertStatus::Warning`]; being critical holds it too.
    pub warning: Option<Level>,
    /// For [`AlertStatus::Critical`].
    pub critical: Option<Level>,
}

impl Thresholds {
    /// The status of `value`, coming from the status `current`.
    ///
    /// A value that is no number says nothing about the quantity, so the status stays.
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

/// A change of status that is to be told now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notification {
    /// The status now.
    pub status: AlertStatus,
    /// The status of the notification before this one; clear for the first.
    pub previous: AlertStatus,
    /// The value last judged, which for a recovery is later than the change.
    pub value: f64,
    /// When it was told.
    pub at: Duration,
}

/// A quantity under watch: its thresholds, its status, and what is to be told of it.
#[derive(Debug, Clone)]
pub struct Alarm {
    thresholds: Thresholds,
    notifier: Notifier,
    value: Option<f64>,
}

impl Alarm {
    /// Starts clear, without a value.
    #[must_use]
    pub fn new(thresholds: Thresholds, delay: Delay) -> Self {
        Self {
            thresholds,
            notifier: Notifier::new(delay),
            value: None,
        }
    }

    /// Judges a value.
    pub fn judge(&mut self, now: Duration, value: f64) {
        self.value = Some(value);
        let status = self.thresholds.status(self.notifier.status(), value);
        self.notifier.update(now, status);
    }

    /// What is to be told at `now`, once. To be asked after the value of this moment was judged, so
    /// that a status that rises just as a recovery falls due wins.
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

    /// The value last judged.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The current status, what was told of it, and what will be.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.notifier
    }
}
