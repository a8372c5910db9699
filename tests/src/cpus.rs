//! The guest's CPUs: listing, pinning, taking them offline.

use std::fs;

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// The CPUs that this thread may run on and that are online.
pub fn available() -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(None).context("read the CPUs to run on")?;
    Ok((0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect())
}

/// Pins this thread to a CPU until the guard is dropped.
pub fn stay_on(cpu: usize) -> Result<Pinned> {
    let before = sched_getaffinity(None).context("read the CPUs to run on")?;
    let mut only = CpuSet::new();
    only.set(cpu);
    sched_setaffinity(None, &only).with_context(|| format!("run on CPU {cpu}"))?;
    Ok(Pinned(before))
}

/// The guard of a pinned thread.
#[must_use]
pub struct Pinned(CpuSet);

impl Drop for Pinned {
    fn drop(&mut self) {
        // The next scenario resets the affinity.
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Resets this thread's affinity, and brings all CPUs online.
pub fn all() -> Result<()> {
    let mut every = CpuSet::new();
    for entry in fs::read_dir("/sys/devices/system/cpu").context("list the CPUs")? {
        let name = entry.context("list the CPUs")?.file_name();
        let name = name.to_string_lossy();
        if let Some(cpu) = name.strip_prefix("cpu").and_then(|id| id.parse().ok()) {
            every.set(cpu);
            // The first CPU cannot go offline, so it has no such file.
            if fs::read_to_string(online(cpu)).is_ok_and(|online| online.trim() == "0") {
                set_online(cpu, true)?;
            }
        }
    }
    sched_setaffinity(None, &every).context("run on all CPUs")
}

/// Takes a CPU offline until the guard is dropped.
pub fn take_away(cpu: usize) -> Result<Away> {
    set_online(cpu, false)?;
    Ok(Away(cpu))
}

/// The guard of an offline CPU.
#[must_use]
pub struct Away(usize);

impl Away {
    /// Brings it back.
    pub fn bring_back(self) -> Result<()> {
        set_online(self.0, true)
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        // It may be online already.
        let _ = set_online(self.0, true);
    }
}

fn set_online(cpu: usize, on: bool) -> Result<()> {
    let path = online(cpu);
    fs::write(&path, u8::from(on).to_string()).with_context(|| format!("write {path}"))
}

fn online(cpu: usize) -> String {
    format!("/sys/devices/system/cpu/cpu{cpu}/online")
}
