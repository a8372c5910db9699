//! The speed of a replay.

use std::{str::FromStr, time::Duration};

use jiff::Timestamp;

/// The latest that a record can be due, whatever the times in a recording: a hundred years, which can still be added to any moment
/// without overflow.
const NEVER: Duration = Duration::from_hours(24 * 365 * 100);

/// How fast a recording is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// As fast as it can be read.
    Max,
    /// A multiple of real time.
    Times(f64),
}

/// The text is not a speed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected max, or a number above 0 such as 1 or 10")]
pub struct SpeedError;

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        if text == "max" {
            return Ok(Self::Max);
        }
        match text.parse::<f64>() {
            Ok(times) if times.is_finite() && times > 0.0 => Ok(Self::Times(times)),
            _ => Err(SpeedError),
        }
    }
}

/// Computes when records are due, as time since the replay started. Pure.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    speed: Speed,
    start: Option<Timestamp>,
}

impl Pace {
    /// A pace whose start is the first moment that is passed to [`Pace::due`].
    #[must_use]
    pub fn new(speed: Speed) -> Self {
        Self { speed, start: None }
    }

    /// When a record of this moment is due.
    pub fn due(&mut self, moment: Timestamp) -> Duration {
        let start = *self.start.get_or_insert(moment);
        match self.speed {
            Speed::Max => Duration::ZERO,
            // Negative if the clock was set back while recording.
            Speed::Times(times) => {
                Duration::try_from(moment.duration_since(start)).map_or(Duration::ZERO, |since| {
                    let due = Duration::try_from_secs_f64(since.as_secs_f64() / times);
                    due.unwrap_or(NEVER).min(NEVER)
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn speeds() {
        assert_eq!("max".parse(), Ok(Speed::Max));
        assert_eq!("0.5".parse(), Ok(Speed::Times(0.5)));
        for wrong in ["0", "-1", "fast", "inf", "NaN"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn ten_times_as_fast_is_a_tenth_of_the_time() {
        let mut pace = Pace::new(Speed::Times(10.0));
        assert_eq!(pace.due(at("2026-01-02T22:00:00Z")), Duration::ZERO);
        assert_eq!(
            pace.due(at("2026-01-02T22:00:05Z")),
            Duration::from_millis(500)
        );
        // The clock was set back meanwhile.
        assert_eq!(pace.due(at("2026-01-02T21:00:00Z")), Duration::ZERO);
    }

    #[test]
    fn any_times_give_a_valid_wait() {
        let mut pace = Pace::new(Speed::Times(f64::MIN_POSITIVE));
        assert_eq!(pace.due(Timestamp::MIN), Duration::ZERO);
        assert_eq!(pace.due(Timestamp::MAX), NEVER);
        assert!(std::time::Instant::now().checked_add(NEVER).is_some());
    }
}
