//! Positions in a recording, as users write them.

use std::{str::FromStr, time::Duration};

use jiff::{SignedDuration, Timestamp, civil, tz::TimeZone};

use crate::clock::parse_duration;

/// A time of day that is earlier than the recording's start by more than this is one of the next day.
const HALF_A_DAY: SignedDuration = SignedDuration::from_hours(12);

/// A position in a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Position {
    /// A moment.
    At(Timestamp),
    /// A time of day in UTC, as in text output: on the day the recording starts, or on the next.
    TimeOfDay(civil::Time),
    /// A time after the recording's start.
    After(Duration),
}

/// Why a text is not a position in a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PositionError {
    /// What follows a `+` is not a duration.
    #[error("expected a time after the + such as +2.5s or +1m")]
    Offset,
    /// It is neither a moment nor a time of day.
    #[error("expected +2.5s (after the start), 22:46:48.5 (UTC), or 2026-01-02T22:46:48.5Z")]
    Moment,
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        if let Some(offset) = text.strip_prefix('+') {
            return parse_duration(offset)
                .map(Self::After)
                .ok_or(PositionError::Offset);
        }
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let time = text.parse().map_err(|_| PositionError::Moment)?;
        Ok(Self::TimeOfDay(time))
    }
}

impl Position {
    /// The moment that it stands for in a recording that starts at `start`.
    #[must_use]
    pub fn resolve(self, start: Timestamp) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::After(offset) => start.saturating_add(offset).unwrap_or(Timestamp::MAX),
            Self::TimeOfDay(time) => {
                let day = TimeZone::UTC.to_datetime(start).date();
                let on = |day: civil::Date| {
                    TimeZone::UTC
                        .to_timestamp(day.to_datetime(time))
                        .unwrap_or(start)
                };
                let same = on(day);
                if start.duration_since(same) > HALF_A_DAY {
                    day.tomorrow().map_or(same, on)
                } else {
                    same
                }
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
    fn positions() {
        let start = at("2026-01-02T22:00:00Z");
        let resolve = |text: &str| text.parse::<Position>().unwrap().resolve(start);
        assert_eq!(resolve("+2.5s"), at("2026-01-02T22:00:02.5Z"));
        assert_eq!(resolve("+0s"), start);
        assert_eq!(resolve("22:46:48.5"), at("2026-01-02T22:46:48.5Z"));
        assert_eq!(resolve("21:59"), at("2026-01-02T21:59:00Z"));
        assert_eq!(resolve("00:10"), at("2026-01-03T00:10:00Z"));
        assert_eq!(resolve("2026-01-02T23:00:00+01:00"), start);
        for wrong in ["", "+", "soon", "+-1s", "25:00", "-1s"] {
            assert!(wrong.parse::<Position>().is_err(), "{wrong}");
        }
    }
}
