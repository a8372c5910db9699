//! The whole run of an instance: each counter with its check.

use crate::model::{
    kernel::counters::Counter,
    record::{
        check::{Check, ENTRIES_BALANCE},
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
    /// The check of entries, if it was made.
    pub(crate) fn entries_balance(&self) -> impl Iterator<Item = &Check> {
        self.crosscheck
            .iter()
            .filter(|check| check.name == ENTRIES_BALANCE)
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
