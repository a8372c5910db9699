//! The program with the standard input, output and error that a test gives it, and its end.

use std::{
    fs::{self, File},
    io::{self, PipeReader, PipeWriter, Read, Write},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    process::{Pid, Signal, kill_process},
};

use crate::program;

/// How long an end may take. A program that is stuck never comes to one.
const PATIENCE: Duration = Duration::from_secs(60);

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Where a process waits for others, by names of kernel functions in /proc/PID/wchan.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wait {
    /// For a reader to take what it writes.
    Reader,
    /// For something to read.
    Writer,
    /// For somebody to open the other end of a FIFO.
    Partner,
}

impl Wait {
    fn functions(self) -> &'static [&'static str] {
        match self {
            Self::Reader => &["pipe_write"],
            Self::Writer => &["pipe_read"],
            Self::Partner => &["wait_for_partner", "fifo_open"],
        }
    }
}

/// `ctpulse ARGS`, not started yet. A suite that runs in the background of a shell has SIGINT and SIGQUIT ignored, and hands
/// that on; this does not.
pub(crate) fn ctpulse(args: &[&str]) -> Result<Command> {
    let mut command = Command::new("env");
    command
        .arg("--default-signal=INT,QUIT,HUP")
        .arg(program::path()?)
        .args(args)
        .env("RUST_BACKTRACE", "0");
    Ok(command)
}

/// The same within a limit, in the words of prlimit(1), such as `--nofile=6`.
pub(crate) fn limited(limit: &str, args: &[&str]) -> Result<Command> {
    let mut command = Command::new("prlimit");
    command
        .arg(limit)
        .arg(program::path()?)
        .args(args)
        .env("RUST_BACKTRACE", "0");
    Ok(command)
}

/// A file that has no room for anything.
pub(crate) fn full_disk() -> Result<File> {
    let file = File::options().write(true).open("/dev/full");
    file.context("open /dev/full")
}

/// A pipe that is full, and whose reader does not read.
pub(crate) fn full_pipe() -> Result<(PipeReader, PipeWriter)> {
    let (reader, mut writer) = io::pipe()?;
    let flags = fcntl_getfl(&writer)?;
    fcntl_setfl(&writer, flags | OFlags::NONBLOCK)?;
    for bytes in [&[b'x'; 4096][..], b"x"] {
        while writer.write(bytes).is_ok() {}
    }
    fcntl_setfl(&writer, flags)?;
    Ok((reader, writer))
}

/// A pipe that nobody reads.
pub(crate) fn closed_pipe() -> Result<PipeWriter> {
    let (_closed, writer) = io::pipe()?;
    Ok(writer)
}

/// Starts a command with an empty standard input and a pipe that takes its diagnostics.
pub(crate) fn start(command: &mut Command) -> Result<Spawned> {
    let (stderr, writer) = io::pipe()?;
    command.stderr(writer);
    spawn(command, Some(stderr))
}

/// Starts a command as it is.
pub(crate) fn start_as_it_is(command: &mut Command) -> Result<Spawned> {
    spawn(command, None)
}

fn spawn(command: &mut Command, stderr: Option<PipeReader>) -> Result<Spawned> {
    let child = command.spawn();
    let child = child.with_context(|| format!("cannot run {command:?}"))?;
    // What only the child has now is closed when the child is gone.
    *command = Command::new("true");
    Ok(Spawned { child, stderr })
}

/// A program that runs.
pub(crate) struct Spawned {
    child: Child,
    stderr: Option<PipeReader>,
}

/// How one ended.
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    /// What it wrote to standard error, where that was ours.
    pub(crate) stderr: String,
}

impl Spawned {
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(self.pid(), signal).context("cannot signal ctpulse")
    }

    /// Waits until something is so, while it runs.
    pub(crate) fn wait_until(
        &mut self,
        what: &str,
        mut is: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while !is(self) {
            if let Some(status) = self.child.try_wait()? {
                bail!("ended before {what} ({status})");
            }
            if Instant::now() >= deadline {
                bail!("no {what} within {PATIENCE:?}");
            }
            thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }

    /// Waits until one of its threads waits for somebody.
    pub(crate) fn wait_until_it_waits(&mut self, wait: Wait) -> Result<()> {
        self.wait_until(&format!("wait ({wait:?})"), |program| {
            let tasks = format!("/proc/{}/task", program.pid().as_raw_nonzero());
            let mut tasks = fs::read_dir(tasks).into_iter().flatten().flatten();
            tasks.any(|task| {
                let at = fs::read_to_string(task.path().join("wchan")).unwrap_or_default();
                wait.functions().iter().any(|f| at.contains(f))
            })
        })
    }

    /// Its end, which must come by itself.
    pub(crate) fn end(mut self) -> Result<End> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() >= deadline {
                bail!("does not end within {PATIENCE:?}");
            }
            thread::sleep(LOOK_AGAIN);
        };
        let mut stderr = Vec::new();
        if let Some(mut pipe) = self.stderr.take() {
            pipe.read_to_end(&mut stderr)?;
        }
        Ok(End {
            status,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
