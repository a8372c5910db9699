//! A single evaluation of how full a table is, for monitoring systems that poll (`ctpulse check`).

use thiserror::Error;

use crate::{
    model::{
        alert::{ConntrackFull, Level},
        kernel::counters::Counter,
    },
    reading::kernel::KernelReading,
};

/// A status of a check. Its number is the exit status that Nagios expects of plugins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At or below both thresholds.
    Ok = 0,
    /// Above the warning threshold.
    Warning = 1,
    /// Above the critical threshold.
    Critical = 2,
    /// The table could not be read.
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
}

/// Thresholds in percent of `nf_conntrack_max`, exclusive: a table at a threshold has not reached it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckLimits {
    /// For [`Status::Warning`].
    pub warn: f64,
    /// For [`Status::Critical`].
    pub crit: f64,
}

impl CheckLimits {
    /// The default thresholds of the alert netfilter_conntrack_full.
    pub const DEFAULT: Self = Self {
        warn: raise(ConntrackFull::THRESHOLDS.warning),
        crit: raise(ConntrackFull::THRESHOLDS.critical),
    };
}

/// The threshold of a level; 100 % without one, which is never exceeded.
const fn raise(level: Option<Level>) -> f64 {
    match level {
        Some(level) => level.raise,
        None => 100.0,
    }
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct TableVerdict {
    pub status: Status,
    /// The most entries in any reading.
    pub entries: u64,
    /// `nf_conntrack_max`.
    pub max: u64,
    /// `entries` in percent of `max`.
    pub utilization: f64,
    /// The thresholds in percent.
    pub limits: CheckLimits,
    /// The thresholds in entries, rounded down: they are exceeded by more entries than this.
    pub limit_entries: [u64; 2],
    /// Counters of a full table's consequences, since boot, by name; only those that this kernel counts.
    pub counted: Vec<(&'static str, u64)>,
    /// Names of those counters that cannot be read here. They are unknown, not 0.
    pub uncounted: Vec<&'static str>,
}

/// The kernel's counters of a full table's consequences.
const COUNTED: [Counter; 3] = [Counter::Drop, Counter::EarlyDrop, Counter::InsertFailed];

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoVerdict {
    /// No reading has the number of entries.
    #[error("the number of entries cannot be read")]
    Entries,
    /// No reading has the maximum.
    #[error("nf_conntrack_max cannot be read")]
    Max,
    /// `nf_conntrack_max` is 0, so the table is unlimited.
    #[error("nf_conntrack_max is 0: there is no limit to judge by")]
    Limit,
}

/// Judges the fullest of several readings.
///
/// # Errors
///
/// When the number of entries or its limit is not known.
pub fn judge(readings: &[KernelReading], limits: CheckLimits) -> Result<TableVerdict, NoVerdict> {
    let entries = readings
        .iter()
        .filter_map(KernelReading::entries)
        .max()
        .ok_or(NoVerdict::Entries)?;
    let max = readings
        .iter()
        .rev()
        .find_map(|reading| reading.max)
        .ok_or(NoVerdict::Max)?;
    if max == 0 {
        return Err(NoVerdict::Limit);
    }
    let utilization = entries as f64 * 100.0 / max as f64;
    let status = if utilization > limits.crit {
        Status::Critical
    } else if utilization > limits.warn {
        Status::Warning
    } else {
        Status::Ok
    };
    let stat = readings
        .iter()
        .rev()
        .find_map(|reading| reading.stat.as_ref());
    let counted = COUNTED.map(|counter| {
        let spec = counter.spec();
        (spec.name, stat.and_then(|stat| stat.sum(spec.column?)))
    });
    Ok(TableVerdict {
        status,
        entries,
        max,
        utilization,
        limits,
        limit_entries: [limits.warn, limits.crit]
            .map(|percent| (percent * max as f64 / 100.0) as u64),
        counted: counted
            .iter()
            .filter_map(|(name, count)| Some((*name, (*count)?)))
            .collect(),
        uncounted: counted
            .iter()
            .filter(|(_, count)| count.is_none())
            .map(|(name, _)| *name)
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: CheckLimits = CheckLimits::DEFAULT;

    fn reading(entries: u64, max: u64) -> KernelReading {
        KernelReading {
            stat: None,
            count: Some(entries),
            max: Some(max),
        }
    }

    #[test]
    fn a_threshold_is_exclusive() {
        for (entries, status) in [
            (0, Status::Ok),
            (900, Status::Ok),
            (901, Status::Warning),
            (950, Status::Warning),
            (951, Status::Critical),
            (2000, Status::Critical),
        ] {
            let verdict = judge(&[reading(entries, 1000)], LIMITS).unwrap();
            assert_eq!(verdict.status, status, "{entries}");
            assert_eq!(verdict.limit_entries, [900, 950]);
            // Without the file the counters are unknown, not 0.
            assert_eq!(verdict.uncounted, ["drop", "early_drop", "insert_failed"]);
            assert!(verdict.counted.is_empty());
        }
    }

    #[test]
    fn the_fullest_reading_counts() {
        let readings = [reading(10, 1000), reading(960, 1000), reading(20, 1000)];
        let verdict = judge(&readings, LIMITS).unwrap();
        assert_eq!((verdict.status, verdict.entries), (Status::Critical, 960));
    }

    #[test]
    fn no_verdict_without_numbers() {
        for (readings, reason) in [
            (vec![], "the number of entries"),
            (vec![KernelReading::default()], "the number of entries"),
            (
                vec![KernelReading {
                    count: Some(1),
                    ..Default::default()
                }],
                "nf_conntrack_max",
            ),
            (vec![reading(1, 0)], "no limit"),
        ] {
            let error = judge(&readings, LIMITS).unwrap_err();
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
