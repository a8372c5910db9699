//! What follows from an answer, and when to try again. Pure.

use std::time::Duration;

use crate::client::{Backoff, ClientError, PostAnswer};

/// The longest that a server may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The receiver has the samples.
    Taken,
    /// The same bytes again, not before this time has passed.
    Again(Option<Duration>),
    /// It will never take them.
    Refused,
}

impl Attempt {
    /// Judges an answer.
    pub(super) fn of(answer: &Result<PostAnswer, ClientError>) -> Self {
        let Ok(answer) = answer else {
            return Self::Again(None);
        };
        match answer.status {
            200..=299 => Self::Taken,
            408 | 429 | 500.. => Self::Again(answer.retry_after.map(|t| t.min(LONGEST_ASKED))),
            _ => Self::Refused,
        }
    }
}

/// Half a second to a second first, 15 s to 30 s in the end.
pub(super) const fn waits() -> Backoff {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(30))
}

/// The wait before the next attempt, at least what the receiver has asked for.
pub(super) fn wait(waits: &mut Backoff, asked: Option<Duration>, random: f64) -> Duration {
    waits.next(random).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(status: u16, retry_after: Option<u64>) -> Result<PostAnswer, ClientError> {
        Ok(PostAnswer {
            status,
            retry_after: retry_after.map(Duration::from_secs),
            text: String::new(),
        })
    }

    #[test]
    fn only_what_another_attempt_may_change_is_tried_again() {
        let again = |seconds: Option<u64>| Attempt::Again(seconds.map(Duration::from_secs));
        for (status, after, attempt) in [
            (200, None, Attempt::Taken),
            (204, None, Attempt::Taken),
            (301, None, Attempt::Refused),
            (400, None, Attempt::Refused),
            (401, Some(9), Attempt::Refused),
            (429, Some(9), again(Some(9))),
            (429, Some(99_999), again(Some(300))),
            (500, None, again(None)),
            (503, Some(2), again(Some(2))),
        ] {
            assert_eq!(Attempt::of(&answer(status, after)), attempt, "{status}");
        }
        assert_eq!(
            Attempt::of(&Err(ClientError::NoName(String::new()))),
            again(None)
        );
    }

    proptest! {
        #[test]
        fn waits_grow_and_are_bounded(randoms in proptest::collection::vec(0.0..=1.0, 1..50), asked in 0_u64..100) {
            let mut waits = waits();
            for (i, random) in randoms.into_iter().enumerate() {
                let wait = wait(&mut waits, None, random).as_secs_f64();
                let most = 2.0_f64.powi(i as i32).min(30.0);
                prop_assert!((most / 2.0..=most).contains(&wait), "{wait} after {i}");
            }
            let asked = Duration::from_secs(asked);
            prop_assert!(wait(&mut waits, Some(asked), 0.0) >= asked);
        }
    }
}
