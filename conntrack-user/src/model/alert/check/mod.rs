//! A single evaluation of a table, for monitoring systems that poll (`ctpulse check`).

mod thresholds;

use thiserror::Error;

pub use self::thresholds::{CheckLimits, CheckThresholds, JUDGED_COUNTERS, Status};
use crate::reading::{expectations::Expectations, hooks::Hooks, kernel::KernelReading};

/// What a check has measured.
#[derive(Clone, Debug, Default)]
pub struct CheckReading {
    /// The kernel's counters, in the order in which they were read.
    pub readings: Vec<KernelReading>,
    /// Events per second between the first and the last of them, of each of [`JUDGED_COUNTERS`]; `None` where that is not known.
    pub rates: [Option<f64>; JUDGED_COUNTERS.len()],
    /// The expectations that are held; `None` where that is not known.
    pub expectations: Option<Expectations>,
    /// Whether anything tracks, of an empty table; `None` where that is not known.
    pub hooks: Option<Hooks>,
}

/// What a check requires besides its thresholds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CheckRules {
    pub limits: CheckLimits,
    /// Whether an empty table is UNKNOWN unless something is known to track.
    pub requires_tracking: bool,
}

/// A counter of a full table's consequences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct JudgedCounter {
    pub name: &'static str,
    /// Since boot; `None` where it cannot be read, which is not 0.
    pub total: Option<u64>,
    /// Per second; `None` where it was not measured.
    pub rate: Option<f64>,
    /// Of the rate.
    pub thresholds: CheckThresholds,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq)]
pub struct TableVerdict {
    pub status: Status,
    /// The most entries in any reading.
    pub entries: u64,
    /// `nf_conntrack_max`; `None` without a limit.
    pub max: Option<u64>,
    /// `entries` in percent of `max`.
    pub utilization: Option<f64>,
    pub limits: CheckLimits,
    /// The thresholds in entries, rounded down: they are exceeded by more entries than this.
    pub limit_entries: [Option<u64>; 2],
    pub counters: Vec<JudgedCounter>,
    pub expectations: Option<Expectations>,
    /// What is above a threshold, or could not be judged.
    pub findings: Vec<Finding>,
    /// Why the table is empty, where that is not because it is idle.
    pub untracked: Option<String>,
}

/// Something that is above a threshold, or could not be judged.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding {
    /// More entries than this.
    Entries(f64),
    /// The rate of a counter is above this.
    Rate {
        name: &'static str,
        rate: f64,
        limit: f64,
    },
    /// Expectations fill more of their limit than this, in percent.
    Expectations(f64),
    /// The table has no limit, and nothing else was to be judged.
    NoLimit,
    /// The rate of a counter was to be judged, and is not known.
    UnknownRate(&'static str),
    /// Expectations were to be judged, and are not known.
    UnknownExpectations,
    /// The table is empty, and whether anything tracks cannot be asked there.
    UnknownTracking,
}

/// Why there is no verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoVerdict {
    /// No reading has the number of entries.
    #[error("the number of entries cannot be read")]
    Entries,
    /// No reading has the maximum.
    #[error("nf_conntrack_max cannot be read")]
    Max,
}

/// Judges the fullest of several readings, and the rates between them.
///
/// # Errors
///
/// When the number of entries or its limit is not known.
pub fn judge(reading: &CheckReading, rules: &CheckRules) -> Result<TableVerdict, NoVerdict> {
    let limits = rules.limits;
    let entries = reading
        .readings
        .iter()
        .filter_map(KernelReading::entries)
        .max()
        .ok_or(NoVerdict::Entries)?;
    let newest = reading.readings.iter().rev();
    let max = newest
        .clone()
        .find_map(|reading| reading.max)
        .ok_or(NoVerdict::Max)?;
    let max = (max != 0).then_some(max);
    let utilization = max.map(|max| entries as f64 * 100.0 / max as f64);
    let stat = newest.clone().find_map(|reading| reading.stat.as_ref());
    let counters: Vec<JudgedCounter> = JUDGED_COUNTERS
        .into_iter()
        .zip(reading.rates)
        .zip(limits.rates)
        .map(|((counter, rate), thresholds)| JudgedCounter {
            name: counter.spec().name,
            total: stat.and_then(|stat| stat.sum(counter.spec().column?)),
            rate,
            thresholds,
        })
        .collect();

    let mut verdict = TableVerdict {
        status: Status::Ok,
        entries,
        max,
        utilization,
        limits,
        limit_entries: limit_entries(&limits, max),
        counters,
        expectations: reading.expectations,
        findings: Vec::new(),
        untracked: reading.hooks.as_ref().and_then(Hooks::why_empty),
    };
    verdict.judge_entries();
    verdict.judge_rates();
    verdict.judge_expectations();
    if entries == 0 && rules.requires_tracking && reading.hooks != Some(Hooks::Registered) {
        verdict.status = verdict.status.worse(Status::Unknown);
        if verdict.untracked.is_none() {
            verdict.findings.push(Finding::UnknownTracking);
        }
    }
    Ok(verdict)
}

/// Of the thresholds in percent and in entries those that are exceeded first.
fn limit_entries(limits: &CheckLimits, max: Option<u64>) -> [Option<u64>; 2] {
    let lower = |percent: Option<f64>, entries: Option<f64>| {
        let of_max = percent.zip(max).map(|(p, max)| p * max as f64 / 100.0);
        let least = [of_max, entries].into_iter().flatten().reduce(f64::min);
        least.map(|limit| limit as u64)
    };
    [
        lower(limits.utilization.warn, limits.entries.warn),
        lower(limits.utilization.crit, limits.entries.crit),
    ]
}

impl TableVerdict {
    fn judge_entries(&mut self) {
        let limits = self.limits;
        if let Some(utilization) = self.utilization {
            self.worsen(limits.utilization.judge(utilization).0);
        }
        let (status, exceeded) = limits.entries.judge(self.entries as f64);
        self.worsen(status);
        self.findings.extend(exceeded.map(Finding::Entries));
        let judges_else =
            limits.entries.is_set() || limits.expectations.is_set() || limits.has_rates();
        if self.max.is_none() && !judges_else {
            self.worsen(Status::Unknown);
            self.findings.push(Finding::NoLimit);
        }
    }

    fn judge_rates(&mut self) {
        for counter in self.counters.clone() {
            let JudgedCounter {
                name,
                rate,
                thresholds,
                ..
            } = counter;
            match rate {
                Some(rate) => {
                    let (status, exceeded) = thresholds.judge(rate);
                    self.worsen(status);
                    let finding = exceeded.map(|limit| Finding::Rate { name, rate, limit });
                    self.findings.extend(finding);
                }
                None if thresholds.is_set() => {
                    self.worsen(Status::Unknown);
                    self.findings.push(Finding::UnknownRate(name));
                }
                None => {}
            }
        }
    }

    fn judge_expectations(&mut self) {
        let thresholds = self.limits.expectations;
        match self.expectations.map(Expectations::percent) {
            Some(percent) => {
                let (status, exceeded) = thresholds.judge(percent);
                self.worsen(status);
                self.findings.extend(exceeded.map(Finding::Expectations));
            }
            None if thresholds.is_set() => {
                self.worsen(Status::Unknown);
                self.findings.push(Finding::UnknownExpectations);
            }
            None => {}
        }
    }

    fn worsen(&mut self, status: Status) {
        self.status = self.status.worse(status);
    }
}

#[cfg(test)]
mod tests;
