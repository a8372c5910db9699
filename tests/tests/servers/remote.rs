//! `ctpulse --from ssh://…` with a real sshd: the connection is cut, the ctpulse there is killed, and both come back.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{
    program::{self, Running},
    server::Server,
    sshd,
    tree::{MAX, Tree},
};

/// How long processes may take to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// What only the ctpulse on the other side is called with.
const THERE: &str = "--until-stdin-ends";

/// A host that is this machine, behind sshd.
struct Host {
    sshd: Server,
    tree: Tree,
}

/// A process: its number, and its arguments.
struct Process {
    pid: Pid,
    command: String,
}

impl Host {
    fn start() -> Result<Self> {
        Ok(Self {
            sshd: sshd::start()?,
            tree: Tree::of("6.1/t0")?,
        })
    }

    fn root(&self) -> Result<String> {
        let root = self.tree.root();
        Ok(root.to_str().context("the path is no UTF-8")?.to_owned())
    }

    /// A command that reads it, with more arguments.
    fn read(&self, command: &[&str], more: &[&str]) -> Result<Running> {
        let source = format!("web1=ssh://{}", sshd::HOST);
        let root = self.root()?;
        let all = [command, &["--from", &source, "--proc-root", &root], more].concat();
        // The client knows the host.
        let paths = env::var_os("PATH").unwrap_or_default();
        let client = [self.sshd.dir().join("bin")].into_iter();
        let paths = env::join_paths(client.chain(env::split_paths(&paths)))?;
        let mut program = Command::new(program::path()?);
        Running::start_command(program.args(all).env("PATH", paths), Stdio::piped())
    }

    /// A stream of JSON that is measured by the program under test.
    fn stream(&self) -> Result<Running> {
        let path = program::path()?;
        let path = path.to_str().context("the path is no UTF-8")?;
        let more = ["--interval", "50ms", "--remote-path", path];
        self.read(&["stream", "--format", "json"], &more)
    }

    /// The processes there that measure it.
    fn measuring(&self) -> Result<Vec<Process>> {
        let root = self.root()?;
        let mut found = processes();
        found.retain(|process| process.command.contains(THERE) && process.command.contains(&root));
        // Not ssh, and not the shells around it.
        found.retain(|process| {
            let exe = fs::read_link(format!("/proc/{}/exe", process.pid.as_raw_nonzero()));
            exe.is_ok_and(|exe| exe.to_string_lossy().contains("ctpulse"))
        });
        Ok(found)
    }

    /// Waits until so many measure it.
    fn wait_for_measuring(&self, number: usize) -> Result<Vec<Process>> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.measuring()?;
            if found.len() == number {
                return Ok(found);
            }
            if Instant::now() > deadline {
                bail!(
                    "{} processes measure, not {number}; {}",
                    found.len(),
                    self.sshd.log()
                );
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn processes() -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let of = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let command = fs::read(entry.path().join("cmdline")).ok()?;
        Some(Process {
            pid: Pid::from_raw(pid)?,
            command: String::from_utf8_lossy(&command).replace('\0', " "),
        })
    };
    entries.filter_map(of).collect()
}

fn host(state: &'static str) -> impl Fn(&Value) -> bool {
    move |record| record["type"] == "host" && record["state"] == state
}

fn max(max: u64) -> impl Fn(&Value) -> bool {
    move |sample| sample["max"] == max
}

#[test]
fn it_is_measured_there_as_was_asked_for_here() -> Result<()> {
    let host = Host::start()?;
    let mut stream = host.stream()?;
    // The first hello may be from before it was reached.
    let hello = stream.wait_for("hello with that host", |record| {
        record["type"] == "hello" && record["instances"][0]["host"] == "web1"
    })?;
    ensure!(hello["interval_ms"] == 50.0, "{hello}");
    let clock = stream.wait_for("clock", |record| record["clock_ahead_ms"].is_number())?;
    // It is the same clock, and what is made arrives soon.
    let ahead = clock["clock_ahead_ms"].as_f64().context("a number")?;
    ensure!((-5_000.0..=0.001).contains(&ahead), "{ahead}");
    host.tree.write(MAX, "123456\n")?;
    stream.wait_for_sample("what was changed there", max(123_456))?;
    let started = Instant::now();
    stream.signal(Signal::INT)?;
    let ended = stream.wait()?.successful()?;
    ensure!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    let summary = ended.of("summary")?.pop_front().context("no summary")?;
    ensure!(
        summary["instances"][0]["name"]
            .as_str()
            .is_some_and(|name| name.starts_with("web1/")),
        "{summary}"
    );
    host.wait_for_measuring(0)?;
    Ok(())
}

#[test]
fn a_ctpulse_that_is_killed_there_is_lost_and_started_again() -> Result<()> {
    let host = Host::start()?;
    let mut stream = host.stream()?;
    stream.wait_for_sample("first sample", |sample| sample["entries"].is_u64())?;
    for process in host.wait_for_measuring(1)? {
        kill_process(process.pid, Signal::KILL)?;
    }
    stream.wait_for("loss", self::host("lost"))?;
    stream.wait_for_sample("sample without values", |sample| {
        sample["entries"].is_null()
    })?;
    stream.wait_for("return", self::host("connected"))?;
    host.tree.write(MAX, "222222\n")?;
    stream.wait_for_sample("sample of the one that was started again", max(222_222))?;
    stream.stop()?;
    host.wait_for_measuring(0)?;
    Ok(())
}

#[test]
fn a_connection_that_is_cut_is_lost_and_made_again() -> Result<()> {
    let host = Host::start()?;
    let mut stream = host.stream()?;
    stream.wait_for_sample("first sample", |sample| sample["entries"].is_u64())?;
    let measuring = host.wait_for_measuring(1)?;
    let before = measuring.first().context("a process")?.pid;
    // The sshd of this session, which is above the shell that has started ctpulse.
    let mut pid = before;
    let session = loop {
        pid = parent(pid)?;
        let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()))?;
        if name.trim() == "sshd" {
            break pid;
        }
    };
    kill_process(session, Signal::KILL)?;
    let lost = stream.wait_for("loss", self::host("lost"))?;
    ensure!(lost["reason"].is_string(), "{lost}");
    stream.wait_for("return", self::host("connected"))?;
    host.tree.write(MAX, "222222\n")?;
    stream.wait_for_sample("sample of the new connection", max(222_222))?;
    // The one of the old connection has ended with it.
    let after = host.wait_for_measuring(1)?;
    ensure!(after.iter().all(|process| process.pid != before));
    stream.stop()?;
    host.wait_for_measuring(0)?;
    Ok(())
}

fn parent(pid: Pid) -> Result<Pid> {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero()))?;
    let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
    let parent = parent.context("no parent")?.trim().parse()?;
    Pid::from_raw(parent).context("no parent")
}

#[test]
fn a_copy_is_removed_when_the_run_ends() -> Result<()> {
    let host = Host::start()?;
    let mut stream = host.read(&["stream", "--format", "json"], &["--copy"])?;
    stream.wait_for_sample("sample", |sample| sample["entries"].is_u64())?;
    let copies: Vec<PathBuf> = host
        .wait_for_measuring(1)?
        .iter()
        .map(|process| fs::read_link(format!("/proc/{}/exe", process.pid.as_raw_nonzero())))
        .collect::<Result<_, _>>()?;
    let copy = copies.first().context("a process")?;
    ensure!(*copy != program::path()?, "{}", copy.display());
    let dir = copy.parent().context("a directory")?;
    ensure!(is_private(dir)?, "{}", dir.display());
    stream.stop()?;
    host.wait_for_measuring(0)?;
    let deadline = Instant::now() + PATIENCE;
    while dir.exists() {
        ensure!(Instant::now() < deadline, "{} is left", dir.display());
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn is_private(dir: &Path) -> Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(dir)?.permissions().mode() & 0o777 == 0o700)
}

#[test]
fn what_cannot_be_started_says_what_to_do() -> Result<()> {
    let host = Host::start()?;
    let running = host.read(&["stream"], &["--remote-path", "/nonexistent/ctpulse"])?;
    let ended = running.wait()?;
    ensure!(ended.status.code() == Some(1), "{}", ended.status);
    ensure!(
        ended
            .stderr
            .contains("web1: refused: there is no /nonexistent/ctpulse on it; --copy uses a copy"),
        "{}",
        ended.stderr
    );
    Ok(())
}

#[test]
fn checks_judge_it() -> Result<()> {
    let host = Host::start()?;
    host.tree.write(MAX, "1000\n")?;
    host.tree.set_entries(960)?;
    let path = program::path()?;
    let path = path.to_str().context("the path is no UTF-8")?;
    let ended = host.read(&["check"], &["--remote-path", path])?.wait()?;
    ensure!(
        ended.status.code() == Some(2),
        "{} {}",
        ended.status,
        ended.stderr
    );
    let line = ended.lines.first().context("no line")?;
    ensure!(
        line.starts_with("CONNTRACK CRITICAL - 960 of 1000 entries (96.0 %)"),
        "{line}"
    );
    host.wait_for_measuring(0)?;
    Ok(())
}
