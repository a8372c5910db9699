//! A program that runs while flows are created, and waiting for its output.

use std::{
    env, fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// The timeout for expected events. Guests under software emulation are slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until a condition holds.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            bail!("waited {PATIENCE:?} in vain until {what}");
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// A running program. Its output goes to files, because reading it meanwhile would add work.
pub(crate) struct Process {
    child: Child,
    program: String,
    stdout: Option<PathBuf>,
    stderr: PathBuf,
}

impl Process {
    /// Starts a program and keeps its standard output.
    pub(crate) fn start(command: &[&str]) -> Result<Self> {
        Self::spawn(command, true)
    }

    /// Starts a program and discards its standard output.
    pub(crate) fn start_silent(command: &[&str]) -> Result<Self> {
        Self::spawn(command, false)
    }

    fn spawn(command: &[&str], keep: bool) -> Result<Self> {
        let (program, args) = command.split_first().context("an empty command")?;
        let file = |name: &str| env::temp_dir().join(format!("flood-{program}.{name}"));
        let create = |path: &PathBuf| {
            fs::File::create(path).with_context(|| format!("create {}", path.display()))
        };
        let stdout = keep.then(|| file("out"));
        let stderr = file("err");
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(match &stdout {
                Some(path) => create(path)?.into(),
                None => Stdio::null(),
            })
            .stderr(create(&stderr)?)
            .spawn()
            .with_context(|| format!("run {program}"))?;
        Ok(Self {
            child,
            program: (*program).to_owned(),
            stdout,
            stderr,
        })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The standard output so far, if it is kept.
    pub(crate) fn stdout(&self) -> Result<String> {
        match &self.stdout {
            Some(path) => fs::read_to_string(path).with_context(|| {
                format!("read {}, the output of {}", path.display(), self.program)
            }),
            None => Ok(String::new()),
        }
    }

    /// Waits until a condition holds; fails if the program ends before.
    pub(crate) fn until(
        &mut self,
        what: &str,
        mut done: impl FnMut(&Self) -> Result<bool>,
    ) -> Result<()> {
        wait_until(what, || {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended ({status}): {}", self.program, self.complaint());
            }
            done(self)
        })
    }

    /// Interrupts the program, waits for its end, and returns its standard output.
    pub(crate) fn stop(mut self) -> Result<String> {
        kill_process(Pid::from_child(&self.child), Signal::INT)
            .with_context(|| format!("interrupt {}", self.program))?;
        let what = format!("{} ends", self.program);
        let mut status = None;
        wait_until(&what, || {
            status = self.child.try_wait()?;
            Ok(status.is_some())
        })?;
        if let Some(status) = status
            && !status.success()
        {
            bail!("{} ended ({status}): {}", self.program, self.complaint());
        }
        self.stdout()
    }

    /// The first line of its standard error.
    fn complaint(&self) -> String {
        let text = fs::read_to_string(&self.stderr).unwrap_or_default();
        text.lines().next().unwrap_or("no message").to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
