//! Lengths of time since the start of one instance, over every time the probes were attached.

use crate::{
    model::durations::{latency::Latency, lifetimes::Lifetimes},
    reading::{coverage::Coverage, durations::Durations},
};

/// What was counted since the start.
#[derive(Debug, Default)]
pub(super) struct DurationTotals {
    /// What earlier attachments counted.
    carried: Durations,
    /// The first and the last that was read of the present attachment.
    attached: Option<(Durations, Durations)>,
}

impl DurationTotals {
    /// Takes in what the present attachment has counted, of which `coverage` says what can be had.
    pub(super) fn add(&mut self, counted: Option<&Durations>, coverage: &Coverage) {
        let Some(counted) = counted.map(|counted| counted.clone().covered(coverage)) else {
            return;
        };
        match &mut self.attached {
            Some((_, last)) => *last = counted,
            None => self.attached = Some((counted.clone(), counted)),
        }
    }

    /// The present attachment has ended: the next one counts from 0.
    pub(super) fn detach(&mut self) {
        self.carried = self.sum();
        self.attached = None;
    }

    /// How long connections lived; why that is not known, where it is not.
    pub(super) fn lifetimes(&self, coverage: &Coverage) -> Lifetimes {
        self.sum().lifetimes(coverage)
    }

    /// How long functions took, likewise.
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
