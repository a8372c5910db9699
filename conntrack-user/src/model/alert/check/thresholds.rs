//! The thresholds of a check, and what they make of a value.

use crate::model::{
    alert::{ConntrackFull, Level},
    kernel::counters::Counter,
};

/// A status of a check. Its number is the exit status that Nagios expects of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At or below all thresholds.
    Ok = 0,
    /// Above a warning threshold.
    Warning = 1,
    /// Above a critical threshold.
    Critical = 2,
    /// What was to be judged could not be read.
    Unknown = 3,
}

impl Status {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Greater for a worse one.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Unknown => 1,
            Self::Warning => 2,
            Self::Critical => 3,
        }
    }

    /// The worse of two: what is certain comes before what is not known.
    #[must_use]
    pub const fn worse(self, other: Self) -> Self {
        if self.rank() >= other.rank() {
            self
        } else {
            other
        }
    }
}

/// Two thresholds, exclusive: a value at a threshold has not reached it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CheckThresholds {
    /// For [`Status::Warning`].
    pub warn: Option<f64>,
    /// For [`Status::Critical`].
    pub crit: Option<f64>,
}

impl CheckThresholds {
    /// Whether there is any.
    #[must_use]
    pub const fn is_set(self) -> bool {
        self.warn.is_some() || self.crit.is_some()
    }

    /// Whether the warning comes first, as it should.
    #[must_use]
    pub fn are_in_order(self) -> bool {
        !self
            .warn
            .zip(self.crit)
            .is_some_and(|(warn, crit)| warn > crit)
    }

    /// The status of a value, and the threshold that it is above.
    #[must_use]
    pub fn judge(self, value: f64) -> (Status, Option<f64>) {
        let above = |limit: Option<f64>| limit.filter(|limit| value > *limit);
        match (above(self.warn), above(self.crit)) {
            (_, Some(crit)) => (Status::Critical, Some(crit)),
            (Some(warn), None) => (Status::Warning, Some(warn)),
            (None, None) => (Status::Ok, None),
        }
    }
}

/// The kernel's counters of a full table's consequences.
pub const JUDGED_COUNTERS: [Counter; 3] =
    [Counter::Drop, Counter::EarlyDrop, Counter::InsertFailed];

/// All thresholds of a check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckLimits {
    /// In percent of `nf_conntrack_max`.
    pub utilization: CheckThresholds,
    /// As a count, whatever the limit is.
    pub entries: CheckThresholds,
    /// In percent of `nf_conntrack_expect_max`.
    pub expectations: CheckThresholds,
    /// In events per second, of each of [`JUDGED_COUNTERS`].
    pub rates: [CheckThresholds; JUDGED_COUNTERS.len()],
}

impl CheckLimits {
    /// The default warning threshold in percent: that of the alert netfilter_conntrack_full.
    pub const WARN: f64 = raise(ConntrackFull::THRESHOLDS.warning);
    /// The default critical threshold in percent.
    pub const CRIT: f64 = raise(ConntrackFull::THRESHOLDS.critical);
    /// Those of the alert, and no others.
    #[cfg(test)]
    pub const DEFAULT: Self = Self {
        utilization: CheckThresholds {
            warn: Some(Self::WARN),
            crit: Some(Self::CRIT),
        },
        entries: NONE,
        expectations: NONE,
        rates: [NONE; JUDGED_COUNTERS.len()],
    };

    /// Whether a rate is to be judged, which takes two readings.
    #[must_use]
    pub fn has_rates(&self) -> bool {
        self.rates.iter().any(|rate| rate.is_set())
    }
}

#[cfg(test)]
const NONE: CheckThresholds = CheckThresholds {
    warn: None,
    crit: None,
};

/// The threshold of a level; 100 % without one, which is never exceeded.
const fn raise(level: Option<Level>) -> f64 {
    match level {
        Some(level) => level.raise,
        None => 100.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_exclusive() {
        let both = CheckThresholds {
            warn: Some(0.0),
            crit: Some(2.0),
        };
        for (value, expected) in [
            (0.0, (Status::Ok, None)),
            (0.1, (Status::Warning, Some(0.0))),
            (2.0, (Status::Warning, Some(0.0))),
            (2.1, (Status::Critical, Some(2.0))),
        ] {
            assert_eq!(both.judge(value), expected, "{value}");
        }
        assert_eq!(NONE.judge(1e9), (Status::Ok, None));
        assert!(!NONE.is_set() && NONE.are_in_order() && both.are_in_order());
    }

    #[test]
    fn a_warning_above_the_critical_threshold_is_not_in_order() {
        for (warn, crit, expected) in [
            (Some(80.0), Some(90.0), true),
            (Some(90.0), Some(90.0), true),
            (Some(90.1), Some(90.0), false),
            (None, Some(0.0), true),
            (Some(90.0), None, true),
        ] {
            let thresholds = CheckThresholds { warn, crit };
            assert_eq!(thresholds.are_in_order(), expected, "{thresholds:?}");
        }
    }

    #[test]
    fn names_and_exit_statuses_are_those_of_plugins() {
        use Status::{Critical, Ok, Unknown, Warning};
        let statuses = [Ok, Warning, Critical, Unknown].map(|status| (status as u8, status.name()));
        let expected = [(0, "OK"), (1, "WARNING"), (2, "CRITICAL"), (3, "UNKNOWN")];
        assert_eq!(statuses, expected);
    }

    #[test]
    fn what_is_certain_comes_before_what_is_not_known() {
        use Status::{Critical, Ok, Unknown, Warning};
        for (one, other, worse) in [
            (Ok, Unknown, Unknown),
            (Unknown, Warning, Warning),
            (Critical, Unknown, Critical),
            (Warning, Critical, Critical),
            (Ok, Ok, Ok),
        ] {
            assert_eq!(one.worse(other), worse);
            assert_eq!(other.worse(one), worse);
        }
    }
}
