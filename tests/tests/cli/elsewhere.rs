//! A process in a network namespace of its own, under any name.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

/// Time between two looks at what is waited for.
const LOOK_AGAIN: Duration = Duration::from_millis(5);

/// Names the process after its first argument, and waits to be ended: by its standard input, if by nothing else.
const WAIT: &str = r#"printf "$1" > /proc/$$/comm && read _"#;

/// A process in a network namespace of its own, which ends with it.
pub(crate) struct Elsewhere(Child);

impl Elsewhere {
    /// Starts one whose `comm` is this. `None`, and a word on stderr, where that takes privileges we do not have.
    pub(crate) fn start(comm: &[u8]) -> Result<Option<Self>> {
        let own = fs::read_link("/proc/self/ns/net")?;
        // printf understands octal escapes: no byte of the name has a meaning to the shell.
        let name: String = comm.iter().map(|byte| format!("\\{byte:03o}")).collect();
        let child = Command::new("unshare")
            .args(["--net", "sh", "-c", WAIT, "sh", &name])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("run unshare")?;
        let mut elsewhere = Self(child);
        let pid = elsewhere.pid();
        let (netns, is_named) = (format!("/proc/{pid}/ns/net"), format!("/proc/{pid}/comm"));
        let expected = [comm, b"\n"].concat();
        loop {
            if let Some(status) = elsewhere.0.try_wait()? {
                ensure!(!rustix::process::geteuid().is_root(), "unshare: {status}");
                eprintln!("skipped: a network namespace can only be made by root");
                return Ok(None);
            }
            if fs::read(&is_named).is_ok_and(|name| name == expected)
                && fs::read_link(&netns).is_ok_and(|theirs| theirs != own)
            {
                return Ok(Some(elsewhere));
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
