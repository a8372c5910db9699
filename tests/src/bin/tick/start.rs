//! What a start takes: CPU time until the first sample is written, memory, and the size of the program.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use ctpulse_tests::cpu_time::median;

use crate::{collector::of_run, pace::PACE};

/// A sentence about it.
pub(crate) fn report(program: &Path, rounds: usize) -> Result<String> {
    let bytes = fs::metadata(program)?.len();
    let (without, memory_without) = of_start(program, &["--probes=off"], rounds)?;
    let (with, memory_with) = of_start(program, &[], rounds)?;
    Ok(format!(
        "From its start to its first sample ctpulse takes {without:.0} ms of CPU and at most {memory_without:.1} MiB of memory \
         without probes, {with:.0} ms and {memory_with:.1} MiB with those that this kernel allows; the program has {:.1} MiB.\n",
        bytes as f64 / MIB
    ))
}

const MIB: f64 = (1 << 20) as f64;

/// Milliseconds of CPU, and MiB of memory at most.
fn of_start(program: &Path, arguments: &[&str], rounds: usize) -> Result<(f64, f64)> {
    let command = || {
        let mut command = Command::new(program);
        command
            .arg("stream")
            .arg(format!("--interval={}ms", PACE.as_millis()));
        command.args(arguments);
        command
    };
    let taken: Result<Vec<_>> = (0..rounds)
        .map(|_| of_run(command().arg(format!("--duration={}ms", PACE.as_millis()))))
        .collect();
    let cpu = median(&mut taken?).as_secs_f64() * 1e3;
    let mut child = command()
        .arg("--format=json")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let stdout = child.stdout.take().context("standard output is piped")?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let sampled = lines.any(|line| line.starts_with("{\"type\":\"sample\""));
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()));
    child.kill()?;
    child.wait()?;
    let peak = status?
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        })
        .filter(|_| sampled);
    let peak: f64 = peak.context("there was no sample")?;
    Ok((cpu, peak * 1024.0 / MIB))
}
