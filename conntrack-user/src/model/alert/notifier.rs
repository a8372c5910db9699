//! Decides when a change of status is notified.

use std::time::Duration;

use crate::model::alert::AlertStatus;

/// How long changes of status wait before they are notified.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// Delay of a change to a worse status.
    pub up: Duration,
    /// Delay of a change to a better status, whichever.
    pub down: Duration,
    /// Factor, at least 1, by which both delays grow each time the status changes while a notification is pending.
    pub multiplier: f64,
    /// The longest that a delay can grow to.
    pub max: Duration,
}

impl Delay {
    fn grown(&self, wait: Duration) -> Duration {
        wait.mul_f64(self.multiplier).min(self.max)
    }
}

/// A change of status as it is notified: `previous` is the `status` of the change before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The status that was notified before this one.
    pub previous: AlertStatus,
    /// The new status; never the same as `previous`.
    pub status: AlertStatus,
}

/// Notifies changes of status, each after its [`Delay`], unless the change was undone by then.
///
/// Delays grow while the status flaps: a change that comes while another is pending replaces it and multiplies the delays; one that
/// brings back the status that was notified last leaves nothing to notify. Grown delays last until the end of the delay in which
/// they grew, whether that ended in a notification or not; then they start again from their settings.
///
/// Netdata's code differs here: every change starts a delay, even one of 0 or for a status that was notified already, and that
/// delay replaces the one before it. With `up` 0 a raise thus ends the delay that it interrupts, and the growth with it: a flapping
/// alert waits the same time each time, and only a fall in steps (CRITICAL, WARNING, CLEAR) waits longer. Here each flap makes the
/// delay longer, as Netdata documents it.
#[derive(Debug, Clone)]
pub struct Notifier {
    delay: Delay,
    status: AlertStatus,
    notified: AlertStatus,
    /// The delays of the next change, with their growth so far.
    up: Duration,
    down: Duration,
    /// When the current status is due for notification, if it was not notified yet.
    due: Option<Duration>,
    /// End of the latest delay, even if its change was undone since.
    waits_until: Duration,
}

impl Notifier {
    /// Starts with the status CLEAR, and with nothing to notify.
    #[must_use]
    pub fn new(delay: Delay) -> Self {
        Self {
            delay,
            status: AlertStatus::Clear,
            notified: AlertStatus::Clear,
            up: delay.up,
            down: delay.down,
            due: None,
            waits_until: Duration::ZERO,
        }
    }

    /// Sets the status at `now`; does nothing if it has not changed.
    pub fn update(&mut self, now: Duration, status: AlertStatus) {
        let change = status.cmp(&self.status);
        if change.is_eq() {
            return;
        }
        self.status = status;

        if self.due.is_some() {
            self.up = self.delay.grown(self.up);
            self.down = self.delay.grown(self.down);
        } else if now > self.waits_until {
            self.up = self.delay.up;
            self.down = self.delay.down;
        }

        self.due = (status != self.notified)
            .then(|| now.saturating_add(if change.is_gt() { self.up } else { self.down }));
        self.waits_until = self.waits_until.max(self.due.unwrap_or_default());
    }

    /// The change that is due at `now`; it is returned once.
    pub fn take_due(&mut self, now: Duration) -> Option<Change> {
        self.due.take_if(|due| *due <= now)?;
        let previous = std::mem::replace(&mut self.notified, self.status);
        Some(Change {
            previous,
            status: self.status,
        })
    }

    /// The current status, notified or not.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        self.status
    }

    /// The status that was notified last.
    #[must_use]
    pub fn notified(&self) -> AlertStatus {
        self.notified
    }

    /// The status whose notification is pending, and when that is due.
    #[must_use]
    pub fn pending(&self) -> Option<(AlertStatus, Duration)> {
        self.due.map(|due| (self.status, due))
    }
}
