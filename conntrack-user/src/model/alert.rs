//! Alerts: thresholds with hysteresis, and notifications that wait.
//!
//! Three parts, each usable for other quantities: [`Thresholds`] turn a value into a status,
//! [`Notifier`] decides when a change of status is told, and [`ConntrackFull`] joins them into the
//! alert `netfilter_conntrack_full` under the thresholds and delays that Netdata documents for it.
//!
//! No clock in here: `now` is always the time since some fixed start, and must not run backwards.

use std::{collections::VecDeque, fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How bad it is. Ordered: a greater status is worse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum AlertStatus {
    /// Below every threshold.
    #[default]
    Clear,
    /// Above the warning threshold.
    Warning,
    /// Above the critical threshold.
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

/// One threshold with hysteresis: a value must be greater than `raise` to enter and greater than
/// `hold` to stay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Level {
    /// Enter above this.
    pub raise: f64,
    /// Stay above this; not greater than `raise`.
    pub hold: f64,
}

impl Level {
    fn reached(self, held: bool, value: f64) -> bool {
        value > if held { self.hold } else { self.raise }
    }
}

/// The levels of an alert.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Thresholds {
    /// For [`AlertStatus::Warning`]; being critical holds it too.
    pub warning: Level,
    /// For [`AlertStatus::Critical`].
    pub critical: Level,
}

impl Thresholds {
    /// The status of `value`, coming from the status `current`.
    ///
    /// A value that is no number says nothing about the quantity, so the status stays.
    #[must_use]
    pub fn status(&self, current: AlertStatus, value: f64) -> AlertStatus {
        if !value.is_finite() {
            current
        } else if self
            .critical
            .reached(current == AlertStatus::Critical, value)
        {
            AlertStatus::Critical
        } else if self.warning.reached(current >= AlertStatus::Warning, value) {
            AlertStatus::Warning
        } else {
            AlertStatus::Clear
        }
    }
}

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

/// Greatest of the values that are younger than a given age.
#[derive(Debug, Clone, Default)]
struct WindowMax {
    /// Values in order of time, without those a later one has equalled: so they fall.
    samples: VecDeque<(Duration, u64)>,
}

impl WindowMax {
    fn push(&mut self, now: Duration, value: u64) {
        while self.samples.pop_back_if(|(_, old)| *old <= value).is_some() {}
        self.samples.push_back((now, value));
    }

    /// Forgets what is `age` old or older.
    fn forget(&mut self, now: Duration, age: Duration) {
        while self
            .samples
            .pop_front_if(|(at, _)| now.saturating_sub(*at) >= age)
            .is_some()
        {}
    }

    fn max(&self) -> Option<u64> {
        self.samples.front().map(|(_, value)| *value)
    }
}

/// A notification of [`ConntrackFull`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Notification {
    /// The status now.
    pub status: AlertStatus,
    /// The status of the notification before this one; clear for the first.
    pub previous: AlertStatus,
    /// [`ConntrackFull::value`] when it was told, which for a recovery is later than the change.
    pub value: f64,
    /// When it was told.
    pub at: Duration,
}

/// The alert `netfilter_conntrack_full`: how much of `nf_conntrack_max` this namespace's table uses.
///
/// Every 10 s the greatest number of entries of the last 10 s is taken in percent of the maximum: a
/// warning above 90 that holds down to 85, critical above 95 that holds down to 90. A raise is told
/// at once, a lowering after 5 min, or up to 1 h if the status keeps changing (see [`Notifier`]).
#[derive(Debug, Clone)]
pub struct ConntrackFull {
    window: WindowMax,
    notifier: Notifier,
    value: Option<f64>,
    next_evaluation: Option<Duration>,
}

impl ConntrackFull {
    /// Name of the alert.
    pub const NAME: &str = "netfilter_conntrack_full";
    /// Unit of [`value`](Self::value).
    pub const UNIT: &str = "%";
    /// Time between evaluations, and reach of the greatest number of entries.
    pub const EVERY: Duration = Duration::from_secs(10);
    /// Percentages.
    pub const THRESHOLDS: Thresholds = Thresholds {
        warning: Level {
            raise: 90.0,
            hold: 85.0,
        },
        critical: Level {
            raise: 95.0,
            hold: 90.0,
        },
    };
    /// Delays of its notifications.
    pub const DELAY: Delay = Delay {
        up: Duration::ZERO,
        down: Duration::from_mins(5),
        multiplier: 1.5,
        max: Duration::from_hours(1),
    };

    /// Starts clear, without a value.
    #[must_use]
    pub fn new() -> Self {
        Self {
            window: WindowMax::default(),
            notifier: Notifier::new(Self::DELAY),
            value: None,
            next_evaluation: None,
        }
    }

    /// Takes in a sample of `nf_conntrack_count` and `nf_conntrack_max`, at any rate, and returns
    /// what is to be told now.
    ///
    /// The first evaluation comes with the first sample, so that a table full at start is told at
    /// once. While the maximum is unknown or 0 (no limit) there is no percentage: evaluation is put
    /// off until there is one, and the status stays.
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

        // After the evaluation, so that a status that rises just as a recovery falls due wins.
        let value = self.value?;
        let Change { previous, status } = self.notifier.take_due(now)?;
        Some(Notification {
            status,
            previous,
            value,
            at: now,
        })
    }

    fn evaluate(&mut self, now: Duration, max: u64) {
        let Some(entries) = self.window.max() else {
            return;
        };
        let value = entries as f64 * 100.0 / max as f64;
        self.value = Some(value);
        let status = Self::THRESHOLDS.status(self.notifier.status(), value);
        self.notifier.update(now, status);

        // On a fixed beat, however late single samples are; a new beat after a longer gap.
        let on_beat = self
            .next_evaluation
            .map(|due| due + Self::EVERY)
            .filter(|next| *next > now);
        self.next_evaluation = Some(on_beat.unwrap_or(now + Self::EVERY));
    }

    /// How far back the next evaluation looks: 10 s before it was due, so that samples taken since
    /// the last one are all seen even if this one is a little late.
    fn reach(&self, now: Duration) -> Duration {
        let late = self
            .next_evaluation
            .map(|due| now.saturating_sub(due))
            .filter(|late| *late < Self::EVERY)
            .unwrap_or_default();
        Self::EVERY + late
    }

    /// The current status, told or not.
    #[must_use]
    pub fn status(&self) -> AlertStatus {
        self.notifier.status()
    }

    /// The status last told.
    #[must_use]
    pub fn told(&self) -> AlertStatus {
        self.notifier.told()
    }

    /// Utilisation of the table in percent at the last evaluation; above 100 after the maximum was
    /// lowered below what is in use. `None` before the first.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        self.value
    }

    /// The status that waits to be told, and when it is due.
    #[must_use]
    pub fn pending(&self) -> Option<(AlertStatus, Duration)> {
        self.notifier.pending()
    }
}

impl Default for ConntrackFull {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        AlertStatus::{Clear, Critical, Warning},
        *,
    };

    /// So that one entry is a thousandth of a percent.
    const MAX: u64 = 100_000;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn entries(percent: f64) -> u64 {
        (percent * MAX as f64 / 100.0).round() as u64
    }

    /// Feeds one sample a second, `until` included; from each `(second, percent)` on, that percent.
    /// Returns (second, previous, status, percent) of each notification.
    fn run(
        levels: &[(u64, f64)],
        until: u64,
    ) -> (ConntrackFull, Vec<(u64, AlertStatus, AlertStatus, f64)>) {
        let mut alert = ConntrackFull::new();
        let mut told = Vec::new();
        for now in 0..=until {
            let level = levels.iter().rev().find(|(from, _)| *from <= now);
            let percent = level.map_or(0.0, |(_, percent)| *percent);
            if let Some(n) = alert.observe(secs(now), entries(percent), Some(MAX)) {
                assert_eq!(n.at, secs(now));
                told.push((now, n.previous, n.status, n.value));
            }
        }
        (alert, told)
    }

    fn check(levels: &[(u64, f64)], until: u64, expected: &[(u64, AlertStatus, AlertStatus, f64)]) {
        assert_eq!(run(levels, until).1, expected, "{levels:?}");
    }

    #[test]
    fn raises_above_90_and_95_and_not_at_them() {
        check(&[(0, 90.0)], 60, &[]);
        check(&[(0, 90.001)], 60, &[(0, Clear, Warning, 90.001)]);
        check(&[(0, 95.0)], 60, &[(0, Clear, Warning, 95.0)]);
        check(&[(0, 95.001)], 60, &[(0, Clear, Critical, 95.001)]);
        check(&[(0, 120.0)], 60, &[(0, Clear, Critical, 120.0)]);
        check(
            &[(0, 50.0), (13, 91.0), (33, 96.0)],
            60,
            &[(20, Clear, Warning, 91.0), (40, Warning, Critical, 96.0)],
        );
    }

    #[test]
    fn holds_down_to_85_and_90() {
        let warned = (0, Clear, Warning, 91.0);
        let critical = (0, Clear, Critical, 96.0);
        check(&[(0, 91.0), (1, 85.001)], 2000, &[warned]);
        // The peak at 0 s has left the window at 10 s.
        check(
            &[(0, 91.0), (1, 85.0)],
            2000,
            &[warned, (310, Warning, Clear, 85.0)],
        );
        check(&[(0, 96.0), (1, 90.001)], 2000, &[critical]);
        check(
            &[(0, 96.0), (1, 90.0)],
            2000,
            &[critical, (310, Critical, Warning, 90.0)],
        );
        check(
            &[(0, 96.0), (1, 85.0)],
            2000,
            &[critical, (310, Critical, Clear, 85.0)],
        );
        // Down to warning, critical is entered above 95 again.
        check(
            &[(0, 96.0), (1, 89.0), (400, 95.0)],
            2000,
            &[critical, (310, Critical, Warning, 89.0)],
        );
    }

    #[test]
    fn the_documented_example_warns() {
        let mut alert = ConntrackFull::new();
        let told = alert.observe(secs(7), 242_000, Some(262_144));
        assert_eq!(told.map(|n| (n.previous, n.status)), Some((Clear, Warning)));
        assert_eq!(
            alert.value().map(|value| format!("{value:.1}")),
            Some("92.3".into())
        );
    }

    #[test]
    fn a_peak_between_evaluations_is_seen_once() {
        for at in [11, 15, 19, 20] {
            check(
                &[(0, 10.0), (at, 99.0), (at + 1, 10.0)],
                2000,
                &[(20, Clear, Critical, 99.0), (330, Critical, Clear, 10.0)],
            );
        }
        let told = (30, Clear, Critical, 99.0);
        check(&[(0, 10.0), (21, 99.0), (22, 10.0)], 300, &[told]);
    }

    #[test]
    fn a_peak_is_seen_at_any_sampling_rate() {
        // Unless it divides 10 s, evaluations come late, by up to a whole period.
        for step in [100, 900, 3_300, 9_999, 10_000, 10_001, 25_000].map(Duration::from_millis) {
            for peak in 1..200 {
                let mut alert = ConntrackFull::new();
                let seen = (0..400).any(|sample| {
                    let percent = if sample == peak { 96.0 } else { 1.0 };
                    alert
                        .observe(step * sample, entries(percent), Some(MAX))
                        .is_some_and(|n| n.status == Critical)
                });
                assert!(seen, "{step:?} {peak}");
            }
        }
    }

    #[test]
    fn a_raise_during_the_wait_cancels_it_silently() {
        let (alert, told) = run(&[(0, 91.0), (1, 10.0), (200, 92.0)], 5000);
        assert_eq!(told, [(0, Clear, Warning, 91.0)]);
        assert_eq!((alert.status(), alert.pending()), (Warning, None));
    }

    #[test]
    fn a_raise_above_the_status_last_told_is_told_at_once() {
        check(
            &[(0, 91.0), (1, 10.0), (200, 96.0)],
            5000,
            &[(0, Clear, Warning, 91.0), (200, Warning, Critical, 96.0)],
        );
    }

    #[test]
    fn a_raise_as_the_wait_ends_wins() {
        // Cleared at 10 s, so due at 310 s.
        check(
            &[(0, 91.0), (1, 10.0), (310, 92.0)],
            5000,
            &[(0, Clear, Warning, 91.0)],
        );
        check(
            &[(0, 91.0), (1, 10.0), (311, 92.0)],
            5000,
            &[
                (0, Clear, Warning, 91.0),
                (310, Warning, Clear, 10.0),
                (320, Clear, Warning, 92.0),
            ],
        );
    }

    #[test]
    fn a_fall_in_two_steps_waits_longer() {
        // Warning at 10 s, due at 310 s; clear at 110 s restarts the wait at 7.5 min.
        check(
            &[(0, 96.0), (1, 89.0), (101, 10.0)],
            5000,
            &[
                (0, Clear, Critical, 96.0),
                (110 + 450, Critical, Clear, 10.0),
            ],
        );
    }

    /// Waits in seconds of the falls of an alert that rises again 10 s into each of them.
    fn flapping_waits(notifier: &mut Notifier, start: u64, falls: usize) -> Vec<f64> {
        (0..falls as u64)
            .filter_map(|fall| {
                let rise = secs(start + 20 * fall);
                notifier.update(rise, Warning);
                notifier.take_due(rise);
                notifier.update(rise + secs(10), Clear);
                let (_, due) = notifier.pending()?;
                Some((due - rise - secs(10)).as_secs_f64())
            })
            .collect()
    }

    #[test]
    fn waits_grow_while_the_status_flaps() {
        let mut notifier = Notifier::new(ConntrackFull::DELAY);
        assert_eq!(
            flapping_waits(&mut notifier, 0, 9),
            [
                300.0, 450.0, 675.0, 1012.5, 1518.75, 2278.125, 3417.1875, 3600.0, 3600.0
            ]
        );
    }

    #[test]
    fn growth_is_forgotten_once_a_recovery_is_told() {
        let mut notifier = Notifier::new(ConntrackFull::DELAY);
        flapping_waits(&mut notifier, 0, 3);
        let (_, due) = notifier.pending().expect("a fall is pending");
        assert_eq!(notifier.take_due(due - Duration::from_nanos(1)), None);
        let (previous, status) = (Warning, Clear);
        assert_eq!(notifier.take_due(due), Some(Change { previous, status }));
        assert_eq!(notifier.take_due(due), None);
        assert_eq!(
            flapping_waits(&mut notifier, due.as_secs() + 1, 2),
            [300.0, 450.0]
        );
    }

    #[test]
    fn growth_is_forgotten_with_the_end_of_a_wait_that_was_cancelled() {
        for (fall, expected) in [(10 + 300, 450), (10 + 300 + 1, 300)] {
            let mut notifier = Notifier::new(ConntrackFull::DELAY);
            notifier.update(secs(0), Warning);
            notifier.take_due(secs(0));
            notifier.update(secs(10), Clear);
            notifier.update(secs(20), Warning);
            notifier.update(secs(fall), Clear);
            assert_eq!(notifier.pending(), Some((Clear, secs(fall + expected))));
        }
    }

    #[test]
    fn a_raise_may_wait_too() {
        let mut notifier = Notifier::new(Delay {
            up: secs(60),
            ..ConntrackFull::DELAY
        });
        notifier.update(secs(0), Warning);
        assert_eq!(notifier.pending(), Some((Warning, secs(60))));
        notifier.update(secs(30), Clear);
        assert_eq!(
            (notifier.pending(), notifier.take_due(secs(500))),
            (None, None)
        );
        notifier.update(secs(50), Critical);
        assert_eq!(notifier.pending(), Some((Critical, secs(50 + 90))));
    }

    #[test]
    fn without_a_maximum_nothing_is_evaluated() {
        let mut alert = ConntrackFull::new();
        for max in [None, Some(0)] {
            assert_eq!(alert.observe(secs(0), 50, max), None);
            assert_eq!((alert.value(), alert.status()), (None, Clear));
        }
        // As soon as there is one, and over the last 10 s only.
        let told = alert.observe(secs(3), 10, Some(50));
        assert_eq!(told.map(|n| (n.status, n.value)), Some((Critical, 100.0)));
        assert_eq!(alert.observe(secs(13), 1, None), None);
        assert_eq!((alert.value(), alert.status()), (Some(100.0), Critical));
        assert_eq!(alert.observe(secs(500), 1, Some(50)), None);
        assert_eq!((alert.value(), alert.status()), (Some(2.0), Clear));
        // A recovery that is due does not need one.
        let told = alert.observe(secs(800), 2, None);
        assert_eq!(told.map(|n| (n.status, n.value)), Some((Clear, 2.0)));
    }

    #[test]
    fn a_value_that_is_no_number_keeps_the_status() {
        for status in [Clear, Warning, Critical] {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(ConntrackFull::THRESHOLDS.status(status, value), status);
            }
        }
    }

    #[test]
    fn statuses_are_written_in_capitals() -> Result<(), serde_json::Error> {
        for (status, name) in [
            (Clear, "CLEAR"),
            (Warning, "WARNING"),
            (Critical, "CRITICAL"),
        ] {
            assert_eq!(status.to_string(), name);
            assert_eq!(serde_json::to_value(status)?, name);
        }
        assert!(Clear < Warning && Warning < Critical);
        Ok(())
    }

    proptest! {
        #[test]
        fn notifications_form_a_chain_and_raises_never_wait(
            samples in prop::collection::vec((1..2000_u64, prop_oneof![0..110_u64, 84..97_u64]), 1..500),
        ) {
            let mut alert = ConntrackFull::new();
            let (mut now, mut told) = (Duration::ZERO, Clear);
            for (step, percent) in samples {
                now += secs(step) / 4;
                let before = alert.status();
                if let Some(n) = alert.observe(now, percent, Some(100)) {
                    prop_assert_eq!(n.previous, told);
                    prop_assert_ne!(n.status, told);
                    prop_assert_eq!(n.status, alert.status());
                    prop_assert!(n.value.is_finite());
                    told = n.status;
                }
                if alert.status() > before {
                    prop_assert_eq!(told, alert.status());
                }
                // Either all is told, or what is not falls due, and within the longest wait.
                match alert.pending() {
                    None => prop_assert_eq!(alert.status(), told),
                    Some((status, due)) => {
                        prop_assert_eq!(status, alert.status());
                        prop_assert!(due > now && due <= now + ConntrackFull::DELAY.max);
                    }
                }
            }
        }
    }
}
