//! The cross-check of every probe's count against the kernel's own.
//!
//! The probes' totals are read before and after the kernel's counters, so that everything that moved meanwhile is known. This
//! makes the kernel's difference a range, and the probe's difference must be in it. If nothing moved, the range is a single
//! number, and the agreement is exact.

use crate::{reading::unavailable::Unavailable, text::Text};
use conntrack_ebpf::ProbeCounter;

use crate::{
    model::{
        kernel::counters::{COUNTERS, CounterSpec, Verify},
        record::{Check, ENTRIES_BALANCE, Verdict},
        verify::grace::Grace,
    },
    reading::{
        coverage::Coverage,
        probes::{ProbeReading, ProbeTotals},
        selector::Selector,
    },
};

/// The probes' totals before and after a reading of the kernel.
#[derive(Clone, Copy, Debug)]
pub struct Bracket {
    pub before: ProbeTotals,
    pub after: ProbeTotals,
}

impl From<&ProbeReading> for Bracket {
    fn from(reading: &ProbeReading) -> Self {
        Self {
            before: reading.before,
            after: reading.after,
        }
    }
}

/// The inputs of the checks of one reading.
pub struct Comparison<'a> {
    /// The first reading after the probes were attached.
    pub base: &'a Bracket,
    /// The reading to judge.
    pub now: &'a Bracket,
    /// The kernel's number of entries minus that of the first reading.
    pub entries: Option<i64>,
    /// The increase of a kernel column since the first reading.
    pub column: &'a dyn Fn(&CounterSpec) -> Result<i64, Unavailable>,
    /// The probes that count.
    pub coverage: &'a Coverage,
    /// Probe hits that the kernel missed; `None` if it does not count them.
    pub missed: Option<u64>,
    /// Drops that the kernel counted and the probes cannot explain. They include allocations that failed for lack of memory,
    /// which a probe on the entry of the allocation cannot see.
    pub unexplained_drops: u64,
    /// The grace period, with the correction of the first reading.
    pub grace: &'a Grace,
}

impl Comparison<'_> {
    /// The balance of entries, then a check of each counter that probes count.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let counters = COUNTERS.iter().filter_map(|spec| {
            let source = spec.probe?;
            let counted = self.coverage.missing(source).is_none();
            counted.then(|| self.counter(spec, source))
        });
        std::iter::once(self.entries_balance())
            .chain(counters)
            .collect()
    }

    fn entries_balance(&self) -> Check {
        use conntrack_ebpf::ProbeCounter::{AllocCall, Free, TableFull};
        const SOURCE: Selector = Selector::sum(&[AllocCall]).less(&[TableFull, Free]);
        let kernel = match self.coverage.missing(SOURCE) {
            Some(reason) => Err(format!("needs its probes: {reason}").into()),
            None => self
                .entries
                .ok_or_else(|| "the kernel's number of entries cannot be read".into()),
        };
        self.check(ENTRIES_BALANCE, SOURCE, kernel, self.unexplained_drops)
    }

    fn counter(&self, spec: &CounterSpec, source: Selector) -> Check {
        let kernel = match spec.verify {
            Verify::Conservation => Err(format!("verified together as {ENTRIES_BALANCE}").into()),
            Verify::ProbeOnly => Err("no kernel counts it".into()),
            Verify::KernelOnly => Err("counted by the kernel alone".into()),
            Verify::Equality => (self.column)(spec),
        };
        self.check(spec.name, source, kernel, 0)
    }

    /// `unseen`: the number of the probes' events that may have failed without their knowledge.
    fn check(
        &self,
        name: &'static str,
        source: Selector,
        kernel: Result<i64, Unavailable>,
        unseen: u64,
    ) -> Check {
        let probe = value(source, &self.now.after) - value(source, &self.base.after);
        let kernel = match kernel {
            Ok(kernel) => kernel + self.grace.offset(name),
            Err(reason) => {
                return Check {
                    name: name.into(),
                    probe: Some(probe),
                    kernel_low: None,
                    kernel_high: None,
                    residual: None,
                    verdict: Verdict::NotComparable,
                    reason: Some(reason.into_reason()),
                };
            }
        };
        let (low, high) = kernel_range(source, self.base, self.now, kernel);
        let residual = if probe < low {
            probe - low
        } else if probe > high {
            probe - high
        } else {
            0
        };
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

/// The value of a counter in these totals.
fn value(source: Selector, totals: &ProbeTotals) -> i64 {
    sum(source.plus, |i| totals[i]) - sum(source.minus, |i| totals[i])
}

/// A sum over counters by index. It cannot wrap in practice: counters are u64.
fn sum(counters: &[ProbeCounter], of: impl Fn(usize) -> u64) -> i64 {
    let sum: u64 = counters.iter().map(|counter| of(counter.index())).sum();
    i64::try_from(sum).unwrap_or(i64::MAX)
}

/// The range in which the kernel's number can have increased between the ends of two brackets, given the difference of what was
/// read inside them.
///
/// The kernel's value at the end of a bracket is at least the value read minus all decrements during the bracket, and at most the
/// value read plus all increments; the probes count both.
fn kernel_range(source: Selector, base: &Bracket, now: &Bracket, kernel: i64) -> (i64, i64) {
    let moved = |bracket: &Bracket, counters: &[ProbeCounter]| {
        sum(counters, |i| {
            bracket.after[i].saturating_sub(bracket.before[i])
        })
    };
    (
        kernel - moved(now, source.minus) - moved(base, source.plus),
        kernel + moved(now, source.plus) + moved(base, source.minus),
    )
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

#[cfg(test)]
mod tests {
    use crate::model::record::worst;
    use conntrack_ebpf::COUNTER_SLOTS;
    use proptest::prelude::*;

    use super::*;

    fn totals(alloc: u64, free: u64) -> ProbeTotals {
        let mut totals = [0; COUNTER_SLOTS];
        totals[ProbeCounter::AllocCall.index()] = alloc;
        totals[ProbeCounter::Free.index()] = free;
        totals
    }

    fn balance(
        base: [(u64, u64); 2],
        now: [(u64, u64); 2],
        entries: i64,
        missed: Option<u64>,
    ) -> Check {
        let bracket = |[before, after]: [(u64, u64); 2]| Bracket {
            before: totals(before.0, before.1),
            after: totals(after.0, after.1),
        };
        Comparison {
            base: &bracket(base),
            now: &bracket(now),
            entries: Some(entries),
            column: &|_| Err("dead".into()),
            coverage: &Coverage::except(Vec::new()),
            missed,
            unexplained_drops: 0,
            grace: &Grace::default(),
        }
        .checks()
        .remove(0)
    }

    const ZERO: [(u64, u64); 2] = [(0, 0); 2];

    #[test]
    fn equal_and_unmoving_is_exact() {
        let check = balance(ZERO, [(50, 20), (50, 20)], 30, Some(0));
        assert_eq!(check.verdict, Verdict::Exact);
        assert_eq!(check.residual, Some(0));
    }

    #[test]
    fn what_moves_while_reading_widens_the_range_and_no_more() {
        let moving = [(50, 20), (53, 24)];
        for (entries, verdict) in [
            (24, Verdict::Mismatch),
            (26, Verdict::WithinBracket),
            (33, Verdict::WithinBracket),
            (34, Verdict::Mismatch),
        ] {
            let check = balance(ZERO, moving, entries, Some(0));
            assert_eq!(check.verdict, verdict, "entries {entries}: {check:?}");
        }
    }

    #[test]
    fn missed_hits_explain_only_as_much_as_was_missed() {
        let still = [(47, 20), (47, 20)];
        assert_eq!(
            balance(ZERO, still, 30, Some(3)).verdict,
            Verdict::Undercount
        );
        assert_eq!(balance(ZERO, still, 30, Some(2)).verdict, Verdict::Mismatch);
        let hidden = balance(ZERO, still, 30, None);
        assert_eq!(hidden.verdict, Verdict::Mismatch);
        assert!(
            hidden
                .reason
                .is_some_and(|r| r.raw().contains("does not tell"))
        );
        assert_eq!(balance(ZERO, still, 30, Some(3)).residual, Some(-3));
    }

    #[test]
    fn dead_columns_are_not_comparable_and_say_why() {
        let comparison = Comparison {
            base: &Bracket {
                before: totals(0, 0),
                after: totals(0, 0),
            },
            now: &Bracket {
                before: totals(1, 0),
                after: totals(1, 0),
            },
            entries: Some(1),
            column: &|_| Err("dead".into()),
            coverage: &Coverage::except(Vec::new()),
            missed: Some(0),
            unexplained_drops: 0,
            grace: &Grace::default(),
        };
        let checks = comparison.checks();
        let inserted = checks.iter().find(|c| c.name == "inserted").unwrap();
        assert_eq!(inserted.verdict, Verdict::NotComparable);
        assert_eq!(inserted.reason.as_ref().map(|t| t.raw()), Some("dead"));
        assert_eq!(worst(&checks), Some(Verdict::Exact));
    }

    proptest! {
        /// A correct probe always passes, whatever moves between the three readings.
        #[test]
        fn a_faithful_probe_always_passes(
            steps in prop::collection::vec((0u64..100, 0u64..100), 6)
        ) {
            // Six consecutive periods: up to P1, K and P2 of the first reading, then of the current one.
            let mut sums = Vec::new();
            let (mut alloc, mut free) = (0, 0);
            for (a, f) in steps {
                alloc += a;
                free += f;
                sums.push((alloc, free));
            }
            let entries = |(alloc, free): (u64, u64)| i64::try_from(alloc).unwrap() - i64::try_from(free).unwrap();
            let check = balance(
                [sums[0], sums[2]],
                [sums[3], sums[5]],
                entries(sums[4]) - entries(sums[1]),
                Some(0),
            );
            prop_assert!(check.verdict <= Verdict::WithinBracket, "{:?}", check);
        }

        /// A probe that loses more hits than moved during the reading is always detected.
        #[test]
        fn a_lossy_probe_is_caught(made in 1u64..100_000, lost in 1u64..1000, moving in 0u64..50) {
            let lost = lost.min(made) + moving;
            let seen = (made + 2 * moving).saturating_sub(lost);
            let entries = i64::try_from(made + 2 * moving).unwrap();
            let before = seen.saturating_sub(moving);
            let check = balance(ZERO, [(before, 0), (seen, 0)], entries + 1, Some(0));
            prop_assert_eq!(check.verdict, Verdict::Mismatch);
        }
    }
}
