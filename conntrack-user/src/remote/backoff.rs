//! How long to wait before the next attempt to connect.

use std::time::Duration;

/// The first wait is up to this; each one after it up to twice as long as the one before.
const FIRST: Duration = Duration::from_secs(2);

/// The longest.
const LONGEST: Duration = Duration::from_secs(60);

/// Attempts that have failed since one was a success.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failed: u32,
}

impl Backoff {
    /// The wait before the next attempt: 1 s to 2 s first, 30 s to 60 s in the end. `random` is between 0 and 1: many that lost
    /// the same server must not come back all at once.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.failed).unwrap_or(u32::MAX);
        let most = FIRST.saturating_mul(factor).min(LONGEST);
        self.failed = self.failed.saturating_add(1).min(31);
        most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// An attempt was a success.
    pub(super) const fn reset(&mut self) {
        self.failed = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_from_one_second_to_a_minute(randoms in proptest::collection::vec(0.0..=1.0, 1..50)) {
            let mut backoff = Backoff::default();
            for (i, random) in randoms.into_iter().enumerate() {
                let wait = backoff.next(random).as_secs_f64();
                let most = (2.0 * 2.0_f64.powi(i as i32)).min(60.0);
                prop_assert!((most / 2.0..=most).contains(&wait), "{wait} after {i}");
            }
            backoff.reset();
            prop_assert!(backoff.next(1.0) <= FIRST);
        }
    }
}
