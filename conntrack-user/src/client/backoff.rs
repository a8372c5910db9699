//! How long to wait before the next attempt to reach a server.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    time::Duration,
};

/// A random number from 0 to 1.
#[must_use]
pub fn random() -> f64 {
    // Its keys are random.
    let hash = RandomState::new().build_hasher().finish();
    f64::from((hash >> 32) as u32) / f64::from(u32::MAX)
}

/// Attempts that have failed since one was a success, and what follows from that.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failed: u32,
}

impl Backoff {
    /// The first wait is up to `first`, each one after it up to twice as long as the one before, none longer than `longest`; each is at
    /// least half of that.
    #[must_use]
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failed: 0,
        }
    }

    /// How many attempts have failed since one was a success.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// The wait before the next attempt. `random` is between 0 and 1: many that lost the same server must not come back all at once.
    pub fn next(&mut self, random: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.failed).unwrap_or(u32::MAX);
        let most = self.first.saturating_mul(factor).min(self.longest);
        self.failed = self.failed.saturating_add(1).min(31);
        most.mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
    }

    /// An attempt was a success.
    pub const fn reset(&mut self) {
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
            let first = Duration::from_secs(2);
            let mut backoff = Backoff::new(first, Duration::from_secs(60));
            for (i, random) in randoms.into_iter().enumerate() {
                let wait = backoff.next(random).as_secs_f64();
                let most = (2.0 * 2.0_f64.powi(i as i32)).min(60.0);
                prop_assert!((most / 2.0..=most).contains(&wait), "{wait} after {i}");
            }
            backoff.reset();
            prop_assert!(backoff.next(1.0) <= first);
        }
    }
}
