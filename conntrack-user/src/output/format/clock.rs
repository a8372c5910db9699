//! Times as times of day: in UTC, and where the user asks for it in another zone.

use jiff::{Timestamp, tz::TimeZone};

use crate::model::{history::time::Nanos, record::Time};

/// `03:04:05.678`.
#[must_use]
pub fn millis(time: Time) -> String {
    time.0.strftime("%H:%M:%S%.3f").to_string()
}

/// `03:04:05`.
#[must_use]
pub fn seconds(time: Time) -> String {
    time.0.strftime("%H:%M:%S").to_string()
}

/// `2026-01-02 03:04:05.678`.
#[must_use]
pub fn date_and_millis(time: Time) -> String {
    time.0.strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
}

/// `2026-01-02T03:04:05.678Z`.
#[must_use]
pub fn rfc3339_millis(time: Nanos) -> String {
    match Timestamp::from_nanosecond(time.into()) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// A time of day with `digits` fractional digits.
#[must_use]
pub fn digits(time: Nanos, digits: usize) -> String {
    digits_in(time, digits, &TimeZone::UTC)
}

/// The same in another time zone.
#[must_use]
pub fn digits_in(time: Nanos, digits: usize, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_nanosecond(time.into()) else {
        return "?".to_owned();
    };
    let time = zone.to_datetime(time);
    let text = time.strftime("%H:%M:%S%.9f").to_string();
    let cut = text.len() - if digits == 0 { 10 } else { 9 - digits.min(9) };
    text[..cut].to_owned()
}

/// A time span: `03:04:05.678 - .718`, or in full if the seconds differ.
#[must_use]
pub fn span(start: Time, end: Time) -> String {
    let (start, end) = (millis(start), millis(end));
    match (start.rsplit_once('.'), end.rsplit_once('.')) {
        (Some((second, _)), Some((same, fraction))) if second == same => {
            format!("{start} - .{fraction}")
        }
        _ => format!("{start} - {end}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day() {
        let time = 1_767_323_045_678_901_000;
        assert_eq!(digits(time, 0), "03:04:05");
        assert_eq!(digits(time, 3), "03:04:05.678");
        assert_eq!(digits(time, 6), "03:04:05.678901");
        for far in [Nanos::MIN, Nanos::MAX] {
            assert_eq!(digits(far, 3).len(), "03:04:05.678".len());
        }
    }

    #[test]
    fn times_of_day_elsewhere() {
        let time = 1_767_323_045_678_901_000;
        let east = TimeZone::fixed(jiff::tz::offset(2));
        assert_eq!(digits_in(time, 3, &east), "05:04:05.678");
        for far in [Nanos::MIN, Nanos::MAX] {
            assert_eq!(digits_in(far, 3, &east).len(), "03:04:05.678".len());
        }
    }

    #[test]
    fn spans() {
        let at = |ms| Time(Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(span(at(1_500), at(1_508)), "00:00:01.500 - .508");
        assert_eq!(span(at(1_500), at(2_008)), "00:00:01.500 - 00:00:02.008");
        assert_eq!(millis(Time(Timestamp::MIN)).len(), 12);
    }
}
