//! Lengths of time, as the programs count them.

use crate::reading::lengths::Lengths;

/// The programs' counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LifetimeCounts {
    /// How long connections lived.
    pub lengths: Lengths,
    /// Connections whose begin was not seen.
    pub unknown: u64,
}

impl LifetimeCounts {
    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.lengths.add(&other.lengths);
        self.unknown += other.unknown;
    }

    /// What has been counted since an earlier reading.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            lengths: self.lengths.since(&earlier.lengths),
            unknown: self.unknown.saturating_sub(earlier.unknown),
        }
    }
}

/// Counts of lengths of time; `None` of what is not counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durations {
    /// How long connections lived.
    pub lifetimes: Option<LifetimeCounts>,
    /// Calls of `__nf_conntrack_confirm`.
    pub confirm: Option<Lengths>,
    /// Calls of `early_drop`.
    pub early_drop: Option<Lengths>,
}
