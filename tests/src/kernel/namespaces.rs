//! Named network namespaces, many of them: a program for each would take too long.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::MetadataExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{TRACK, run};
use crate::ctpulse::PATIENCE;

/// Where they are mounted.
const NAMED: &str = "/run/netns";

/// Makes and deletes namespaces, as `ip netns` does.
pub struct Namespaces {
    ip: Child,
    commands: ChildStdin,
}

impl Namespaces {
    /// Starts `ip`, which takes commands until this is dropped.
    pub fn new() -> Result<Self> {
        let mut ip = Command::new("ip")
            .args(["-force", "-batch", "-"])
            .stdin(Stdio::piped())
            .spawn()
            .context("run ip")?;
        let commands = ip.stdin.take().context("stdin is piped")?;
        Ok(Self { ip, commands })
    }

    /// Makes a namespace.
    pub fn add(&mut self, name: &str) -> Result<()> {
        self.command("add", name)?;
        until(name, || is_namespace(name))
    }

    /// Deletes a namespace.
    pub fn delete(&mut self, name: &str) -> Result<()> {
        self.command("delete", name)?;
        until(name, || Ok(!Path::new(NAMED).join(name).try_exists()?))
    }

    fn command(&mut self, what: &str, name: &str) -> Result<()> {
        writeln!(self.commands, "netns {what} {name}")
            .and_then(|()| self.commands.flush())
            .with_context(|| format!("ip netns {what} {name}"))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        let _ = self.ip.kill();
        let _ = self.ip.wait();
    }
}

fn until(name: &str, is: impl Fn() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !is().with_context(|| format!("look at {name}"))? {
        ensure!(Instant::now() < deadline, "{name} takes too long");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Whether a namespace is mounted on its file.
fn is_namespace(name: &str) -> Result<bool> {
    let path = Path::new(NAMED).join(name);
    if !path.try_exists()? {
        return Ok(false);
    }
    let own = fs::metadata("/proc/self/ns/net")?.dev();
    Ok(fs::metadata(path)?.dev() == own)
}

/// Runs `work` in a thread that is in a namespace.
pub fn within<T: Send>(name: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let netns = File::open(Path::new(NAMED).join(name)).with_context(|| format!("open {name}"))?;
    thread::scope(|scope| {
        let there = scope.spawn(move || {
            use std::os::fd::AsFd as _;
            move_into_link_name_space(netns.as_fd(), Some(LinkNameSpaceType::Network))
                .context("setns")?;
            work()
        });
        there.join().map_err(|_| anyhow!("a thread panicked"))?
    })
    .with_context(|| format!("in {name}"))
}

/// Makes the calling thread's namespace track connections over loopback.
pub fn track() -> Result<()> {
    run(&["ip", "link", "set", "lo", "up"])?;
    run(&["nft", TRACK]).map(drop)
}
