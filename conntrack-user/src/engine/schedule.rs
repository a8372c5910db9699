//! When a run ticks, and when it ends.

use std::time::Duration;

use crate::clock::Instant;

/// When a run ticks, and when it ends. Times are monotonic.
#[derive(Clone, Copy, Debug)]
pub(super) struct Schedule {
    interval: Duration,
    length: Option<Duration>,
    /// Whether ticks are at whole multiples of the interval by the wall clock.
    aligned: bool,
    /// When the next tick is due.
    due: Duration,
    /// When the run ends.
    end: Option<Duration>,
}

impl Schedule {
    /// Ticks every `interval` for `length` (`None`: without end) after [`Self::start`].
    pub(super) fn new(interval: Duration, length: Option<Duration>, aligned: bool) -> Self {
        Self {
            interval,
            length,
            aligned,
            due: Duration::ZERO,
            end: None,
        }
    }

    /// Starts the schedule: the first tick is one interval away, or as near to that as the wall clock wants it.
    pub(super) fn start(&mut self, now: Instant) {
        let wait = match self.aligned {
            true => self.until_aligned(now),
            false => self.interval,
        };
        self.due = now.monotonic.saturating_add(wait);
        self.end = self
            .length
            .map(|length| now.monotonic.saturating_add(length));
    }

    /// Time until the wall clock is at a multiple of the interval: at least half of one, so that a tick that came a little early
    /// does not come twice.
    fn until_aligned(&self, now: Instant) -> Duration {
        let interval = i128::try_from(self.interval.as_nanos().max(1)).unwrap_or(i128::MAX);
        let since = now.realtime.as_nanosecond().rem_euclid(interval);
        let since = Duration::from_nanos(u64::try_from(since).unwrap_or(u64::MAX));
        let wait = self.interval.saturating_sub(since);
        if wait < self.interval / 2 {
            wait.saturating_add(self.interval)
        } else {
            wait
        }
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

    /// Schedules the tick after one that was taken: the next point on the grid of intervals that is not past. The wall clock may
    /// have been set meanwhile, so its grid is looked up each time.
    pub(super) fn ticked(&mut self, now: Instant) {
        if self.aligned {
            self.due = now.monotonic.saturating_add(self.until_aligned(now));
            return;
        }
        let behind =
            now.monotonic.saturating_sub(self.due).as_nanos() / self.interval.as_nanos().max(1);
        let steps = u32::try_from(behind).unwrap_or(u32::MAX).saturating_add(1);
        self.due = self.due.saturating_add(self.interval.saturating_mul(steps));
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A moment of both clocks; the wall clock is 30 ms ahead of a multiple of 100 ms when the other is at one.
    fn at(monotonic: Duration) -> Instant {
        let ahead = Duration::from_millis(1_700_000_000_030).saturating_add(monotonic);
        Instant {
            monotonic,
            realtime: Timestamp::UNIX_EPOCH
                .checked_add(ahead)
                .unwrap_or(Timestamp::MAX),
        }
    }

    fn started(length: Option<Duration>) -> Schedule {
        let mut schedule = Schedule::new(ms(100), length, false);
        schedule.start(at(ms(1000)));
        schedule
    }

    #[test]
    fn aligned_ticks_are_at_multiples_of_the_wall_clock() {
        let mut schedule = Schedule::new(ms(100), None, true);
        schedule.start(at(ms(1000)));
        assert_eq!(schedule.due, ms(1070));
        for (ticked, due) in [
            // Late, early, much too late, and almost an interval late.
            (1071, 1170),
            (1169, 1270),
            (1410, 1470),
            (1560, 1670),
        ] {
            schedule.ticked(at(ms(ticked)));
            assert_eq!(schedule.due, ms(due), "{ticked}");
        }
        // Somebody sets the wall clock.
        schedule.ticked(Instant {
            monotonic: ms(1670),
            realtime: Timestamp::UNIX_EPOCH,
        });
        assert_eq!(schedule.due, ms(1770));
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
            schedule.ticked(at(ms(ticked)));
            assert_eq!(schedule.due, ms(due));
        }
    }

    #[test]
    fn it_ends_at_its_end_and_not_before() {
        let mut schedule = started(Some(ms(150)));
        assert!(!schedule.is_due(ms(1099)));
        assert!(schedule.is_due(ms(1100)));
        schedule.ticked(at(ms(1100)));
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
        schedule.ticked(at(Duration::MAX));
        assert!(schedule.due > ms(100) * (u32::MAX - 1));
    }
}
