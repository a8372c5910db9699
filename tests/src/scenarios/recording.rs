//! Recordings of a running kernel: a replay shows the same as the recorder, also after a kill and on a full disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use rustix::{
    mount::{MountFlags, UnmountFlags, mount, unmount},
    process::Signal,
};
use serde_json::Value;

use crate::{
    ctpulse::{Ended, Stream},
    traffic::UdpFlows,
};

const FLOWS: u32 = 500;

/// Starts `ctpulse record FILE`, showing what it records.
fn record(file: &str) -> Result<Stream> {
    Stream::command(&["record", file, "--force", "--show", "--format", "json"])
}

/// A load during a recording.
fn load() -> Result<()> {
    for _ in 0..20 {
        UdpFlows::new()?.send(FLOWS)?;
    }
    Ok(())
}

/// The lines of a replay, and its stderr.
fn replay(file: &str) -> Result<(Vec<String>, String)> {
    let output = Command::new("ctpulse")
        .args(["replay", file, "--format", "json"])
        .output()
        .context("run ctpulse replay")?;
    let stderr = String::from_utf8(output.stderr)?;
    ensure!(output.status.success(), "{stderr}");
    let lines = String::from_utf8(output.stdout)?;
    Ok((lines.lines().map(str::to_owned).collect(), stderr))
}

pub(super) fn exact() -> Result<()> {
    let file = "/tmp/exact.ctp";
    let mut recorder = record(file)?;
    for _ in 0..3 {
        UdpFlows::new()?.send(FLOWS)?;
        recorder.wait_for("new flows", |record| {
            record["buckets"]["new"]["counts"]
                .as_array()
                .is_some_and(|counts| !counts.is_empty())
        })?;
    }
    let shown = recorder.stop()?.lines;
    let (replayed, stderr) = replay(file)?;
    ensure!(stderr.is_empty(), "{stderr}");
    ensure!(shown == replayed, "the replay differs");
    println!(
        "{} records, {} bytes as JSON, {} recorded",
        shown.len(),
        shown.iter().map(|line| line.len() + 1).sum::<usize>(),
        fs::metadata(file)?.len()
    );
    Ok(())
}

pub(super) fn killed() -> Result<()> {
    let file = "/tmp/killed.ctp";
    let mut recorder = record(file)?;
    let recorded = thread::scope(|scope| -> Result<Ended> {
        // Blocks are being filled when it is killed.
        let load = scope.spawn(load);
        recorder.wait_for("a recording of some size", |_| {
            fs::metadata(file).is_ok_and(|file| file.len() > 10_000)
        })?;
        recorder.signal(Signal::KILL)?;
        let recorded = recorder.wait()?;
        load.join().map_err(|_| anyhow!("the load panicked"))??;
        Ok(recorded)
    })?;
    let (replayed, stderr) = replay(file)?;
    ensure!(recorded.lines.starts_with(&replayed), "the replay differs");
    ensure!(stderr.contains("without a summary"), "{stderr}");
    let lost = Lost::after(&recorded.records, replayed.len())?;
    println!(
        "{} of {} records, {} lost",
        replayed.len(),
        recorded.lines.len(),
        lost.time
    );
    ensure!(lost.time <= lost.allowed(), "{lost:?}");
    Ok(())
}

/// What a killed recorder had shown and not yet written, by the times of the records.
#[derive(Debug)]
struct Lost {
    time: SignedDuration,
    /// The longest interval of a sample in it.
    longest: SignedDuration,
}

impl Lost {
    /// The records that were shown after the first `kept`.
    fn after(shown: &[Value], kept: usize) -> Result<Self> {
        let last = |records: &[Value]| -> Option<Timestamp> {
            let time = |record: &Value| record["time"].as_str()?.parse().ok();
            records.iter().rev().find_map(time)
        };
        let (kept, lost) = shown.split_at(kept);
        let time = last(kept).context("no time in the replay")?;
        let intervals = lost
            .iter()
            .filter_map(|record| record["interval_s"].as_f64());
        Ok(Self {
            time: last(lost).map_or(SignedDuration::ZERO, |last| last.duration_since(time)),
            longest: SignedDuration::try_from_secs_f64(intervals.fold(0.0, f64::max))?,
        })
    }

    /// A second, and the intervals at its edges, which may have been delayed: the one before a block's first sample, the one that
    /// was shown and not yet in a block, and one while a block was written.
    fn allowed(&self) -> SignedDuration {
        SignedDuration::from_secs(1) + self.longest * 3
    }
}

pub(super) fn full_disk() -> Result<()> {
    let disk = SmallDisk::mount()?;
    let file = disk.0.join("full.ctp");
    let file = file.to_str().context("the path is no UTF-8")?;
    let recorder = record(file)?;
    let recorded = thread::scope(|scope| -> Result<Ended> {
        let load = scope.spawn(load);
        // It ends by itself when the disk is full.
        let recorded = recorder.wait()?;
        load.join().map_err(|_| anyhow!("the load panicked"))??;
        Ok(recorded)
    })?;
    let error = &recorded.stderr;
    ensure!(recorded.status.code() == Some(1), "{error}");
    ensure!(
        error.contains("No space left on device") && error.contains("records kept up to"),
        "{error}"
    );
    let (replayed, stderr) = replay(file)?;
    ensure!(
        !replayed.is_empty() && recorded.lines.starts_with(&replayed),
        "the replay differs"
    );
    ensure!(
        error.contains(&format!("{} records kept", replayed.len())),
        "{error}: {} read",
        replayed.len()
    );
    println!(
        "{} of {} records; {}",
        replayed.len(),
        recorded.lines.len(),
        error.trim()
    );
    ensure!(stderr.contains("without a summary"), "{stderr}");
    Ok(())
}

/// A file system with almost no space.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount() -> Result<Self> {
        let dir = Path::new("/tmp/small");
        fs::create_dir_all(dir).context("make /tmp/small")?;
        mount("small", dir, "tmpfs", MountFlags::empty(), c"size=16k").context("mount a tmpfs")?;
        Ok(Self(dir.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A later one is mounted over it.
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}
