//! How often something is done that costs: seldom, and more seldom the more it costs.

use std::time::Duration;

/// Of the time between two turns, one part in so many may be spent on the first: 2 %.
const SHARE: u32 = 50;

/// Time from the begin of one turn to the begin of the next: at least `least`, and so long that the CPU
/// time the turn took is no more than 2 % of one CPU.
#[must_use]
pub(super) fn period(least: Duration, cpu_time: Duration) -> Duration {
    least.max(cpu_time.saturating_mul(SHARE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_make_it_wait() {
        let least = Duration::from_secs(10);
        let period = |ms| period(least, Duration::from_millis(ms));
        assert_eq!(period(0), least);
        assert_eq!(period(200), least);
        assert_eq!(period(2_000), Duration::from_secs(100));
    }
}
