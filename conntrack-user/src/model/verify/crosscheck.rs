//! The cross-check of every probe's count against the kernel's own.
//!
//! The probes' totals are read before and after the kernel's counters, so that everything that moved meanwhile is known. This
//! makes the kernel's difference a range, and the probe's difference must be in it. If nothing moved, the range is a single
//! number, and the agreement is exact.

use super::{
    bracket::{kernel_range, value},
    conservation::{Conservation, ENTRIES, LawInputs},
    grace::Grace,
};
use crate::{
    model::{
        kernel::{
            counters::{COUNTERS, CounterSpec, Verify},
            laws::{ENTRIES_BALANCE, Law},
        },
        record::{Check, Verdict},
    },
    reading::{selector::Selector, unavailable::Unavailable},
    text::Text,
};

/// The most entries of a hash chain, which one call may evict (`min_chainlen` and what is drawn on top,
/// `nf_conntrack_hash_check_insert`; 5.15 to 7.3).
const LONGEST_CHAIN: u64 = 80;

/// The inputs of the checks of one reading.
pub struct Comparison<'a> {
    /// The probes' numbers, and the kernel's number of entries.
    pub numbers: LawInputs<'a>,
    /// The number of entries at the first reading.
    pub entries_before: Option<u64>,
    /// What the laws of conservation leave room for.
    pub conservation: &'a Conservation,
    /// The increase of a kernel column since the first reading.
    pub column: &'a dyn Fn(&CounterSpec) -> Result<i64, Unavailable>,
    /// Probe hits that the kernel missed; `None` if it does not count them.
    pub missed: Option<u64>,
    /// The grace period, with the correction of the first reading.
    pub grace: &'a Grace,
}

impl Comparison<'_> {
    /// The laws of conservation, then a check of each counter that probes count. Counters that no column counts are not comparable
    /// yet: [`by_laws::judge`](super::by_laws::judge) judges them by the laws, once calls in flight were taken into account.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let mut checks = vec![self.entries_balance()];
        checks.extend(Law::ALL.map(|law| self.law(law)));
        checks.extend(COUNTERS.iter().filter_map(|spec| {
            let source = spec.probe?;
            let counted = self.numbers.coverage.missing(source).is_none();
            counted.then(|| self.counter(spec, source))
        }));
        checks
    }

    fn law(&self, law: Law) -> Check {
        let name = law.check();
        let allowed = match self.conservation.allowed(law, &self.numbers) {
            Ok(allowed) => allowed,
            Err(reason) => return not_comparable(name, None, reason),
        };
        let offset = self.grace.offset(name);
        let (low, high) = (allowed.low + offset, allowed.high + offset);
        let residual = outside(allowed.probe, low, high);
        let (verdict, reason) = match residual {
            0 if allowed.bracketed => (Verdict::WithinBracket, None),
            0 => (Verdict::Exact, None),
            _ => disagreement(residual, self.missed),
        };
        Check {
            name: name.into(),
            probe: Some(allowed.probe),
            kernel_low: Some(low),
            kernel_high: Some(high),
            residual: Some(residual),
            verdict,
            reason: reason.map(Text::from),
        }
    }

    fn entries_balance(&self) -> Check {
        let kernel = match self.numbers.coverage.missing(ENTRIES) {
            Some(reason) => Err(format!("needs its probes: {reason}").into()),
            None => {
                let entries = self.entries_before.zip(self.numbers.entries);
                entries
                    .map(|(before, now)| signed(now) - signed(before))
                    .ok_or_else(|| "the kernel's number of entries cannot be read".into())
            }
        };
        self.check(ENTRIES_BALANCE, ENTRIES, kernel, self.numbers.unseen_drops)
    }

    fn counter(&self, spec: &CounterSpec, source: Selector) -> Check {
        let column = match spec.verify {
            Verify::ProbeOnly => Err(Unavailable::from("no kernel counts it")),
            Verify::KernelOnly => Err("counted by the kernel alone".into()),
            Verify::Equality => (self.column)(spec),
            Verify::PartOf(whole) => return self.part(spec, source, whole.spec()),
        };
        match column {
            Err(reason) => not_comparable(spec.name, Some(self.risen(source)), reason),
            Ok(column) => {
                let mut check = self.check(spec.name, source, Ok(column), 0);
                if spec.many_at_once {
                    excuse_by_missed_calls(&mut check, self.missed);
                }
                check
            }
        }
    }

    /// A counter of which the kernel counts no more than the whole: the probes' count must not exceed that. A call in flight at the
    /// first reading may have been counted there by the kernel, and later by the probes.
    fn part(&self, spec: &CounterSpec, source: Selector, whole: &CounterSpec) -> Check {
        let probe = self.risen(source);
        let kernel = match (self.column)(whole) {
            Ok(kernel) => kernel,
            Err(reason) => return not_comparable(spec.name, Some(probe), reason),
        };
        let (_, high) = kernel_range(source, self.numbers.base, self.numbers.now, kernel);
        let residual = outside(probe, 0, high + signed(self.numbers.in_flight));
        let (verdict, reason) = judge(probe, 0, high, residual, self.missed);
        Check {
            name: spec.name.into(),
            probe: Some(probe),
            kernel_low: Some(0),
            kernel_high: Some(high),
            residual: Some(residual),
            verdict,
            reason: reason.map(Text::from),
        }
    }

    /// How far the probes' count has risen since the first reading.
    fn risen(&self, source: Selector) -> i64 {
        value(source, &self.numbers.now.after) - value(source, &self.numbers.base.after)
    }

    /// `unseen`: the number of the probes' events that may have failed without their knowledge.
    fn check(
        &self,
        name: &'static str,
        source: Selector,
        kernel: Result<i64, Unavailable>,
        unseen: u64,
    ) -> Check {
        let probe = self.risen(source);
        let kernel = match kernel {
            Ok(kernel) => kernel + self.grace.offset(name),
            Err(reason) => return not_comparable(name, Some(probe), reason),
        };
        let (low, high) = kernel_range(source, self.numbers.base, self.numbers.now, kernel);
        let residual = outside(probe, low, high);
        let (verdict, reason) = if residual > 0 && residual.unsigned_abs() <= unseen {
            let reason = format!("up to {unseen} allocations may have failed for lack of memory");
            (Verdict::WithinBracket, Some(reason))
        } else {
            judge(probe, low, high, residual, self.missed)
        };
        Check {
            name: name.into(),
            probe: Some(probe),
            kernel_low: Some(low),
            kernel_high: Some(high),
            residual: Some(residual),
            verdict,
            reason: reason.map(Text::from),
        }
    }
}

fn not_comparable(name: &'static str, probe: Option<i64>, reason: Unavailable) -> Check {
    Check {
        name: name.into(),
        probe,
        kernel_low: None,
        kernel_high: None,
        residual: None,
        verdict: Verdict::NotComparable,
        reason: Some(reason.into_reason()),
    }
}

/// How far a number is outside a range; negative below it.
fn outside(number: i64, low: i64, high: i64) -> i64 {
    number - number.max(low).min(high)
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

fn judge(
    probe: i64,
    low: i64,
    high: i64,
    residual: i64,
    missed: Option<u64>,
) -> (Verdict, Option<String>) {
    if low == high && probe == low {
        return (Verdict::Exact, None);
    }
    if residual == 0 {
        return (Verdict::WithinBracket, None);
    }
    disagreement(residual, missed)
}

/// The verdict on a count that is outside its range.
fn disagreement(residual: i64, missed: Option<u64>) -> (Verdict, Option<String>) {
    match missed {
        Some(missed) if residual.unsigned_abs() <= missed => (
            Verdict::Undercount,
            Some(format!("the kernel missed {missed} probe hits")),
        ),
        Some(missed) => (
            Verdict::Mismatch,
            Some(format!(
                "the kernel reports only {missed} missed probe hits"
            )),
        ),
        None => (
            Verdict::Mismatch,
            Some("this kernel does not tell how many probe hits it missed".to_owned()),
        ),
    }
}

/// Of a counter that counts a whole chain in one call, a missed hit may be many events.
fn excuse_by_missed_calls(check: &mut Check, missed: Option<u64>) {
    let missed = missed.unwrap_or_default();
    let lacking = check.residual.filter(|residual| residual.is_negative());
    let explained = missed.saturating_mul(LONGEST_CHAIN);
    if check.verdict == Verdict::Mismatch
        && lacking.is_some_and(|residual| residual.unsigned_abs() <= explained)
    {
        check.verdict = Verdict::Undercount;
        let reason = format!("the kernel missed {missed} probe hits, each of one event or several");
        check.reason = Some(reason.into());
    }
}

#[cfg(test)]
mod tests;
