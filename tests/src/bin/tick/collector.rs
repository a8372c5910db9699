//! What reads the counters, and the CPU time that it takes each time.

use std::{
    env,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread::{self, sleep},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::{
    cpu_time::{cpu_time, cpu_time_of_first_thread},
    serving::Server,
};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

use crate::{
    pace::{PACE, TICKS, WARM},
    statistics::Statistics,
};

/// Reads the counters again and again.
pub(crate) trait Collector {
    /// The CPU time of one time, as a mean of many.
    fn measure(&mut self) -> Result<Duration>;
}

/// A process that is killed when this is dropped.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        Ok(Self(child.with_context(|| format!("run {name}"))?))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that does nothing but open, read and close the file at each tick.
pub(crate) struct BareRead(pub(crate) PathBuf);

impl Collector for BareRead {
    fn measure(&mut self) -> Result<Duration> {
        let mut command = Command::new(env::current_exe()?);
        let running = Running::start(command.arg("--bare").arg(&self.0))?;
        sleep(WARM);
        let before = cpu_time(running.0.id())?;
        sleep(PACE * TICKS);
        Ok((cpu_time(running.0.id())?.saturating_sub(before)) / TICKS)
    }
}

/// `ctpulse stream` without probes.
pub(crate) struct Ctpulse {
    program: PathBuf,
    arguments: Vec<String>,
}

impl Ctpulse {
    pub(crate) fn new(program: &Path, statistics: &Statistics, format: &str) -> Self {
        let mut arguments = vec![
            format!("--interval={}ms", PACE.as_millis()),
            format!("--format={format}"),
        ];
        arguments.push(match statistics.is_of_this_kernel() {
            true => "--probes=off".to_owned(),
            false => format!("--proc-root={}", statistics.root.display()),
        });
        Self {
            program: program.to_owned(),
            arguments,
        }
    }
}

impl Collector for Ctpulse {
    fn measure(&mut self) -> Result<Duration> {
        let mut command = Command::new(&self.program);
        command
            .arg("stream")
            .args(&self.arguments)
            .stdout(Stdio::piped());
        let mut running = Running::start(&mut command)?;
        let lines = Arc::new(AtomicU32::new(0));
        let (stdout, counted) = (running.0.stdout.take(), Arc::clone(&lines));
        let stdout = stdout.context("standard output is piped")?;
        thread::spawn(move || {
            for _ in BufReader::new(stdout).lines().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        sleep(WARM);
        let state = || -> Result<(Duration, u32)> {
            Ok((cpu_time(running.0.id())?, lines.load(Ordering::Relaxed)))
        };
        let (before, from) = state()?;
        sleep(PACE * TICKS);
        let (after, to) = state()?;
        // On a machine that has other things to do, some ticks are left out.
        let ticks = to.saturating_sub(from);
        ensure!(ticks >= TICKS / 2, "{ticks} samples in the time of {TICKS}");
        Ok(after.saturating_sub(before) / ticks)
    }
}

/// node_exporter, asked for the metrics of its conntrack collector.
pub(crate) struct NodeExporter {
    program: PathBuf,
    proc: PathBuf,
}

impl NodeExporter {
    pub(crate) fn new(program: &Path, statistics: &Statistics) -> Self {
        Self {
            program: program.to_owned(),
            proc: statistics.root.clone(),
        }
    }
}

impl Collector for NodeExporter {
    fn measure(&mut self) -> Result<Duration> {
        let server = Server::start("node_exporter", |port| {
            let mut command = Command::new(&self.program);
            command
                .arg("--collector.disable-defaults")
                .arg("--collector.conntrack")
                .arg(format!("--path.procfs={}", self.proc.display()))
                .arg("--web.disable-exporter-metrics")
                .arg(format!("--web.listen-address=127.0.0.1:{port}"));
            command
        })?;
        let ask = || server.get("/metrics", "text/plain;version=0.0.4");
        ask()?;
        sleep(WARM);
        let before = cpu_time(server.pid())?;
        for _ in 0..TICKS {
            ask()?;
            sleep(PACE);
        }
        Ok(cpu_time(server.pid())?.saturating_sub(before) / TICKS)
    }
}

/// `conntrack -S`, started each time.
pub(crate) struct Conntrack(pub(crate) PathBuf);

impl Collector for Conntrack {
    fn measure(&mut self) -> Result<Duration> {
        const TIMES: u32 = TICKS / 10;
        let mut sum = Duration::ZERO;
        for _ in 0..TIMES {
            sum += of_run(Command::new(&self.0).arg("-S"))?;
            sleep(PACE);
        }
        Ok(sum / TIMES)
    }
}

/// The CPU time that a run of a program takes, in its first thread.
pub(crate) fn of_run(command: &mut Command) -> Result<Duration> {
    let running = Running::start(command.stdout(Stdio::null()))?;
    let pid = i32::try_from(running.0.id()).ok().and_then(Pid::from_raw);
    let pid = pid.context("a process has a number")?;
    // Its state is there until it is waited for in earnest.
    waitid(
        WaitId::Pid(pid),
        WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
    )?;
    cpu_time_of_first_thread(running.0.id())
}
