//! When a change of status is told.

use std::time::Duration;

use crate::model::alert::AlertStatus;

/// How long changes of status wait before they are told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// Wait of a raise.
    pub up: Duration,
    /// Wait of a lowering, to whatever status.
    pub down: Duration,
    /// Growth of both waits, at least 1, each time the status changes while one is pending.
    pub multiplier: f64,
    /// What neither wait grows beyond.
    pub max: Duration,
}

impl Delay {
    fn grown(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.multiplier).min(self.max)
    }
}

/// A change of status, as told: each one starts where the one before it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The status last told before this one.
    pub previous: AlertStatus,
    /// The status now; never the same.
    pub status: AlertStatus,
}

/// Tells changes of status, each after its [`Delay`], and none that has been undone by then.
///
/// Waits grow while the status flaps: a change that comes while another is pending replaces it and
/// multiplies the waits; one that brings back the status last told leaves nothing to tell. Grown
/// waits last until the end of the wait they grew in, told or not, and are then forgotten.
///
/// Netdata differs here: there every change begins a wait, be it one of 0 or for a status that was
/// told already, and that wait takes the place of the one before it. With `up` 0 a raise thus ends
/// the wait it interrupts, and the growth with it: a flapping alert waits the same each time, and
/// only a fall in steps (CRITICAL, WARNING, CLEAR) waits longer. Here each flap adds to the wait.
#[derive(Debug, Clone)]
pub struct Notifier {
    delay: Delay,
    status: AlertStatus,
    told: AlertStatus,
    /// The waits of the next change, grown so far.
    up: Duration,
    down: Duration,
    /// When the current status is due to be told, if it is yet to be.
    due: Option<Duration>,
    /// End of the last wait that was begun, even if its change was undone since.
    waits_until: Duration,
}

impl Notifier {
    /// Starts clear, with nothing to tell.
    #[must_use]
    pub fn new(delay: Delay) -> Self {
        Self {
            delay,
            status: AlertStatus::Clear,
            told: AlertStatus::Clear,
            up: delay.up,
            down: delay.down,
            due: None,
            waits_until: Duration::ZERO,
        }
    }

    /// Takes in the status as of `now`; nothing happens if it has not changed.
    pub fn update(&mut self, now: Duration, status: AlertStatus) {
        if status == self.status {
            return;
        }
        let raised = status > self.status;
        self.status = status;

        if self.due.is_some() {
            self.up = self.delay.grown(self.up);
            self.down = self.delay.grown(self.down);
        } else if now > self.waits_until {
            self.up = self.delay.up;
            self.down = self.delay.down;
        }

        self.due = (status != self.told)
            .then(|| now.saturating_add(if raised { self.up } else { self.down }));
        self.waits_until = self.waits_until.max(self.due.unwrap_or_default());
    }

    /// The change to tell at `now`, once.
    pub fn take_due(&mut self, now: Duration) -> Option<Change> {
        self.due.take_if(|due| *due <= now)?;
        let previous = std::mem::replace(&mut self.told, self.status);
        Some(Change {
            previous,
            status: self.status,
        })
    }

    /// The current status, told or not.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        self.status
    }

    /// The status last told.
    #[must_use]
    pub fn told(&self) -> AlertStatus {
        self.told
    }

    /// The status that waits to be told, and when it is due.
    #[must_use]
    pub fn pending(&self) -> Option<(AlertStatus, Duration)> {
        self.due.map(|due| (self.status, due))
    }
}
