//! Durations of one instance, from the eBPF programs' histograms to what the summary reports.

pub mod latency;
pub mod lifetimes;

use conntrack_ebpf::ProbeCounter;

pub use self::{
    latency::{CallTimes, Latency},
    lifetimes::Lifetimes,
};
use crate::reading::{durations::Durations, unavailable::Unavailable};

use crate::reading::{
    coverage::Coverage, duration_histogram::DurationHistogram, durations::LifetimeCounts,
    selector::Selector,
};

/// Counters of the programs that also measure lifetimes, `__nf_conntrack_confirm` and `early_drop`: they are available, or not,
/// together with those durations.
const LIFETIMES: Selector = Selector::sum(&[ProbeCounter::Inserted, ProbeCounter::Destroyed]);
const CONFIRM: Selector = Selector::sum(&[ProbeCounter::ConfirmFailed]);
const EARLY_DROP: Selector = Selector::sum(&[ProbeCounter::TableFull]);

/// Why durations of a namespace are not measured although its probes are attached.
const NO_HISTOGRAM: &str =
    "there are more network namespaces than there is memory to measure this for";

impl Durations {
    /// Clears the durations that the probes did not cover.
    #[must_use]
    pub fn covered(self, coverage: &Coverage) -> Self {
        let covered = |source| coverage.missing(source).is_none();
        Self {
            lifetimes: self.lifetimes.filter(|_| covered(LIFETIMES)),
            confirm: self.confirm.filter(|_| covered(CONFIRM)),
            early_drop: self.early_drop.filter(|_| covered(EARLY_DROP)),
        }
    }

    /// Adds the durations of another attachment.
    pub fn add(&mut self, other: &Self) {
        merge(&mut self.lifetimes, &other.lifetimes, LifetimeCounts::add);
        merge(&mut self.confirm, &other.confirm, DurationHistogram::add);
        merge(
            &mut self.early_drop,
            &other.early_drop,
            DurationHistogram::add,
        );
    }

    /// The durations counted since an earlier reading.
    #[must_use]
    pub fn since(self, earlier: &Self) -> Self {
        Self {
            lifetimes: less(self.lifetimes, &earlier.lifetimes, LifetimeCounts::since),
            confirm: less(self.confirm, &earlier.confirm, DurationHistogram::since),
            early_drop: less(
                self.early_drop,
                &earlier.early_drop,
                DurationHistogram::since,
            ),
        }
    }

    /// How long connections lived, or why that is unavailable.
    #[must_use]
    pub fn lifetimes(&self, coverage: &Coverage) -> Lifetimes {
        Lifetimes::new(known(self.lifetimes.as_ref(), coverage, LIFETIMES))
    }

    /// How long functions took, or why that is unavailable.
    #[must_use]
    pub fn latency(&self, coverage: &Coverage) -> Latency {
        Latency {
            confirm: CallTimes::new(known(self.confirm.as_ref(), coverage, CONFIRM)),
            early_drop: CallTimes::new(known(self.early_drop.as_ref(), coverage, EARLY_DROP)),
        }
    }
}

fn merge<T: Clone>(sum: &mut Option<T>, more: &Option<T>, add: fn(&mut T, &T)) {
    match (sum.as_mut(), more) {
        (Some(sum), Some(more)) => add(sum, more),
        (None, Some(more)) => *sum = Some(more.clone()),
        (_, None) => {}
    }
}

fn less<T>(now: Option<T>, earlier: &Option<T>, since: fn(&T, &T) -> T) -> Option<T> {
    now.map(|now| match earlier {
        Some(earlier) => since(&now, earlier),
        None => now,
    })
}

fn known<'a, T>(
    counted: Option<&'a T>,
    coverage: &'a Coverage,
    source: Selector,
) -> Result<&'a T, Unavailable> {
    let no_histogram = || NO_HISTOGRAM.into();
    counted.ok_or_else(|| {
        coverage
            .missing(source)
            .cloned()
            .unwrap_or_else(no_histogram)
    })
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::loglinear::bucket;

    use super::*;

    fn took(ns: u64, times: u64) -> DurationHistogram {
        let mut histogram = DurationHistogram::default();
        histogram.counts[bucket(ns) as usize] = times;
        histogram
    }

    #[test]
    fn uncovered_durations_have_a_reason_and_no_count() {
        let counted = Durations {
            lifetimes: Some(LifetimeCounts::default()),
            confirm: Some(took(1_000, 3)),
            early_drop: Some(DurationHistogram::default()),
        };
        let coverage = Coverage::except(vec![
            (ProbeCounter::Destroyed, "no such function".into()),
            (ProbeCounter::TableFull, "it is inlined".into()),
        ]);
        let covered = counted.covered(&coverage);
        let lifetimes = covered.lifetimes(&coverage);
        assert_eq!((lifetimes.count, lifetimes.unknown), (None, None));
        assert_eq!(
            lifetimes.reason.as_ref().map(|t| t.raw()),
            Some("no such function")
        );
        let latency = covered.latency(&coverage);
        assert_eq!(latency.confirm.count, Some(3));
        assert_eq!(latency.confirm.reason, None);
        assert_eq!(latency.early_drop.count, None);
        assert_eq!(
            latency.early_drop.reason.as_ref().map(|t| t.raw()),
            Some("it is inlined")
        );
    }

    #[test]
    fn calls_are_in_microseconds_and_lifetimes_in_seconds() {
        // Nine of ten are short, and one is long.
        let mut histogram = took(2_000, 9);
        histogram.add(&took(5_000_000_000, 1));
        let near = |found: Option<f64>, expected: f64| {
            assert!(
                found.is_some_and(|found| (found / expected - 1.0).abs() < 0.01),
                "{found:?} is not {expected}"
            );
        };
        let calls = CallTimes::new(Ok(&histogram));
        assert_eq!((calls.count, calls.reason), (Some(10), None));
        near(calls.p50_us, 2.0);
        near(calls.p90_us, 2.0);
        near(calls.p99_us, 5e6);
        near(calls.p999_us, 5e6);
        near(calls.max_us, 5e6);
        let counted = Durations {
            lifetimes: Some(LifetimeCounts {
                histogram,
                unknown: 7,
            }),
            ..Durations::default()
        };
        let lived = counted.lifetimes(&Coverage::except(Vec::new()));
        assert_eq!((lived.count, lived.unknown), (Some(10), Some(7)));
        near(lived.p50_s, 2e-6);
        near(lived.p90_s, 2e-6);
        near(lived.p99_s, 5.0);
        near(lived.p999_s, 5.0);
        near(lived.max_s, 5.0);
    }

    #[test]
    fn zero_calls_have_a_count_and_no_quantiles() {
        let times = CallTimes::new(Ok(&DurationHistogram::default()));
        assert_eq!(
            (times.count, times.p50_us, times.reason),
            (Some(0), None, None)
        );
    }

    /// Probes that are attached, lost and attached again: counts add up, and remain when the probes do not come back.
    #[test]
    fn attachments_add_up() {
        let part = |times| Durations {
            confirm: Some(took(1_000, times)),
            ..Durations::default()
        };
        let mut sum = Durations::default();
        for more in [part(2), Durations::default(), part(3)] {
            sum.add(&more);
        }
        assert_eq!(sum, part(5));
        assert_eq!(sum.clone().since(&part(2)), part(3));
        assert_eq!(sum.since(&Durations::default()), part(5));
    }
}
