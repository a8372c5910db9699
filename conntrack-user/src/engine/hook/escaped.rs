//! Processes that a command of `--on-alert` has started and that left its process group, as `setsid` does: they are found by a
//! variable that the command was started with, which they have inherited.

use std::path::Path;

use rustix::process::{Pid, Signal, getpid, kill_process};

use crate::source::{proc_fs::PROC, processes::started_with};

/// The variable that has the command's number.
const VARIABLE: &str = "CTPULSE_COMMAND";

/// How often they are looked for: one may start another before it is killed.
const PASSES: u32 = 10;

/// What all processes of one command have in their environment.
pub(super) struct Mark {
    value: String,
    /// Whether they are killed when this is dropped.
    kills: bool,
}

impl Mark {
    /// The mark of the command with this number, which no command of another run has.
    pub(super) fn new(number: u64) -> Self {
        Self {
            value: format!("{}.{number}", getpid().as_raw_nonzero()),
            kills: true,
        }
    }

    /// The variable to start the command with.
    pub(super) fn variable(&self) -> (&'static str, &str) {
        (VARIABLE, &self.value)
    }

    /// Leaves them alone: the command has ended by itself, and may have started daemons.
    pub(super) fn release(mut self) {
        self.kills = false;
    }

    /// The processes that have it. Of other users' this cannot be known.
    fn processes(&self) -> Vec<Pid> {
        let found = started_with(Path::new(PROC), &format!("{VARIABLE}={}", self.value));
        let pids = found.into_iter().filter_map(|pid| i32::try_from(pid).ok());
        pids.filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        for _ in 0..PASSES {
            let found = match self.kills {
                true => self.processes(),
                false => Vec::new(),
            };
            if found.is_empty() {
                return;
            }
            for pid in found {
                // It may have ended meanwhile.
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn started(mark: &Mark) -> std::process::Child {
        let (name, value) = mark.variable();
        let mut command = Command::new("sleep");
        command.arg("1000").env(name, value);
        command.spawn().expect("sleep is everywhere")
    }

    #[test]
    fn only_what_has_the_mark_is_killed() {
        let (mark, other) = (Mark::new(1), Mark::new(2));
        let (mut child, mut of_other) = (started(&mark), started(&other));
        // It is the program that has the variable, not yet the copy of this process that becomes it.
        while mark.processes().is_empty() || other.processes().is_empty() {}
        drop(mark);
        assert!(!child.wait().expect("a child").success());
        assert!(of_other.try_wait().expect("a child").is_none());
        other.release();
        assert!(of_other.try_wait().expect("a child").is_none());
        of_other.kill().expect("killed");
        of_other.wait().expect("a child");
    }
}
