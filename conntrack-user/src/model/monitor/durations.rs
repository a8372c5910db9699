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

#[cfg(test)]
mod tests {
    use conntrack_ebpf::loglinear::bucket;

    use super::*;
    use crate::reading::{duration_histogram::DurationHistogram, durations::LifetimeCounts};

    fn counted(times: u64) -> Durations {
        let mut histogram = DurationHistogram::default();
        histogram.counts[bucket(1_000) as usize] = times;
        Durations {
            lifetimes: Some(LifetimeCounts {
                histogram: histogram.clone(),
                unknown: 2 * times,
            }),
            confirm: Some(histogram),
            early_drop: None,
        }
    }

    #[test]
    fn each_attachment_counts_from_its_first_reading() {
        let all = Coverage::except(Vec::new());
        let mut totals = DurationTotals::default();
        let mut observe = |readings: &[u64]| {
            for times in readings {
                totals.add(Some(&counted(*times)), &all);
                totals.add(None, &all);
            }
            let (lived, took) = (totals.lifetimes(&all), totals.latency(&all));
            totals.detach();
            (lived.count, lived.unknown, took.confirm.count)
        };
        assert_eq!(observe(&[]), (None, None, None));
        assert_eq!(observe(&[2, 4, 5]), (Some(3), Some(6), Some(3)));
        assert_eq!(observe(&[10, 14]), (Some(7), Some(14), Some(7)));
        assert_eq!(observe(&[]), (Some(7), Some(14), Some(7)));
    }

    #[test]
    fn what_is_not_covered_is_not_counted() {
        let none = Coverage::none("no kprobes");
        let mut totals = DurationTotals::default();
        totals.add(Some(&counted(1)), &none);
        totals.add(Some(&counted(3)), &none);
        assert_eq!(totals.lifetimes(&none).count, None);
        assert_eq!(totals.lifetimes(&none).reason, Some("no kprobes".into()));
    }
}
