//! The grace period for differences between probe and kernel.
//!
//! A probe counts at the entry of a function, the kernel near its end, or the other way round. A call in flight on a CPU that was
//! delayed (by an interrupt, or by its hypervisor) makes the two differ by one, for as long as the delay lasts; a quarter of a
//! second was measured on a virtual machine short of CPU time. A lost hit makes a difference that persists. So a difference that
//! is no larger than the possible number of calls in flight is only confirmed after it has persisted for a while; a larger one at
//! once. Where one call counts many, at its end, there is no such number: then every difference must persist.

use crate::text::Text;
use std::{collections::BTreeMap, time::Duration};

use crate::model::{
    kernel::counters::named,
    record::{Check, Verdict},
};

/// How long a small difference must persist, in one direction, before it is confirmed.
pub const CONFIRMED_AFTER: Duration = Duration::from_secs(1);

/// The differences of each check so far, by its name.
#[derive(Clone, Debug, Default)]
pub struct Grace {
    of: BTreeMap<Text, Difference>,
    concluded: bool,
}

#[derive(Clone, Debug, Default)]
struct Difference {
    /// How far the kernel was behind the probe at the first reading.
    offset: i64,
    /// Whether probe and kernel have agreed since the first reading. If so, that had no calls in flight.
    agreed: bool,
    outside: Option<Outside>,
}

/// What calls in flight can account for.
#[derive(Clone, Copy)]
struct Allowance {
    /// How many calls can be in flight.
    in_flight: u64,
    /// Whether each of them may count any number.
    many_at_once: bool,
}

/// A difference that persists in one direction.
#[derive(Clone, Copy, Debug)]
struct Outside {
    since: Duration,
    residual: i64,
    constant: bool,
}

impl Grace {
    /// The correction of the kernel's difference for calls that were in flight at the first reading, from which differences are
    /// computed.
    #[must_use]
    pub fn offset(&self, check: &str) -> i64 {
        self.of.get(check).map_or(0, |difference| difference.offset)
    }

    /// Confirms all differences of the next reading, which is the last one.
    pub fn conclude(&mut self) {
        self.concluded = true;
    }

    /// Turns mismatches that up to `in_flight` calls in flight can explain into `within_bracket`.
    pub fn apply(&mut self, checks: &mut [Check], now: Duration, in_flight: u64) {
        for check in checks {
            let Some(residual) = check.residual else {
                continue;
            };
            let difference = self.of.entry(check.name.clone()).or_default();
            let many_at_once = named(check.name.raw()).is_some_and(|spec| spec.many_at_once);
            if check.verdict == Verdict::Mismatch {
                let allowance = Allowance {
                    in_flight,
                    many_at_once,
                };
                difference.apply(check, residual, now, allowance, self.concluded);
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
        allowance: Allowance,
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
        let single_calls = residual.unsigned_abs() <= allowance.in_flight;
        if !single_calls && !allowance.many_at_once {
            return;
        }
        let confirmed = now.saturating_sub(outside.since) >= CONFIRMED_AFTER || concluded;
        let reason = if !confirmed {
            if single_calls {
                format!("{} may be in flight", calls(residual))
            } else {
                format!("{} may be of calls in flight", residual.unsigned_abs())
            }
        } else if single_calls && !self.agreed && outside.constant {
            // It has been there from the start, so the first reading is off, and not the probes.
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

    /// The verdicts of a series of readings, each with its time in milliseconds and its difference before the correction.
    fn verdicts(readings: &[(u64, i64)]) -> Vec<Verdict> {
        verdicts_on("entries_balance", readings)
    }

    fn verdicts_on(name: &'static str, readings: &[(u64, i64)]) -> Vec<Verdict> {
        let mut grace = Grace::default();
        readings
            .iter()
            .map(|&(ms, residual)| {
                let residual = residual - grace.offset(name);
                let mut checks = [Check {
                    name: name.into(),
                    ..check(residual)
                }];
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
    fn a_lost_hit_persists_and_is_confirmed() {
        assert_eq!(
            verdicts(&[(0, 0), (200, -1), (700, -1), (1200, -1), (1400, -1)]),
            [Exact, WithinBracket, WithinBracket, Mismatch, Mismatch]
        );
    }

    #[test]
    fn more_than_can_be_in_flight_is_confirmed_at_once() {
        assert_eq!(verdicts(&[(0, 0), (200, -5)]), [Exact, Mismatch]);
    }

    #[test]
    fn a_call_that_evicts_a_whole_chain_ends_too() {
        // A call counts its evictions at its end; one that was lost among them persists.
        assert_eq!(
            verdicts_on(
                "early_drop",
                &[(0, 0), (200, 14), (400, 0), (600, 9), (1000, 9), (1700, 9)]
            ),
            [
                Exact,
                WithinBracket,
                Exact,
                WithinBracket,
                WithinBracket,
                Mismatch
            ]
        );
        // What is off from the start on is no call in flight, if it is more than calls.
        assert_eq!(
            verdicts_on("early_drop", &[(0, 14), (500, 14), (1000, 14), (1500, 14)]),
            [WithinBracket, WithinBracket, Mismatch, Mismatch]
        );
    }

    #[test]
    fn a_difference_that_changes_direction_has_not_persisted() {
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
        // But a hit that is lost later is not.
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
    fn the_last_reading_has_no_grace_period() {
        let mut grace = Grace::default();
        grace.apply(&mut [check(0)], Duration::ZERO, UNDER_WAY);
        grace.conclude();
        let mut checks = [check(-1)];
        grace.apply(&mut checks, Duration::from_millis(1), UNDER_WAY);
        assert_eq!(checks[0].verdict, Mismatch);
    }

    #[test]
    fn a_reason_is_given_where_there_is_something_to_explain() {
        let mut grace = Grace::default();
        let reason = |grace: &mut Grace, check: Check, ms| {
            let mut checks = [check];
            grace.apply(&mut checks, Duration::from_millis(ms), UNDER_WAY);
            let reason = checks[0].reason.take();
            reason.map(|reason| reason.raw().to_owned())
        };
        assert_eq!(reason(&mut grace, check(0), 0), None);
        let mut grace = Grace::default();
        reason(&mut grace, check(-1), 0);
        reason(&mut grace, check(-1), 1_000);
        assert_eq!(
            reason(&mut grace, check(0), 1_200).as_deref(),
            Some("1 call was in flight at the first reading")
        );
        // What is wrong now matters more.
        let wrong = Check {
            reason: Some("another".into()),
            ..check(-9)
        };
        assert_eq!(reason(&mut grace, wrong, 1_400).as_deref(), Some("another"));
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
        /// A lost hit always ends as a mismatch, whatever else comes and goes meanwhile.
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
