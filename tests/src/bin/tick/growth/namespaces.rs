//! A tick of many network namespaces, which are made for it.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::{
    cpu_time::{cpu_time, median},
    kernel::namespaces::Namespaces,
};

use super::Step;

/// Namespaces besides our own.
const OTHERS: [usize; 4] = [0, 7, 63, 511];

/// Ticks that are measured at a time.
const TICKS: usize = 20;

/// The cost of a tick with more and more of them.
pub(super) fn steps(ctpulse: &Path, rounds: usize) -> Result<Vec<Step>> {
    let mut made = Made {
        by: Namespaces::new()?,
        names: Vec::new(),
    };
    let mut steps = Vec::new();
    for others in OTHERS {
        eprintln!("growth: {} namespaces", others + 1);
        while made.names.len() < others {
            let name = format!("ctpulse-growth-{}", made.names.len());
            made.by.add(&name)?;
            made.names.push(name);
        }
        let taken: Result<Vec<_>> = (0..rounds).map(|_| tick(ctpulse, others)).collect();
        steps.push(Step {
            of: (others + 1).to_string(),
            number: others as u64 + 1,
            cpu: median(&mut taken?),
        });
    }
    Ok(steps)
}

/// Namespaces that are removed at the end.
struct Made {
    by: Namespaces,
    names: Vec<String>,
}

impl Drop for Made {
    fn drop(&mut self) {
        for name in &self.names {
            if let Err(error) = self.by.delete(name) {
                eprintln!("{name} is left: {error:#}");
            }
        }
    }
}

/// The CPU time of a tick, as a mean of some.
fn tick(ctpulse: &Path, others: usize) -> Result<Duration> {
    let mut child = Command::new(ctpulse)
        .args(["stream", "--probes=off", "--netns=all", "--format=json"])
        .arg("--interval=200ms")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("run ctpulse")?;
    let stdout = child.stdout.take().context("standard output is piped")?;
    let samples = BufReader::new(stdout)
        .lines()
        .map_while(Result::ok)
        .filter(|line| line.starts_with("{\"type\":\"sample\""));
    // All that come after a sample of our own namespace until the next one are of one tick.
    let mut ticks = samples.filter(|line| line.contains("\"instance\":\"self\""));
    let pid = child.id();
    let measured = (|| {
        ensure!(ticks.by_ref().take(5).count() == 5, "ctpulse has ended");
        let before = cpu_time(pid)?;
        ensure!(
            ticks.by_ref().take(TICKS).count() == TICKS,
            "ctpulse has ended"
        );
        Ok(cpu_time(pid)?.saturating_sub(before) / TICKS as u32)
    })();
    child.kill()?;
    child.wait()?;
    measured.with_context(|| format!("with {others} namespaces"))
}
