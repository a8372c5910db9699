//! Recordings of a kernel at work: what was seen is what is kept, also after a kill and on a full disk.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
};

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::{Pid, Signal, kill_process},
};
use serde_json::Value;

use crate::{kernel::tracking, traffic::UdpFlows};

const FLOWS: u32 = 500;

/// `ctpulse record FILE --show --format json`, running.
struct Recorder {
    child: Child,
    lines: BufReader<std::process::ChildStdout>,
    said: Vec<String>,
}

impl Recorder {
    /// Starts it and waits until it counts.
    fn start(file: &str) -> Result<Self> {
        let mut child = Command::new("ctpulse")
            .args(["record", file, "--show", "--format", "json"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run ctpulse")?;
        let lines = BufReader::new(child.stdout.take().context("stdout is piped")?);
        let mut recorder = Self {
            child,
            lines,
            said: Vec::new(),
        };
        recorder.until(|line| line.contains(r#""type":"hello""#))?;
        Ok(recorder)
    }

    /// Reads on until a line is as it should be.
    fn until(&mut self, is: impl Fn(&str) -> bool) -> Result<()> {
        loop {
            let mut line = String::new();
            ensure!(self.lines.read_line(&mut line)? > 0, "ctpulse ended");
            self.said.push(line.clone());
            if is(&line) {
                return Ok(());
            }
        }
    }

    /// Reads to the end.
    fn end(mut self, signal: Option<Signal>) -> Result<(Vec<String>, Output)> {
        if let Some(signal) = signal {
            kill_process(Pid::from_child(&self.child), signal)?;
        }
        let mut line = String::new();
        while self.lines.read_line(&mut line)? > 0 {
            self.said.push(std::mem::take(&mut line));
        }
        Ok((self.said, self.child.wait_with_output()?))
    }
}

fn replay(file: &str) -> Result<(Vec<String>, String)> {
    let output = Command::new("ctpulse")
        .args(["replay", file, "--format", "json"])
        .output()?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout)?;
    Ok((
        lines.split_inclusive('\n').map(str::to_owned).collect(),
        stderr,
    ))
}

fn samples_of_new_flows(line: &str) -> bool {
    let record: Value = serde_json::from_str(line).unwrap_or_default();
    record["buckets"]["new"]["counts"]
        .as_array()
        .is_some_and(|counts| !counts.is_empty())
}

/// The time of the last line that has one.
fn last(lines: &[String]) -> Result<Timestamp> {
    lines
        .iter()
        .rev()
        .find_map(|line| {
            let record: Value = serde_json::from_str(line).ok()?;
            record["time"].as_str()?.parse().ok()
        })
        .context("no time")
}

pub(super) fn exact() -> Result<()> {
    tracking()?;
    let file = "/tmp/exact.ctp";
    let mut recorder = Recorder::start(file)?;
    for _ in 0..3 {
        UdpFlows::new()?.send(FLOWS)?;
        recorder.until(samples_of_new_flows)?;
    }
    let (said, output) = recorder.end(Some(Signal::INT))?;
    ensure!(output.status.success(), "{output:?}");
    let (replayed, stderr) = replay(file)?;
    ensure!(stderr.is_empty(), "{stderr}");
    ensure!(said == replayed, "the replay differs");
    println!(
        "{} records, {} bytes as JSON, {} recorded",
        said.len(),
        said.iter().map(String::len).sum::<usize>(),
        fs::metadata(file)?.len()
    );
    Ok(())
}

pub(super) fn killed() -> Result<()> {
    tracking()?;
    let file = "/tmp/killed.ctp";
    let mut recorder = Recorder::start(file)?;
    // A load that fills blocks while it is killed.
    let load = thread::spawn(|| -> Result<()> {
        for _ in 0..20 {
            UdpFlows::new()?.send(FLOWS)?;
        }
        Ok(())
    });
    recorder.until(|_| fs::metadata(file).is_ok_and(|file| file.len() > 10_000))?;
    let (said, _) = recorder.end(Some(Signal::KILL))?;
    load.join()
        .map_err(|_| anyhow::anyhow!("the load panicked"))??;
    let (replayed, stderr) = replay(file)?;
    ensure!(said.starts_with(&replayed), "the replay differs");
    let lost = last(&said)?.duration_since(last(&replayed)?);
    println!("{} of {} records, {lost} lost", replayed.len(), said.len());
    // A second and the interval that was under way.
    ensure!(lost <= SignedDuration::from_millis(1_200), "{lost} lost");
    ensure!(stderr.contains("without a summary"), "{stderr}");
    Ok(())
}

pub(super) fn full_disk() -> Result<()> {
    tracking()?;
    let dir = Path::new("/tmp/small");
    fs::create_dir_all(dir)?;
    mount("small", dir, "tmpfs", MountFlags::empty(), c"size=16k")?;
    let outcome = fill(&dir.join("full.ctp").to_string_lossy());
    unmount(dir, UnmountFlags::DETACH)?;
    outcome
}

fn fill(file: &str) -> Result<()> {
    let recorder = Recorder::start(file)?;
    // It ends by itself when the disk is full.
    let load = thread::spawn(|| -> Result<()> {
        for _ in 0..20 {
            UdpFlows::new()?.send(FLOWS)?;
        }
        Ok(())
    });
    let (said, output) = recorder.end(None)?;
    load.join()
        .map_err(|_| anyhow::anyhow!("the load panicked"))??;
    let told = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(1), "{told}");
    ensure!(
        told.contains("No space left on device") && told.contains("records kept up to"),
        "{told}"
    );
    let (replayed, stderr) = replay(file)?;
    ensure!(
        !replayed.is_empty() && said.starts_with(&replayed),
        "the replay differs"
    );
    ensure!(
        told.contains(&format!("{} records kept", replayed.len())),
        "{told}: {} read",
        replayed.len()
    );
    println!(
        "{} of {} records; {}",
        replayed.len(),
        said.len(),
        told.trim()
    );
    ensure!(stderr.contains("without a summary"), "{stderr}");
    Ok(())
}
