//! Times that can be added and subtracted without overflow, whatever a recording contains.

use crate::model::record::Time;

/// A time in nanoseconds since 1970, or a length of time.
pub type Nanos = i64;

/// The longest length of time, 36 years.
const LONGEST: Nanos = 1 << 60;

/// Converts a time. It is clamped to 1970 to 2116.
#[must_use]
pub fn nanos(time: Time) -> Nanos {
    time.nanos()
}

/// A length of time in seconds; 0 for NaN.
#[must_use]
pub fn length(seconds: f64) -> Nanos {
    // The cast saturates, and maps NaN to 0.
    ((seconds * 1e9) as Nanos).clamp(0, LONGEST)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn times_and_lengths_add_up_without_overflow() {
        for time in [Timestamp::MIN, Timestamp::UNIX_EPOCH, Timestamp::MAX] {
            for seconds in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.5, 1e300] {
                let (time, length) = (nanos(Time(time)), length(seconds));
                assert!((time - length).checked_sub(Time::LATEST + length).is_some());
            }
        }
        assert_eq!(length(0.5), 500_000_000);
        assert_eq!(length(f64::NAN), 0);
        assert_eq!(nanos(Time(Timestamp::constant(5, 7))), 5_000_000_007);
    }
}
