//! Probes' totals read before and after the kernel's own numbers, so that what moved meanwhile is known.

use conntrack_ebpf::ProbeCounter;

use crate::reading::{
    probes::{ProbeReading, ProbeTotals},
    selector::Selector,
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

/// The value of a counter in these totals.
pub(super) fn value(source: Selector, totals: &ProbeTotals) -> i64 {
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
pub(super) fn kernel_range(
    source: Selector,
    base: &Bracket,
    now: &Bracket,
    kernel: i64,
) -> (i64, i64) {
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

/// The least by which a counter can have risen between the readings of the kernel inside two brackets.
pub(super) fn least(source: Selector, base: &Bracket, now: &Bracket) -> i64 {
    rise(source.plus, &base.after, &now.before) - rise(source.minus, &base.before, &now.after)
}

/// The largest rise that is possible between them.
pub(super) fn most(source: Selector, base: &Bracket, now: &Bracket) -> i64 {
    rise(source.plus, &base.before, &now.after) - rise(source.minus, &base.after, &now.before)
}

fn rise(counters: &[ProbeCounter], from: &ProbeTotals, to: &ProbeTotals) -> i64 {
    sum(counters, |i| to[i]) - sum(counters, |i| from[i])
}
