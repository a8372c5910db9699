//! The whole run of an instance: each counter with its check.

use crate::model::{
    kernel::counters::Counter,
    record::{
        check::{Check, ENTRIES_BALANCE},
        sample::Percentiles,
        summary::{InstanceSummary, Total},
    },
};

/// A counter over the whole run, with all that is known of it.
pub(crate) struct CounterTotal<'a> {
    /// Which one.
    pub counter: Counter,
    /// What was counted.
    pub total: Total,
    /// The check of the two against each other, if they can be compared.
    pub check: Option<&'a Check>,
    /// Distribution of its rate by bucket.
    pub percentiles: Option<&'a Percentiles>,
}

impl InstanceSummary {
    /// The check of entries, if it was made.
    pub(crate) fn entries_balance(&self) -> impl Iterator<Item = &Check> {
        self.crosscheck
            .iter()
            .filter(|check| check.name == ENTRIES_BALANCE)
    }

    /// The counters that probes count, or that rose.
    pub(crate) fn counted(&self) -> impl Iterator<Item = CounterTotal<'_>> {
        let counted = self.totals.iter().filter(|(_, total)| !total.is_still());
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

    /// The names of those that only the kernel counts, and that did not rise.
    pub(crate) fn still(&self) -> impl Iterator<Item = &'static str> {
        let still = self.totals.iter().filter(|(_, total)| total.is_still());
        still.map(|(counter, _)| counter.spec().name)
    }

    /// The checks that say that counts are wrong.
    pub(crate) fn bad_checks(&self) -> impl Iterator<Item = &Check> {
        self.crosscheck
            .iter()
            .filter(|check| check.verdict.is_bad())
    }
}

impl Total {
    fn is_still(&self) -> bool {
        self.probe.is_none() && self.kernel == Some(0)
    }
}
