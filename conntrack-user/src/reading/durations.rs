//! Durations that the eBPF programs measure: lifetimes of connections, and the time that kernel functions take.

use crate::reading::duration_histogram::DurationHistogram;

/// Lifetimes of connections that have ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifetimeCounts {
    /// How long connections lived whose start was seen.
    pub histogram: DurationHistogram,
    /// How many ended whose start was not seen, so that their lifetime is unknown.
    pub unknown: u64,
}

impl LifetimeCounts {
    /// Adds the counts of another CPU, instance or attachment.
    pub fn add(&mut self, other: &Self) {
        self.histogram.add(&other.histogram);
        self.unknown += other.unknown;
    }

    /// What has been counted since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            histogram: self.histogram.since(&earlier.histogram),
            unknown: self.unknown.saturating_sub(earlier.unknown),
        }
    }
}

/// All durations measured for an instance; `None` for what is not measured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// Lifetimes of connections.
    pub lifetimes: Option<LifetimeCounts>,
    /// How long calls of `__nf_conntrack_confirm` took.
    pub confirm: Option<DurationHistogram>,
    /// How long calls of `early_drop` took.
    pub early_drop: Option<DurationHistogram>,
}
