//! The report of `ctpulse doctor`.

use serde::Serialize;

use crate::{
    output::{format::number::UNAVAILABLE, terminal::Size},
    text::{Plain, Text},
};

/// The results of `ctpulse doctor`.
#[derive(Clone, Debug, Serialize)]
pub struct DoctorReport {
    /// Version of ctpulse.
    pub version: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// The network namespace that was looked at.
    pub netns: Text,
    /// The requirements.
    pub findings: Vec<DoctorFinding>,
    /// Why no probe would be attached; `None` if some would.
    pub blocked: Option<String>,
    /// What the kernel asks for of a run.
    pub privileges: Vec<PrivilegeLine>,
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

/// A capability that a run takes.
#[derive(Clone, Debug, Serialize)]
pub struct PrivilegeLine {
    pub capability: String,
    /// `attaching`, or `reading`: from then on.
    pub stage: &'static str,
    /// The option that asks for it; `None`: any run with probes.
    pub option: Option<&'static str>,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it is held now; `None` if that cannot be known.
    pub held: Option<bool>,
    /// What is lost without it.
    pub without: &'static str,
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

/// Columns before what was found.
const NAMES: usize = 20;
/// Columns before what a capability is for.
const CAPABILITIES: usize = 22;
/// Columns before what a counter means.
const COUNTERS: usize = 23;

/// The report as text: on a terminal, broken between words where its lines would be too long.
#[must_use]
pub fn text(report: &DoctorReport, terminal: Option<Size>) -> String {
    let width = terminal.map(|size| usize::from(size.columns));
    let mut page = Page {
        lines: Vec::new(),
        width,
    };
    let release = Plain(&report.kernel);
    page.add(0, format!("ctpulse {} on kernel {release}", report.version));
    page.add(0, String::new());
    for finding in &report.findings {
        let mark = match finding.status {
            RequirementStatus::Ok => "✓",
            RequirementStatus::Missing => "✗",
            RequirementStatus::Unknown => "?",
        };
        let detail = Plain(&finding.detail);
        page.add(NAMES, format!("{mark} {:<17} {detail}", finding.name));
        let indent = " ".repeat(NAMES);
        for (title, text) in [("costs", &finding.consequence), ("fix", &finding.fix)] {
            if let Some(text) = text {
                page.add(NAMES, format!("{indent}{title}: {}", Plain(text)));
            }
        }
    }
    page.add(0, String::new());
    match &report.blocked {
        None => page.add(
            0,
            "Probes will be attached: the counters marked `probe` are live.".to_owned(),
        ),
        Some(reason) => {
            page.add(0, format!("No probes: {}.", Plain(reason)));
            page.add(
                0,
                "What the kernel counts by itself works; the counters marked `—` do not."
                    .to_owned(),
            );
        }
    }
    page.add(0, String::new());
    page.add_privileges(&report.privileges);
    for counter in &report.counters {
        let source = if counter.reason.is_some() {
            UNAVAILABLE
        } else {
            counter.source
        };
        let line = format!("{:<15} {source:<6} {}", counter.name, counter.meaning);
        page.add(COUNTERS, line);
    }
    page.lines.push(String::new());
    page.lines.join("\n")
}

/// Lines of a report.
struct Page {
    lines: Vec<String>,
    /// Of the terminal, if it is one.
    width: Option<usize>,
}

impl Page {
    fn add_privileges(&mut self, privileges: &[PrivilegeLine]) {
        for (stage, title) in [
            ("attaching", "Capabilities for attaching:"),
            (
                "reading",
                "Capabilities for reading, all that --privileges drop keeps:",
            ),
        ] {
            let mut lines = privileges
                .iter()
                .filter(|line| line.stage == stage)
                .peekable();
            if lines.peek().is_none() {
                continue;
            }
            self.add(0, title.to_owned());
            for line in lines {
                let mark = match line.held {
                    Some(true) => "✓",
                    Some(false) => "✗",
                    None => "?",
                };
                let option = line
                    .option
                    .map_or_else(String::new, |option| format!("{option}: "));
                let text = format!("{mark} {:<19} {option}{}", line.capability, line.purpose);
                self.add(CAPABILITIES, text);
                if line.held == Some(false) {
                    let indent = " ".repeat(CAPABILITIES);
                    self.add(CAPABILITIES, format!("{indent}costs: {}", line.without));
                }
            }
            self.add(0, String::new());
        }
    }

    /// Adds a line, of which what does not fit goes on below, indented. A command or a path stays whole.
    fn add(&mut self, indent: usize, line: String) {
        let Some(width) = self.width.filter(|width| *width > indent) else {
            self.lines.push(line);
            return;
        };
        let start: String = line.chars().take_while(|c| *c == ' ').collect();
        let indent = " ".repeat(indent);
        let options = textwrap::Options::new(width)
            .initial_indent(&start)
            .subsequent_indent(&indent)
            .break_words(false)
            .word_splitter(textwrap::WordSplitter::NoHyphenation);
        let wrapped = textwrap::wrap(line.trim_start(), options);
        self.lines
            .extend(wrapped.into_iter().map(|line| line.into_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> DoctorReport {
        DoctorReport {
            version: "1.2.3",
            kernel: "6.12.0".to_owned(),
            netns: "self".into(),
            findings: vec![DoctorFinding {
                name: "privileges",
                status: RequirementStatus::Missing,
                detail: "in a user namespace, whose capabilities do not count for probes".to_owned(),
                consequence: Some("no probes: no new, inserted, deleted, no milliseconds".to_owned()),
                fix: Some("sudo ctpulse … --cap-add SYS_ADMIN (or BPF and PERFMON) /a/path/that-is-longer-than-the-line/is".to_owned()),
            }],
            blocked: Some("in a user namespace, whose capabilities do not count for probes".to_owned()),
            privileges: vec![PrivilegeLine {
                capability: "CAP_SYS_PTRACE".to_owned(),
                stage: "reading",
                option: Some("--netns all"),
                purpose: "finding network namespaces",
                held: Some(false),
                without: "only namespaces with a name",
            }],
            counters: vec![CounterLine {
                name: "early_drop",
                source: "proc",
                meaning: "unassured flow evicted to make room in a full table",
                reason: None,
            }],
        }
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_break_between_words() {
        let size = Size {
            columns: 60,
            rows: 24,
        };
        let text = text(&report(), Some(size));
        let words = |text: &str| {
            text.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(words(&text), words(&super::text(&report(), None)), "{text}");
        for line in text.lines() {
            let whole_word = line.contains("/a/path/that-is-longer-than-the-line/is");
            assert!(line.chars().count() <= 60 || whole_word, "{line}");
        }
        // What goes on is below what it belongs to.
        let below = format!("\n{}", " ".repeat(NAMES));
        assert!(
            text.contains(&format!("{below}do not count for probes")),
            "{text}"
        );
        assert!(text.contains(&format!("{below}costs: no probes")), "{text}");
        let mut lines = text.lines();
        let drop = lines.find(|line| line.starts_with("early_drop")).unwrap();
        assert!(drop.ends_with("to make room"), "{drop}");
        assert!(
            lines
                .next()
                .is_some_and(|line| line == format!("{}in a full table", " ".repeat(COUNTERS))),
            "{text}"
        );
    }

    #[test]
    fn elsewhere_a_line_is_a_line() {
        let text = text(&report(), None);
        assert_eq!(
            text.lines()
                .filter(|line| line.contains("fix: sudo"))
                .count(),
            1
        );
        assert!(
            text.lines().any(|line| line.ends_with("the-line/is")),
            "{text}"
        );
    }
}
