//! A list of steps that all run, whatever happens to the earlier ones, and a summary of them.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::process::say;

/// What became of the steps so far.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Step>);

#[derive(Debug)]
struct Step {
    name: String,
    took: Duration,
    outcome: Outcome,
}

#[derive(Debug)]
enum Outcome {
    Ok,
    Failed(String),
    Skipped(&'static str),
}

impl Report {
    /// Runs a step and keeps its outcome. Returns its result, if it has one, for the steps that
    /// build on it.
    pub(crate) fn step<T>(
        &mut self,
        name: impl Into<String>,
        step: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        let name = name.into();
        say(format_args!("{name} …"));
        let start = Instant::now();
        let (outcome, value) = match step() {
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
            outcome,
        });
        value
    }

    /// Notes a step that cannot run.
    pub(crate) fn skip(&mut self, name: impl Into<String>, reason: &'static str) {
        self.0.push(Step {
            name: name.into(),
            took: Duration::ZERO,
            outcome: Outcome::Skipped(reason),
        });
    }

    /// Prints the summary; fails unless every step went well.
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
        let width = self
            .0
            .iter()
            .map(|step| step.name.chars().count())
            .max()
            .unwrap_or_default();
        for (
            i,
            Step {
                name,
                took,
                outcome,
            },
        ) in self.0.iter().enumerate()
        {
            if i > 0 {
                writeln!(f)?;
            }
            let seconds = took.as_secs_f64();
            match outcome {
                Outcome::Ok => write!(f, "  ok       {name:width$} {seconds:6.1} s")?,
                Outcome::Failed(error) => {
                    write!(f, "  FAILED   {name:width$} {seconds:6.1} s  {error}")?
                }
                Outcome::Skipped(reason) => {
                    write!(f, "  not run  {name:width$}           {reason}")?
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn later_steps_run_after_a_failure_and_the_summary_shows_all() {
        let mut report = Report::default();
        assert_eq!(report.step("one", || Ok(1)), Some(1));
        assert_eq!(
            report.step("second", || -> Result<()> { bail!("no such thing") }),
            None
        );
        report.skip("third", "needs the second");
        for step in &mut report.0 {
            step.took = Duration::from_millis(1500);
        }
        assert_eq!(
            report.to_string(),
            "  ok       one       1.5 s\n  FAILED   second    1.5 s  no such thing\n  not run  third            needs the second"
        );
        assert_eq!(report.finish(), ExitCode::FAILURE);
    }

    #[test]
    fn all_well_is_success() {
        let mut report = Report::default();
        report.step("one", || Ok(()));
        assert_eq!(report.finish(), ExitCode::SUCCESS);
    }
}
