//! Durations of one instance since the start of the run, over all attachments of the probes.

use crate::{
    model::durations::{latency::Latency, lifetimes::Lifetimes},
    reading::{coverage::Coverage, durations::Durations},
};

/// The durations counted since the start of the run.
#[derive(Debug, Default)]
pub(super) struct DurationTotals {
    /// The durations of earlier attachments.
    carried: Durations,
    /// The first and the last reading of the current attachment.
    attached: Option<(Durations, Durations)>,
}

impl DurationTotals {
    /// Adds the durations of the current attachment, as far as `coverage` includes them.
    pub(super) fn add(&mut self, counted: Option<&Durations>, coverage: &Coverage) {
        let Some(counted) = counted.map(|counted| counted.clone().covered(coverage)) else {
            return;
        };
        match &mut self.attached {
            Some((_, last)) => *last = counted,
            None => self.attached = Some((counted.clone(), counted)),
        }
    }

    /// Ends the current attachment: the next one counts from 0.
    pub(super) fn detach(&mut self) {
        self.carried = self.sum();
        self.attached = None;
    }

    /// The lifetimes of connections, or why they are unknown.
    pub(super) fn lifetimes(&self, coverage: &Coverage) -> Lifetimes {
        self.sum().lifetimes(coverage)
    }

    /// The times spent in functions, or why they are unknown.
    pub(super) fn latency(&self, coverage: &Coverage) -> Latency {
        self.sum().latency(coverage)
    }

    fn sum(&self) -> Durations {
        let mut sum = self.carried.clone();
        if let Some((first, last)) = &self.attached {
            sum.add(&last.clone().since(first));
        }
        sum
    }
}
