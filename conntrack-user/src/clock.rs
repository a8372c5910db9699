//! The only place that asks the system for the time; and how durations are written.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::time::{ClockId, clock_gettime};

/// A moment on both clocks, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instant {
    /// `CLOCK_MONOTONIC`, the clock of `bpf_ktime_get_ns`: time since boot, without suspend.
    pub monotonic: Duration,
    /// Wall-clock time.
    pub realtime: Timestamp,
}

impl Instant {
    /// The wall-clock time of another moment of the monotonic clock, by the two clocks' offset at this one.
    #[must_use]
    pub fn wall(&self, monotonic: Duration) -> Timestamp {
        let offset = i128::try_from(monotonic.as_nanos()).unwrap_or(i128::MAX)
            - i128::try_from(self.monotonic.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_nanosecond(self.realtime.as_nanosecond().saturating_add(offset))
            .unwrap_or(self.realtime)
    }
}

/// A source of time: the kernel's clocks, or a test's.
pub trait Clock {
    /// Both clocks, read together.
    fn now(&self) -> Instant;

    /// CPU time that the calling thread has taken, in the kernel too.
    fn thread_cpu_time(&self) -> Duration;

    /// CPU time that the whole process has taken, in the kernel too.
    fn process_cpu_time(&self) -> Duration;
}

/// The kernel's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> Instant {
        Instant {
            monotonic: read(ClockId::Monotonic),
            realtime: Timestamp::now(),
        }
    }

    fn thread_cpu_time(&self) -> Duration {
        read(ClockId::ThreadCPUTime)
    }

    fn process_cpu_time(&self) -> Duration {
        read(ClockId::ProcessCPUTime)
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// Parses a duration as people write it: `100ms`, `2.5s`, `1m 30s`. `None` for anything else, negative ones included.
#[must_use]
pub fn parse_duration(text: &str) -> Option<Duration> {
    let signed: SignedDuration = text.parse().ok()?;
    Duration::try_from(signed).ok()
}

/// Writes a duration as people do: `5m`, `100ms`, `1m 30s`.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let signed = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    format!("{signed:#}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations_as_people_write_them() {
        assert_eq!(parse_duration("2.5s"), Some(Duration::from_millis(2500)));
        assert_eq!(parse_duration("1m 30s"), Some(Duration::from_secs(90)));
        for wrong in ["", "5", "-1s", "soon", "9223372036854775808s"] {
            assert_eq!(parse_duration(wrong), None, "{wrong}");
        }
        assert_eq!(format_duration(Duration::from_millis(250)), "250ms");
        assert_eq!(
            format_duration(Duration::MAX),
            format_duration(
                Duration::from_secs(i64::MAX as u64) + Duration::from_nanos(999_999_999)
            )
        );
    }

    proptest! {
        #[test]
        fn written_times_are_parsed_back(nanos in 0..u64::MAX) {
            let duration = Duration::from_nanos(nanos);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        }
    }
}
