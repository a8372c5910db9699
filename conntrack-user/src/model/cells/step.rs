//! The length of the grid's cells.

use std::{str::FromStr, time::Duration};

use thiserror::Error;

use crate::clock::parse_duration;

/// The shortest length of a cell in milliseconds: some ten buckets.
const SHORTEST: u64 = 10;

/// A second in milliseconds: the longest.
const SECOND: u64 = 1_000;

/// The length of a cell: so many milliseconds that a whole number of cells is a second. Cells end at multiples of it since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridStep(i64);

/// The error for another length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected 10ms to 1s, of which a whole number is a second, such as 100ms")]
pub struct GridStepError;

impl GridStep {
    /// In nanoseconds.
    #[must_use]
    pub(super) const fn nanos(self) -> i64 {
        self.0 * 1_000_000
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// As a length of time.
    #[must_use]
    pub const fn length(self) -> Duration {
        Duration::from_millis(self.0.unsigned_abs())
    }

    /// The end of the cell in which something starts, in nanoseconds since 1970.
    #[must_use]
    pub(super) fn end_of(self, start: i64) -> i64 {
        (start.div_euclid(self.nanos()) + 1) * self.nanos()
    }

    /// The end of the last cell that is over at a time.
    #[must_use]
    pub(super) fn last_over(self, time: i64) -> i64 {
        time.div_euclid(self.nanos()) * self.nanos()
    }
}

impl FromStr for GridStep {
    type Err = GridStepError;

    fn from_str(text: &str) -> Result<Self, GridStepError> {
        let length = parse_duration(text).ok_or(GridStepError)?;
        let millis = u64::try_from(length.as_millis()).map_err(|_| GridStepError)?;
        let is_whole = Duration::from_millis(millis) == length;
        let fits = (SHORTEST..=SECOND).contains(&millis) && SECOND.is_multiple_of(millis);
        match i64::try_from(millis) {
            Ok(millis) if is_whole && fits => Ok(Self(millis)),
            _ => Err(GridStepError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_a_whole_number_of_cells() {
        for (text, millis) in [("10ms", 10), ("100ms", 100), ("125ms", 125), ("1s", 1000)] {
            assert_eq!(text.parse::<GridStep>().map(GridStep::millis), Ok(millis));
        }
        for wrong in ["", "5ms", "30ms", "10.5ms", "2s", "100", "-100ms"] {
            assert_eq!(wrong.parse::<GridStep>(), Err(GridStepError), "{wrong}");
        }
    }

    #[test]
    fn what_starts_at_an_end_is_in_the_next_cell() -> Result<(), GridStepError> {
        let step: GridStep = "100ms".parse()?;
        assert_eq!(step.end_of(99_999_999), 100_000_000);
        assert_eq!(step.end_of(100_000_000), 200_000_000);
        assert_eq!(step.last_over(199_999_999), 100_000_000);
        Ok(())
    }
}
