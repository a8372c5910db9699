//! The doctor's report.

use serde::Serialize;

use crate::{output::format::number::UNAVAILABLE, text::Plain};

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// Version of ctpulse.
    pub version: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// Each requirement.
    pub findings: Vec<DoctorFinding>,
    /// Why no probe would be attached; `None` when some would.
    pub blocked: Option<String>,
    /// Where each counter would come from.
    pub counters: Vec<CounterLine>,
}

/// One requirement.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorFinding {
    /// What is required.
    pub name: &'static str,
    /// Whether it is there.
    pub status: RequirementStatus,
    /// How that was seen.
    pub detail: String,
    /// What goes without it; `None` where nothing is missing.
    pub consequence: Option<String>,
    /// The command that fixes it, or what else does.
    pub fix: Option<String>,
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RequirementStatus {
    /// Met.
    Ok,
    /// Not met.
    Missing,
    /// Whether it is could not be found out.
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
