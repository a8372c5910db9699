//! The alert `netfilter_conntrack_full`, as Netdata documents it.

use std::time::Duration;

use crate::model::alert::{
    Alarm, AlertRule, Delay, Level, Notification, Thresholds, Worse, window::WindowMax,
};

/// The alert `netfilter_conntrack_full`: how much of `nf_conntrack_max` this namespace's table uses.
///
/// Every 10 s the greatest number of entries of the last 10 s is taken in percent of the maximum: WARNING above 90 that holds down
/// to 85, CRITICAL above 95 that holds down to 90. A raise is notified at once, a recovery after 5 min, or up to 1 h if the status
/// keeps changing (see [`crate::model::alert::Notifier`]).
#[derive(Debug, Clone)]
pub struct ConntrackFull {
    window: WindowMax,
    alarm: Alarm,
    every: Duration,
    next_evaluation: Option<Duration>,
}

impl ConntrackFull {
    /// Name of the alert.
    pub const NAME: &str = "netfilter_conntrack_full";
    /// Unit of [`value`](Self::value).
    pub const UNIT: &str = "%";
    /// Time between evaluations, and the window over which the greatest number of entries is taken.
    pub const EVERY: Duration = Duration::from_secs(10);
    /// Thresholds in percent.
    pub const THRESHOLDS: Thresholds = Thresholds {
        worse: Worse::Above,
        warning: Some(Level {
            raise: 90.0,
            hold: 85.0,
        }),
        critical: Some(Level {
            raise: 95.0,
            hold: 90.0,
        }),
    };
    /// Delays of the notifications.
    pub const DELAY: Delay = Delay {
        up: Duration::ZERO,
        down: Duration::from_mins(5),
        multiplier: 1.5,
        max: Duration::from_hours(1),
    };
    /// The default settings, from the constants above.
    pub const SETTINGS: AlertRule = AlertRule {
        enabled: true,
        thresholds: Self::THRESHOLDS,
        delay: Self::DELAY,
        window: Some(Self::EVERY),
    };

    /// Starts with the status CLEAR, without a value, and with the default settings.
    #[must_use]
    pub fn new() -> Self {
        Self::with(&Self::SETTINGS)
    }

    /// Like [`Self::new`], with other settings.
    #[must_use]
    pub fn with(settings: &AlertRule) -> Self {
        Self {
            window: WindowMax::default(),
            alarm: Alarm::new(settings.thresholds, settings.delay),
            every: settings.window.unwrap_or(Self::EVERY),
            next_evaluation: None,
        }
    }

    /// Takes a sample of `nf_conntrack_count` and `nf_conntrack_max`, at any rate, and returns the notification that is due now.
    ///
    /// The first evaluation comes with the first sample, so that a table that is full at the start is notified at once. While the
    /// maximum is unknown or 0 (no limit) there is no percentage: the evaluation waits for one, and the status stays.
    pub fn observe(
        &mut self,
        now: Duration,
        entries: u64,
        max: Option<u64>,
    ) -> Option<Notification> {
        self.window.push(now, entries);
        self.window.forget(now, self.reach(now));
        if let Some(max) = max.filter(|max| *max > 0)
            && self.next_evaluation.is_none_or(|due| due <= now)
        {
            self.evaluate(now, max);
        }

        self.alarm.take_due(now)
    }

    fn evaluate(&mut self, now: Duration, max: u64) {
        let Some(entries) = self.window.max() else {
            return;
        };
        self.alarm.judge(now, entries as f64 * 100.0 / max as f64);

        // Evaluations have a fixed beat, however late single samples are; after a longer gap a new beat starts.
        let on_beat = self
            .next_evaluation
            .map(|due| due + self.every)
            .filter(|next| *next > now);
        self.next_evaluation = Some(on_beat.unwrap_or(now + self.every));
    }

    /// The age of the oldest samples in the next evaluation: back to 10 s before it was due, so that all samples since the last one
    /// count even if this one is a little late.
    fn reach(&self, now: Duration) -> Duration {
        let late = self
            .next_evaluation
            .map(|due| now.saturating_sub(due))
            .filter(|late| *late < self.every)
            .unwrap_or_default();
        self.every + late
    }

    /// Utilisation of the table in percent at the last evaluation; above 100 after the maximum was
    /// lowered below what is in use. `None` before the first.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.alarm.value()
    }

    /// The alert's status and notifications.
    pub(super) fn alarm(&self) -> &Alarm {
        &self.alarm
    }
}

impl Default for ConntrackFull {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
