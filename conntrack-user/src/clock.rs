//! The one place that asks what time it is.

use std::time::Duration;

use jiff::Timestamp;
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
    /// The wall-clock time of another moment of the monotonic clock, as the clocks stand now.
    #[must_use]
    pub fn wall(&self, monotonic: Duration) -> Timestamp {
        let offset = i128::try_from(monotonic.as_nanos()).unwrap_or(i128::MAX)
            - i128::try_from(self.monotonic.as_nanos()).unwrap_or(i128::MAX);
        Timestamp::from_nanosecond(self.realtime.as_nanosecond().saturating_add(offset))
            .unwrap_or(self.realtime)
    }
}

/// Tells the time.
pub trait Clock {
    /// Now.
    fn now(&self) -> Instant;

    /// CPU time that the calling thread has taken, in the kernel too.
    fn thread_cpu_time(&self) -> Duration;
}

/// The kernel's clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant {
            monotonic: read(ClockId::Monotonic),
            realtime: Timestamp::now(),
        }
    }

    fn thread_cpu_time(&self) -> Duration {
        read(ClockId::ThreadCPUTime)
    }
}

fn read(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
