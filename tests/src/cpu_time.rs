//! CPU time of other processes.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

/// The CPU time of all threads that a process has.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread that has ended since took hardly any.
        sum += of_task(&thread?.path())?.unwrap_or_default();
    }
    Ok(sum)
}

/// The CPU time of a process's threads of this name; `None` if it has none.
pub fn cpu_time_of_thread(pid: u32, name: &str) -> Result<Option<Duration>> {
    let mut sum = None;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path();
        let named = fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim() == name);
        if named && let Some(time) = of_task(&path)? {
            sum = Some(sum.unwrap_or_default() + time);
        }
    }
    Ok(sum)
}

/// The CPU time of a process's first thread, which may have ended.
pub fn cpu_time_of_first_thread(pid: u32) -> Result<Duration> {
    let time = of_task(Path::new(&format!("/proc/{pid}")))?;
    time.with_context(|| format!("there is no process {pid}"))
}

/// By the directory of a process or thread; `None` once that is gone.
fn of_task(directory: &Path) -> Result<Option<Duration>> {
    let path = directory.join("schedstat");
    let Ok(text) = fs::read_to_string(&path) else {
        return Ok(None);
    };
    let first = text.split_whitespace().next();
    let first = first.with_context(|| format!("{} is empty", path.display()))?;
    Ok(Some(Duration::from_nanos(first.parse()?)))
}

/// The middle one.
pub fn median(durations: &mut [Duration]) -> Duration {
    durations.sort_unstable();
    durations
        .get(durations.len() / 2)
        .copied()
        .unwrap_or_default()
}
