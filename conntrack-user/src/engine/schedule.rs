//! When a run ticks, and when it ends.

use std::time::Duration;

/// When a run ticks, and when it ends. Times are monotonic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    length: Option<Duration>,
    /// When the next tick is due.
    due: Duration,
    /// When the run ends.
    end: Option<Duration>,
}

impl Schedule {
    /// Ticks every `interval` for `length` (`None`: without end) after [`Self::start`].
    pub(super) fn new(interval: Duration, length: Option<Duration>) -> Self {
        Self {
            interval,
            length,
            due: Duration::ZERO,
            end: None,
        }
    }

    /// Starts the schedule: the first tick is one interval away.
    pub(super) fn start(&mut self, now: Duration) {
        self.due = now.saturating_add(self.interval);
        self.end = self.length.map(|length| now.saturating_add(length));
    }

    /// Time until the next tick or the end; `None` when the end is reached.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        let over = self.end.is_some_and(|end| now >= end);
        let wake = self.end.map_or(self.due, |end| end.min(self.due));
        (!over).then(|| wake.saturating_sub(now))
    }

    /// Whether a tick is due. False at the end.
    pub(super) fn is_due(&self, now: Duration) -> bool {
        now >= self.due && self.end.is_none_or(|end| now < end)
    }

    /// Schedules the tick after one that was taken: the next point on the grid of intervals that is not past.
    pub(super) fn ticked(&mut self, now: Duration) {
        let behind = now.saturating_sub(self.due).as_nanos() / self.interval.as_nanos().max(1);
        let steps = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
        self.due = self.due.saturating_add(self.interval.saturating_mul(steps));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn started(length: Option<Duration>) -> Schedule {
        let mut schedule = Schedule::new(ms(100), length);
        schedule.start(ms(1000));
        schedule
    }

    #[test]
    fn ticks_stay_on_the_grid() {
        let mut schedule = started(None);
        assert_eq!(schedule.wait(ms(1030)), Some(ms(70)));
        for (ticked, due) in [
            (1101, 1200),
            (1200, 1300),
            // After a delay the missed ticks are skipped, and the grid is kept.
            (1450, 1500),
            (1701, 1800),
        ] {
            schedule.ticked(ms(ticked));
            assert_eq!(schedule.due, ms(due));
        }
    }

    #[test]
    fn it_ends_at_its_end_and_not_before() {
        let mut schedule = started(Some(ms(150)));
        assert!(!schedule.is_due(ms(1099)));
        assert!(schedule.is_due(ms(1100)));
        schedule.ticked(ms(1100));
        assert_eq!(schedule.wait(ms(1110)), Some(ms(40)));
        assert!(!schedule.is_due(ms(1150)));
        assert_eq!(schedule.wait(ms(1150)), None);
        // When the run is delayed beyond both, there is no more tick.
        let held_up = started(Some(ms(150)));
        assert!(!held_up.is_due(ms(2000)));
        assert_eq!(held_up.wait(ms(2000)), None);
    }

    #[test]
    fn extreme_durations_do_not_overflow() {
        let mut schedule = started(Some(Duration::MAX));
        assert_eq!(schedule.wait(ms(1000)), Some(ms(100)));
        schedule.ticked(Duration::MAX);
        assert!(schedule.due > ms(100) * (u32::MAX - 1));
    }
}
