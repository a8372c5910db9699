//! Sliding windows: the greatest value, and the rate of events, of the recent past.

use std::{collections::VecDeque, time::Duration};

/// Greatest of the values that are younger than a given age.
#[derive(Debug, Clone, Default)]
pub(super) struct WindowMax {
    /// Values in order of time, without those that a later one has reached or exceeded; so they are descending.
    samples: VecDeque<(Duration, u64)>,
}

impl WindowMax {
    pub(super) fn push(&mut self, now: Duration, value: u64) {
        while self.samples.pop_back_if(|(_, old)| *old <= value).is_some() {}
        self.samples.push_back((now, value));
    }

    /// Forgets what is `age` old or older.
    pub(super) fn forget(&mut self, now: Duration, age: Duration) {
        while self
            .samples
            .pop_front_if(|(at, _)| now.saturating_sub(*at) >= age)
            .is_some()
        {}
    }

    pub(super) fn max(&self) -> Option<u64> {
        self.samples.front().map(|(_, value)| *value)
    }
}

/// Number of slots in which the events of a window are kept: its ends are exact to the length of a slot.
const SLOTS: u32 = 50;

/// Events per second over the recent past.
#[derive(Debug, Clone)]
pub(super) struct WindowRate {
    window: Duration,
    /// Events by the time of their sample; samples less than a slot apart are added up, and samples without events are left out.
    events: VecDeque<(Duration, u64)>,
}

impl WindowRate {
    pub(super) fn new(window: Duration) -> Self {
        Self {
            window,
            events: VecDeque::new(),
        }
    }

    /// Adds the events of the `interval` before `now`, and returns the rate over the window, or over the interval if that is longer.
    pub(super) fn push(&mut self, now: Duration, interval: Duration, events: u64) -> f64 {
        while self
            .events
            .pop_front_if(|(at, _)| now.saturating_sub(*at) >= self.window)
            .is_some()
        {}
        if events > 0 {
            match self.events.back_mut() {
                Some((at, sum)) if now.saturating_sub(*at) < self.window / SLOTS => *sum += events,
                _ => self.events.push_back((now, events)),
            }
        }
        let sum: u64 = self.events.iter().map(|(_, events)| events).sum();
        sum as f64 / self.window.max(interval).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn events_count_until_the_window_has_passed() {
        let mut rate = WindowRate::new(1000 * MS);
        assert_eq!(rate.push(100 * MS, 100 * MS, 0), 0.0);
        assert_eq!(rate.push(200 * MS, 100 * MS, 7), 7.0);
        assert_eq!(rate.push(300 * MS, 100 * MS, 3), 10.0);
        assert_eq!(rate.push(1199 * MS, 100 * MS, 0), 10.0);
        assert_eq!(rate.push(1200 * MS, 100 * MS, 0), 3.0);
        assert_eq!(rate.push(1300 * MS, 100 * MS, 0), 0.0);
        assert!(rate.events.is_empty());
    }

    #[test]
    fn what_is_a_slot_apart_is_forgotten_by_itself() {
        let mut rate = WindowRate::new(1000 * MS);
        let slot = rate.window / SLOTS;
        for at in [slot, 2 * slot, 2 * slot + MS] {
            rate.push(at, slot, 1);
        }
        assert_eq!(rate.push(1000 * MS + slot, slot, 0), 2.0);
        assert_eq!(rate.push(1000 * MS + 2 * slot, slot, 0), 0.0);
    }

    #[test]
    fn an_interval_longer_than_the_window_is_its_own_window() {
        let mut rate = WindowRate::new(1000 * MS);
        assert_eq!(rate.push(10_000 * MS, 10_000 * MS, 50), 5.0);
        assert_eq!(rate.push(20_000 * MS, 10_000 * MS, 0), 0.0);
    }

    proptest! {
        #[test]
        fn a_steady_rate_is_that_rate_at_any_interval(interval_ms in 10..2_000_u32, per_s in 1..1000_u32) {
            let mut rate = WindowRate::new(10_000 * MS);
            let interval = MS * interval_ms;
            let mut counted = 0;
            let mut last = 0.0;
            for i in 1..=(30_000 / interval_ms) {
                let total = u64::from(i) * u64::from(interval_ms) * u64::from(per_s) / 1000;
                last = rate.push(interval * i, interval, total - counted);
                counted = total;
                prop_assert!(rate.events.len() <= SLOTS as usize + 1);
            }
            // The window may hold an interval or a slot less or more.
            let tolerance = f64::from(per_s) * (f64::from(interval_ms) / 1e4 + 0.02) + 0.2;
            prop_assert!((last - f64::from(per_s)).abs() <= tolerance, "{}", last);
        }
    }
}
