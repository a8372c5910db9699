//! What a check of the probes against the kernel found.

use serde::{Deserialize, Serialize};

use crate::{model::record::wire::Time, text::Text};

/// Name of the check Δentries = alloc − free.
pub const ENTRIES_BALANCE: &str = "entries_balance";

/// What a check found, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There is nothing to compare with; the reason says why.
    NotComparable,
    /// Nothing moved during the reading, and the numbers are equal.
    Exact,
    /// The probe's number lies in the range the reading allows.
    WithinBracket,
    /// The difference is no larger than the number of probe hits the kernel says it missed.
    Undercount,
    /// The numbers do not agree.
    Mismatch,
}

impl Verdict {
    /// Its name in the contract.
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

/// One check: differences since the probes were attached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The counter's name, or [`ENTRIES_BALANCE`].
    pub name: Text,
    /// What the probes counted.
    pub probe: Option<i64>,
    /// The least the kernel can have counted.
    pub kernel_low: Option<i64>,
    /// The most the kernel can have counted.
    pub kernel_high: Option<i64>,
    /// How far the probe's number lies outside the range: negative when it is too low.
    pub residual: Option<i64>,
    /// Whether probes and kernel agree.
    pub verdict: Verdict,
    /// Why, where the numbers do not say it.
    pub reason: Option<Text>,
}

/// The cross-check of one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Crosscheck {
    /// When.
    pub time: Time,
    /// Which network namespace or directory it is about, by its name.
    pub instance: Text,
    /// Differences since the probes were attached.
    pub checks: Vec<Check>,
}

/// The worst verdict of those that compare anything; `None` when none does.
#[must_use]
pub fn worst(checks: &[Check]) -> Option<Verdict> {
    checks
        .iter()
        .map(|check| check.verdict)
        .filter(|&verdict| verdict != Verdict::NotComparable)
        .max()
}
