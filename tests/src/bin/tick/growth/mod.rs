//! How the cost grows with what there is: rows of the file, network namespaces, the length of recordings; entries in the table.

mod cpus;
mod entries;
mod namespaces;
mod recordings;
mod repeated;

use std::{fmt::Write as _, path::Path, time::Duration};

use anyhow::Result;
use ctpulse_tests::{cpu_time::median, markdown};

use crate::{
    collector::{Collector, Ctpulse},
    statistics::{self, Statistics},
};

pub(crate) use cpus::row as of_cpus;
pub(crate) use entries::report as of_entries;

/// Rows of the file: one for each CPU that there may be.
const ROWS: [usize; 4] = [1, 8, 64, 512];

/// One size, and what it costs.
struct Step {
    of: String,
    /// How much of it there is.
    number: u64,
    cpu: Duration,
}

/// The report about what can be made on this machine.
pub(crate) fn report(ctpulse: &Path, recording: &Path, rounds: usize) -> Result<String> {
    let rows = of_rows(ctpulse, rounds)?;
    let namespaces = namespaces::steps(ctpulse, rounds)?;
    let recordings = recordings::table(ctpulse, recording)?;
    Ok(format!(
        "A tick without probes, a line of JSON for each namespace:\n\n{}\n{}\n{}\n\
         CPU time, of all threads and in the kernel too: medians of {rounds} rounds for ticks, one run each for recordings. {}.\n",
        table("rows of the file", &rows),
        table("network namespaces, watched by `--netns all`", &namespaces),
        recordings,
        statistics::host()?,
    ))
}

fn of_rows(ctpulse: &Path, rounds: usize) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    for rows in ROWS {
        eprintln!("growth: {rows} rows");
        let statistics = Statistics::copied(rows)?;
        let mut collector = Ctpulse::new(ctpulse, &statistics, "json");
        let taken: Result<Vec<_>> = (0..rounds).map(|_| collector.measure()).collect();
        steps.push(Step {
            of: rows.to_string(),
            number: rows as u64,
            cpu: median(&mut taken?),
        });
    }
    Ok(steps)
}

/// A table of steps: the cost, and what that is for each.
fn table(what: &str, steps: &[Step]) -> String {
    let rows: Vec<_> = steps
        .iter()
        .map(|step| {
            let micros = step.cpu.as_secs_f64() * 1e6;
            [
                step.of.clone(),
                format!("{micros:.0}"),
                format!("{:.1}", micros / step.number as f64),
            ]
        })
        .collect();
    markdown::table([what, "µs a tick", "µs for each of them"], 0, &rows)
}

/// A plot in text: a bar for each step, as long as what it costs for each unit.
fn bars(steps: &[Step], unit: &str) -> String {
    const LONGEST: f64 = 40.0;
    let each = |step: &Step| step.cpu.as_secs_f64() / step.number as f64;
    let most = steps.iter().map(each).fold(f64::MIN_POSITIVE, f64::max);
    let widest = steps
        .iter()
        .map(|step| step.of.chars().count())
        .max()
        .unwrap_or_default();
    let mut text = String::new();
    for step in steps {
        let length = (each(step) / most * LONGEST).round().max(1.0) as usize;
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:<widest$}  {} {:.1} µs {unit}",
            step.of,
            "█".repeat(length),
            each(step) * 1e6
        );
    }
    format!("```\n{text}```\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_the_cost_of_each() {
        let step = |of: &str, number, millis| Step {
            of: of.to_owned(),
            number,
            cpu: Duration::from_millis(millis),
        };
        let text = bars(
            &[step("1 min", 60, 60), step("1 h", 3600, 1800)],
            "a second",
        );
        let lengths: Vec<_> = text.lines().map(|line| line.matches('█').count()).collect();
        assert_eq!(lengths, [0, 40, 20, 0]);
        assert!(
            text.contains("1 h    █") && text.contains(" 500.0 µs a second"),
            "{text}"
        );
    }
}
