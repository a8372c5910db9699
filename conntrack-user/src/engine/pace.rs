//! How often expensive work is done: the more CPU time it takes, the less often.

use std::time::Duration;

/// Expensive work may take one part in so many of the time: 2 %.
const SHARE: u32 = 50;

/// The time from the start of one run of the work to the start of the next: at least `least`, and so long that the work takes no
/// more than 2 % of one CPU.
#[must_use]
pub(super) fn period(least: Duration, cpu_time: Duration) -> Duration {
    least.max(cpu_time.saturating_mul(SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expensive_work_is_done_less_often() {
        let least = Duration::from_secs(10);
        let period = |ms| period(least, Duration::from_millis(ms));
        assert_eq!(period(0), least);
        assert_eq!(period(200), least);
        assert_eq!(period(2_000), Duration::from_secs(100));
    }
}
