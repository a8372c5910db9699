//! The report of `ctpulse doctor`.

use serde::Serialize;

use crate::{output::format::number::UNAVAILABLE, text::Plain};

/// The results of `ctpulse doctor`.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// Version of ctpulse.
    pub version: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// The requirements.
    pub findings: Vec<DoctorFinding>,
    /// Why no probe would be attached; `None` if some would.
    pub blocked: Option<String>,
    /// Where each counter would come from.
    pub counters: Vec<CounterLine>,
}

/// A requirement, and whether it is met.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorFinding {
    /// The name of the requirement.
    pub name: &'static str,
    /// Whether it is met.
    pub status: RequirementStatus,
    /// What was found.
    pub detail: String,
    /// What is lost without it; `None` if it is met.
    pub consequence: Option<String>,
    /// How to fix it, as a command if there is one.
    pub fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequirementStatus {
    /// It is met.
    Ok,
    /// It is not met.
    Missing,
    /// It could not be determined.
    Unknown,
}

/// Where a counter would come from.
#[derive(Clone, Debug, Serialize)]
pub struct CounterLine {
    pub name: &'static str,
    /// `proc`, `probe` or `unavailable`.
    pub source: &'static str,
    /// What one event is.
    pub meaning: &'static str,
    /// Why it is unavailable.
    pub reason: Option<String>,
}

/// The report as text.
#[must_use]
pub fn text(report: &DoctorReport) -> String {
    let mut lines = vec![
        format!(
            "ctpulse {} on kernel {}",
            report.version,
            Plain(&report.kernel)
        ),
        String::new(),
    ];
    for finding in &report.findings {
        let mark = match finding.status {
            RequirementStatus::Ok => "✓",
            RequirementStatus::Missing => "✗",
            RequirementStatus::Unknown => "?",
        };
        lines.push(format!(
            "{mark} {:<17} {}",
            finding.name,
            Plain(&finding.detail)
        ));
        let indent = " ".repeat("✓ ".chars().count() + 17 + 1);
        for (title, text) in [("costs", &finding.consequence), ("fix", &finding.fix)] {
            if let Some(text) = text {
                lines.push(format!("{indent}{title}: {}", Plain(text)));
            }
        }
    }
    lines.push(String::new());
    lines.push(match &report.blocked {
        None => "Probes will be attached: the counters marked `probe` are live.".to_owned(),
        Some(reason) => format!(
            "No probes: {}.\nWhat the kernel counts by itself works; the counters marked `—` do not.",
            Plain(reason)
        ),
    });
    lines.push(String::new());
    for counter in &report.counters {
        let source = if counter.reason.is_some() {
            UNAVAILABLE
        } else {
            counter.source
        };
        lines.push(format!(
            "{:<15} {source:<6} {}",
            counter.name, counter.meaning
        ));
    }
    lines.push(String::new());
    lines.join("\n")
}
