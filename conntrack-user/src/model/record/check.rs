//! The result of comparing the probes with the kernel.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// Name of the check Δentries = alloc − free.
pub const ENTRIES_BALANCE: &str = "entries_balance";

/// The result of a check, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to compare with, for the given reason.
    NotComparable,
    /// Nothing moved during the reading, and the numbers are equal.
    Exact,
    /// The probe's number is in the range that the reading allows.
    WithinBracket,
    /// The probe missed no more than the number of hits that the kernel reports as missed.
    Undercount,
    /// Probe and kernel disagree.
    Mismatch,
}

impl Verdict {
    /// Its name in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotComparable => "not_comparable",
            Self::Exact => "exact",
            Self::WithinBracket => "within_bracket",
            Self::Undercount => "undercount",
            Self::Mismatch => "mismatch",
        }
    }
}

/// One check. Its numbers are differences since the probes were attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The counter's name, or [`ENTRIES_BALANCE`].
    pub name: Text,
    /// What the probes counted.
    pub probe: Option<i64>,
    /// The least that the kernel can have counted.
    pub kernel_low: Option<i64>,
    /// The most that the kernel can have counted.
    pub kernel_high: Option<i64>,
    /// How far the probe's number is outside the range; negative if it is too low.
    pub residual: Option<i64>,
    /// Whether probe and kernel agree.
    pub verdict: Verdict,
    /// The reason for the verdict, where the numbers alone do not show it.
    pub reason: Option<Text>,
}

/// The cross-check of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crosscheck {
    /// The time of the reading.
    pub time: Time,
    /// The name of its network namespace, or of the directory.
    pub instance: Text,
    /// The checks, with differences since the probes were attached.
    pub checks: Vec<Check>,
}

/// The worst verdict of the checks that compare anything; `None` if none does.
#[must_use]
pub fn worst(checks: &[Check]) -> Option<Verdict> {
    checks
        .iter()
        .map(|check| check.verdict)
        .filter(|&verdict| verdict != Verdict::NotComparable)
        .max()
}
