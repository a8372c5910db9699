//! The whole run of an instance: each counter with its check.

use crate::model::{
    kernel::{
        counters::Counter,
        laws::{ENTRIES_BALANCE, Law},
    },
    record::{
        check::{Check, Verdict},
        sample::Percentiles,
        summary::{InstanceSummary, Total},
    },
};

/// A counter over the whole run, with everything that is known of it.
pub(crate) struct CounterTotal<'a> {
    pub counter: Counter,
    /// The totals of probes and kernel.
    pub total: Total,
    /// The check of the two against each other, if they are comparable.
    pub check: Option<&'a Check>,
    /// The distribution of its per-bucket rate.
    pub percentiles: Option<&'a Percentiles>,
}

impl InstanceSummary {
    /// The check of entries, if it was made, and those of the other laws of conservation that are broken.
    pub(crate) fn balances(&self) -> impl Iterator<Item = &Check> {
        let broken = |check: &Check| {
            let is_law = Law::ALL.iter().any(|law| check.name == *law.check());
            is_law && check.verdict > Verdict::WithinBracket
        };
        self.crosscheck
            .iter()
            .filter(move |check| check.name == *ENTRIES_BALANCE || broken(check))
    }

    /// The counters that probes count, and those of the kernel that are not 0.
    pub(crate) fn counted(&self) -> impl Iterator<Item = CounterTotal<'_>> {
        let counted = self
            .totals
            .iter()
            .filter(|(_, total)| !total.is_unchanged());
        counted.map(|(counter, total)| {
            let name = counter.spec().name;
            CounterTotal {
                counter,
                total: *total,
                check: self.crosscheck.iter().find(|check| check.name == name),
                percentiles: self.histograms.get(counter),
            }
        })
    }

    /// The names of counters that only the kernel counts and that stayed 0.
    pub(crate) fn unchanged(&self) -> impl Iterator<Item = &'static str> {
        let still = self.totals.iter().filter(|(_, total)| total.is_unchanged());
        still.map(|(counter, _)| counter.spec().name)
    }

    /// Whether a check proves the probes' count of a counter wrong.
    pub(crate) fn is_wrong(&self, counter: Counter) -> bool {
        let name = counter.spec().name;
        let mut checks = self.crosscheck.iter();
        checks.any(|check| check.name == *name && check.verdict == Verdict::Mismatch)
    }

    /// The checks that found wrong counts.
    pub(crate) fn bad_checks(&self) -> impl Iterator<Item = &Check> {
        self.crosscheck
            .iter()
            .filter(|check| check.verdict.is_bad())
    }
}

impl Total {
    fn is_unchanged(&self) -> bool {
        self.probe.is_none() && self.kernel == Some(0)
    }
}
