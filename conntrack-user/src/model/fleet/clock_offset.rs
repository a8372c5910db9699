//! How far the clock of a host is off, by when its records arrive.

use std::time::Duration;

use jiff::SignedDuration;

use crate::{clock::Instant, model::record::Time};

/// Half of the time over which the fastest record counts.
const HALF: Duration = Duration::from_secs(30);

/// A change of less than this is not worth a word.
const WORTH: SignedDuration = SignedDuration::from_millis(20);

/// Time between two words.
const BETWEEN: Duration = Duration::from_secs(10);

/// Compares a clock with ours.
///
/// A record arrives after it was made, so the time between the two, each by its own clock, is the time that it took less what the
/// other clock is ahead. The least of a window is that of the record that took the least time: some milliseconds in a local
/// network, and that is how far what is found is too low.
#[derive(Debug, Default)]
pub(super) struct ClockOffset {
    /// The least time in this half of the window, with its start, and in the half before.
    now: Option<(Duration, SignedDuration)>,
    before: Option<SignedDuration>,
    /// What was reported last, and when.
    reported: Option<(Duration, SignedDuration)>,
}

impl ClockOffset {
    /// Takes a record that was made at a time of the other clock; returns whether what is to be reported has changed.
    pub(super) fn arrived(&mut self, made: Time, at: Instant) -> bool {
        let took = at.realtime.duration_since(made.0);
        self.now = Some(match self.now {
            Some((start, least)) if at.monotonic.saturating_sub(start) < HALF => {
                (start, least.min(took))
            }
            earlier => {
                self.before = earlier.map(|(_, least)| least);
                (at.monotonic, took)
            }
        });
        let Some(ahead) = self.ahead() else {
            return false;
        };
        let changed = self.reported.is_none_or(|(when, known)| {
            let differs = (ahead.saturating_sub(known)).abs() >= WORTH;
            differs && at.monotonic.saturating_sub(when) >= BETWEEN
        });
        if changed {
            self.reported = Some((at.monotonic, ahead));
        }
        changed
    }

    /// How far the other clock is ahead, at least.
    pub(super) fn ahead(&self) -> Option<SignedDuration> {
        let (_, now) = self.now?;
        let least = self.before.map_or(now, |before| before.min(now));
        least.checked_neg()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;

    /// A record that the host made at `made` milliseconds of our clock, and that took `took`; its clock is `ahead`.
    fn arrive(offset: &mut ClockOffset, made: i64, took: i64, ahead: i64) -> bool {
        let time = |ms: i64| Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap();
        let at = Instant {
            monotonic: Duration::from_millis(u64::try_from(made + took).unwrap()),
            realtime: time(made + took),
        };
        offset.arrived(Time(time(made + ahead)), at)
    }

    fn ahead_ms(offset: &ClockOffset) -> i128 {
        offset.ahead().map_or(i128::MIN, |ahead| ahead.as_millis())
    }

    #[test]
    fn it_is_reported_first_and_when_it_has_changed() {
        let mut offset = ClockOffset::default();
        assert!(arrive(&mut offset, 0, 3, 500));
        assert_eq!(ahead_ms(&offset), 497);
        // Faster, but no word is worth it.
        assert!(!arrive(&mut offset, 100, 1, 500));
        assert_eq!(ahead_ms(&offset), 499);
        // The clock was set: forward shows at once, and is told when the last word is old enough.
        assert!(!arrive(&mut offset, 200, 3, 5_000));
        assert!(arrive(&mut offset, 20_000, 3, 5_000));
        assert_eq!(ahead_ms(&offset), 4_997);
        // Back shows when the window is over.
        assert!(!arrive(&mut offset, 31_000, 3, 0));
        assert!(!arrive(&mut offset, 45_000, 3, 0));
        assert!(arrive(&mut offset, 62_000, 3, 0));
        assert_eq!(ahead_ms(&offset), -3);
    }

    proptest! {
        #[test]
        fn it_is_too_low_by_the_least_delay(
            ahead in -100_000_i64..100_000,
            delays in proptest::collection::vec(0_i64..2_000, 1..100),
        ) {
            let mut offset = ClockOffset::default();
            for (i, delay) in delays.iter().enumerate() {
                // In the order of arrival.
                arrive(&mut offset, i as i64 * 100 - delay + 2_000, *delay, ahead);
            }
            let least = delays.iter().min().copied().unwrap_or_default();
            prop_assert_eq!(ahead_ms(&offset), i128::from(ahead - least));
        }
    }
}
