//! Steps that all run, even after failures of earlier ones, and a summary of them.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process::say;

/// The outcomes of the steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    parts: Parts,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Ok,
    Failed(String),
    Skipped(&'static str),
}

/// The durations of the parts of a step, and what is remarkable though the step succeeded.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    took: Vec<(&'static str, Duration)>,
    remarks: Vec<String>,
}

impl Parts {
    /// Adds a remark for the summary.
    pub(crate) fn remark(&mut self, remark: String) {
        say(&remark);
        self.remarks.push(remark);
    }

    /// Adds the duration of a part; those of a repeated part add up.
    pub(crate) fn note(&mut self, name: &'static str, took: Duration) {
        match self.took.iter_mut().find(|(noted, _)| *noted == name) {
            Some((_, sum)) => *sum += took,
            None => self.took.push((name, took)),
        }
    }

    #[cfg(test)]
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.took.iter().map(|(name, _)| *name).collect()
    }
}

impl Report {
    /// Runs a step and records its outcome. Returns the step's result, for steps that depend on it.
    pub(crate) fn step<T>(
        &mut self,
        name: impl Into<String>,
        step: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        self.step_in_parts(name, |_| step())
    }

    /// The same for a step that records the durations of its parts.
    pub(crate) fn step_in_parts<T>(
        &mut self,
        name: impl Into<String>,
        step: impl FnOnce(&mut Parts) -> Result<T>,
    ) -> Option<T> {
        let name = name.into();
        say(format_args!("{name} …"));
        let start = Instant::now();
        let mut parts = Parts::default();
        let (outcome, value) = match step(&mut parts) {
            Ok(value) => (Outcome::Ok, Some(value)),
            Err(error) => {
                let error = format!("{error:#}");
                say(format_args!("{name} failed: {error}"));
                (Outcome::Failed(error), None)
            }
        };
        self.0.push(Step {
            name,
            took: start.elapsed(),
            parts,
            outcome,
        });
        value
    }

    /// Records a step that cannot run.
    pub(crate) fn skip(&mut self, name: impl Into<String>, reason: &'static str) {
        self.0.push(Step {
            name: name.into(),
            took: Duration::ZERO,
            parts: Parts::default(),
            outcome: Outcome::Skipped(reason),
        });
    }

    /// Prints the summary; the exit status is a failure unless every step succeeded.
    pub(crate) fn finish(self) -> ExitCode {
        say(format_args!("summary\n{self}"));
        let ok = self
            .0
            .iter()
            .all(|step| matches!(step.outcome, Outcome::Ok));
        if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const INDENT: usize = 2;
        let Self(steps) = self;
        let parts = steps.iter().flat_map(|step| &step.parts.took);
        let width = steps
            .iter()
            .map(|step| step.name.chars().count())
            .chain(parts.map(|(name, _)| INDENT + name.chars().count()))
            .max()
            .unwrap_or_default();
        for step in steps {
            let (name, seconds) = (&step.name, step.took.as_secs_f64());
            match &step.outcome {
                Outcome::Ok => writeln!(f, "  ok       {name:width$} {seconds:7.1} s")?,
                Outcome::Failed(error) => {
                    writeln!(f, "  FAILED   {name:width$} {seconds:7.1} s  {error}")?;
                }
                Outcome::Skipped(reason) => {
                    writeln!(f, "  not run  {name:width$}            {reason}")?;
                }
            }
            let width = width - INDENT;
            for (part, took) in &step.parts.took {
                writeln!(f, "             {part:width$} {:7.1} s", took.as_secs_f64())?;
            }
            for remark in &step.parts.remarks {
                writeln!(f, "             {remark}")?;
            }
        }
        let all: Duration = steps.iter().map(|step| step.took).sum();
        write!(f, "           {:width$} {:7.1} s", "", all.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn later_steps_run_after_a_failure_and_the_summary_shows_all() {
        let mut report = Report::default();
        let first = report.step_in_parts("one", |parts| {
            parts.note("boot", Duration::from_millis(400));
            parts.note("command", Duration::from_millis(600));
            parts.note("boot", Duration::from_millis(100));
            parts.remark("it took two attempts".to_owned());
            Ok(1)
        });
        assert_eq!(first, Some(1));
        assert_eq!(
            report.step("second", || -> Result<()> { bail!("no such thing") }),
            None
        );
        report.skip("third", "needs the second");
        for step in &mut report.0[..2] {
            step.took = Duration::from_millis(1500);
        }
        assert_eq!(
            report.to_string(),
            "  ok       one           1.5 s\n             boot        0.5 s\n             command     0.6 s\n             \
             it took two attempts\n  \
             FAILED   second        1.5 s  no such thing\n  not run  third                needs the second\n\
             \u{20}                        3.0 s"
        );
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn success_of_all_steps_is_success() {
        let mut report = Report::default();
        report.step("one", || Ok(()));
        assert_eq!(report.finish(), ExitCode::SUCCESS);
    }
}
