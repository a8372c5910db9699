//! The grace period of a difference between probe and kernel.
//!
//! A probe counts where a function starts, the kernel where it is about to end, or the reverse. A CPU held up in between
//! (by an interrupt, by its hypervisor) makes the two differ, by one for each call in flight, and for as long as it is
//! held up: a quarter of a second has been seen on a virtual machine short of CPU time. A hit that was lost leaves a
//! difference that persists. So a difference no larger than the number of calls that can be in flight is confirmed only
//! after it has persisted for a while; a larger one at once.

use crate::text::Text;
use std::{collections::BTreeMap, time::Duration};

use crate::model::record::{Check, Verdict};

/// How long a small difference must persist, in one direction, before it is confirmed.
pub const CONFIRMED_AFTER: Duration = Duration::from_secs(1);

/// What is known about the differences of each check, by its name.
#[derive(Clone, Debug, Default)]
pub struct Grace {
    of: BTreeMap<Text, Difference>,
    concluded: bool,
}

#[derive(Clone, Debug, Default)]
struct Difference {
    /// By how much the kernel was behind the probe when the first reading was taken.
    offset: i64,
    /// Probe and kernel have agreed since the first reading, which was a good one therefore.
    agreed: bool,
    outside: Option<Outside>,
}

/// An unbroken series of differences in one direction.
#[derive(Clone, Copy, Debug)]
struct Outside {
    since: Duration,
    residual: i64,
    constant: bool,
}

impl Grace {
    /// What is to be added to the kernel's difference because calls were in flight at the first
    /// reading, from which differences count.
    #[must_use]
    pub fn offset(&self, check: &str) -> i64 {
        self.of.get(check).map_or(0, |difference| difference.offset)
    }

    /// No reading will follow the next one: what differs then is confirmed.
    pub fn conclude(&mut self) {
        self.concluded = true;
    }

    /// Turns mismatches that calls in flight may explain, of which there can be `in_flight`, into `within_bracket`.
    pub fn apply(&mut self, checks: &mut [Check], now: Duration, in_flight: u64) {
        for check in checks {
            let Some(residual) = check.residual else {
                continue;
            };
            let difference = self.of.entry(check.name.clone()).or_default();
            if check.verdict == Verdict::Mismatch {
                difference.apply(check, residual, now, in_flight, self.concluded);
            } else {
                difference.outside = None;
                difference.agreed |= residual == 0;
            }
            if check.reason.is_none() && difference.offset != 0 {
                check.reason = Some(at_the_first_reading(difference.offset).into());
            }
        }
    }
}

impl Difference {
    fn apply(
        &mut self,
        check: &mut Check,
        residual: i64,
        now: Duration,
        in_flight: u64,
        concluded: bool,
    ) {
        let outside = match self.outside {
            Some(before) if before.residual.signum() == residual.signum() => Outside {
                constant: before.constant && before.residual == residual,
                ..before
            },
            _ => Outside {
                since: now,
                residual,
                constant: true,
            },
        };
        self.outside = Some(outside);
        if residual.unsigned_abs() > in_flight {
            return;
        }
        let confirmed = now.saturating_sub(outside.since) >= CONFIRMED_AFTER || concluded;
        let reason = if !confirmed {
            format!("{} may be in flight", calls(residual))
        } else if !self.agreed && outside.constant {
            // It has been there from the start: the first reading is at fault, not the probes.
            self.offset += residual;
            self.outside = None;
            at_the_first_reading(self.offset)
        } else {
            return;
        };
        check.verdict = Verdict::WithinBracket;
        check.reason = Some(reason.into());
    }
}

fn at_the_first_reading(offset: i64) -> String {
    let were = if offset.unsigned_abs() == 1 {
        "was"
    } else {
        "were"
    };
    format!("{} {were} in flight at the first reading", calls(offset))
}

fn calls(residual: i64) -> String {
    match residual.unsigned_abs() {
        1 => "1 call".to_owned(),
        n => format!("{n} calls"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNDER_WAY: u64 = 4;

    /// A check whose probe is off by `residual`.
    fn check(residual: i64) -> Check {
        Check {
            name: "entries_balance".into(),
            probe: Some(100 + residual),
            kernel_low: Some(100),
            kernel_high: Some(100),
            residual: Some(residual),
            verdict: if residual == 0 {
                Verdict::Exact
            } else {
                Verdict::Mismatch
            },
            reason: None,
        }
    }

    /// The verdicts of a series of readings: when, in milliseconds, and how far off (before the
    /// offset that weighing finds).
    fn verdicts(readings: &[(u64, i64)]) -> Vec<Verdict> {
        let mut grace = Grace::default();
        readings
            .iter()
            .map(|&(ms, residual)| {
                let residual = residual - grace.offset("entries_balance");
                let mut checks = [check(residual)];
                grace.apply(&mut checks, Duration::from_millis(ms), UNDER_WAY);
                checks[0].verdict
            })
            .collect()
    }

    use Verdict::{Exact, Mismatch, WithinBracket};

    #[test]
    fn a_call_in_flight_ends() {
        assert_eq!(
            verdicts(&[(0, 0), (200, -1), (400, -1), (600, 0), (800, 1), (1000, 0)]),
            [
                Exact,
                WithinBracket,
                WithinBracket,
                Exact,
                WithinBracket,
                Exact
            ]
        );
    }

    #[test]
    fn a_lost_hit_stays_and_is_believed() {
        assert_eq!(
            verdicts(&[(0, 0), (200, -1), (700, -1), (1200, -1), (1400, -1)]),
            [Exact, WithinBracket, WithinBracket, Mismatch, Mismatch]
        );
    }

    #[test]
    fn more_than_can_be_under_way_is_believed_at_once() {
        assert_eq!(verdicts(&[(0, 0), (200, -5)]), [Exact, Mismatch]);
    }

    #[test]
    fn what_changes_direction_has_not_stood() {
        assert_eq!(
            verdicts(&[(0, 0), (100, 1), (900, -1), (1500, -1), (1900, -1)])[3..],
            [WithinBracket, Mismatch]
        );
    }

    #[test]
    fn a_call_in_flight_at_the_first_reading_is_allowed_for() {
        let readings = [(200, -1), (700, -1), (1200, -1), (1400, -1)];
        assert_eq!(
            verdicts(&readings),
            [WithinBracket, WithinBracket, WithinBracket, Exact]
        );
        // And what is lost later is not.
        let lost = [(1600, -2), (2600, -2)];
        assert_eq!(
            verdicts(&[&readings[..], &lost].concat())[4..],
            [WithinBracket, Mismatch]
        );
    }

    #[test]
    fn a_probe_that_loses_from_the_start_is_caught() {
        assert_eq!(
            verdicts(&[(200, -1), (700, -2), (1200, -3)])[2..],
            [Mismatch]
        );
    }

    #[test]
    fn at_the_end_there_is_no_difference() {
        let mut grace = Grace::default();
        grace.apply(&mut [check(0)], Duration::ZERO, UNDER_WAY);
        grace.conclude();
        let mut checks = [check(-1)];
        grace.apply(&mut checks, Duration::from_millis(1), UNDER_WAY);
        assert_eq!(checks[0].verdict, Mismatch);
    }

    #[test]
    fn reasons_are_sentences() {
        let mut grace = Grace::default();
        let mut checks = [check(-2)];
        grace.apply(&mut checks, Duration::ZERO, UNDER_WAY);
        assert_eq!(
            checks[0].reason.as_ref().map(|t| t.raw()),
            Some("2 calls may be in flight")
        );
        checks = [check(-2)];
        grace.apply(&mut checks, CONFIRMED_AFTER, UNDER_WAY);
        assert_eq!(
            checks[0].reason.as_ref().map(|t| t.raw()),
            Some("2 calls were in flight at the first reading")
        );
    }

    proptest! {
        /// Whatever comes and goes meanwhile, what is lost for good ends as a mismatch.
        #[test]
        fn a_lasting_loss_is_always_caught(
            passing in prop::collection::vec(-4i64..=4, 0..20),
            lost in 1i64..10,
        ) {
            let mut readings = vec![0];
            readings.extend(passing);
            readings.extend([-lost; 7]);
            let readings: Vec<_> = (0u64..).step_by(200).zip(readings).collect();
            prop_assert_eq!(verdicts(&readings).pop(), Some(Mismatch));
        }
    }
}
