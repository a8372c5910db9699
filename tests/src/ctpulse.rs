//! Runs ctpulse and evaluates its output.
//!
//! A scenario starts a [`Stream`], makes the kernel do something, waits until ctpulse reports it, and ends the stream. [`Ended`]
//! evaluates the whole run:
//!
//! ```ignore
//! let mut stream = Stream::start(&["--buckets"])?;
//! UdpFlows::new()?.send(500)?;
//! stream.wait_for_sample("all flows", |sample| sample["counters"]["new"] == 500)?;
//! let ended = stream.stop()?;
//! ended.no_mismatch()?;
//! ensure!(ended.probe("inserted")? == 500);
//! ```
//!
//! Nothing waits for a fixed time: [`PATIENCE`] is only a limit. To wait until the kernel has processed everything that was sent,
//! call [`crate::kernel::settle`].

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kernel::{has_types, serves_fentry};

/// The timeout for expected records. Guests are emulated, on machines that may be busy.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// A running ctpulse, and its JSON lines.
pub struct Stream {
    child: Child,
    stdout: Receiver<String>,
    stderr: Option<thread::JoinHandle<String>>,
    /// All lines so far, and the records in them.
    lines: Vec<String>,
    records: Vec<Value>,
}

/// A run that has ended, and its output.
pub struct Ended {
    /// Every line of stdout. The last is incomplete if ctpulse was killed while writing it.
    pub lines: Vec<String>,
    /// The record of each line that can be parsed.
    pub records: Vec<Value>,
    /// The exit status.
    pub status: ExitStatus,
    /// All of stderr.
    pub stderr: String,
}

/// Whether every run is by kprobe.
static WITHOUT_FENTRY: AtomicBool = AtomicBool::new(false);

/// The option for that.
pub const NO_FENTRY: &str = "--no-fentry";

/// Has ctpulse attach its probes by kprobe, in every run from now on.
pub fn without_fentry() {
    WITHOUT_FENTRY.store(true, Ordering::Relaxed);
}

/// Whether every run is to attach its probes by kprobe.
pub fn is_without_fentry() -> bool {
    WITHOUT_FENTRY.load(Ordering::Relaxed)
}

/// How probes are attached on this kernel, if nothing else is asked for: the mode in the hello.
pub fn best_mode() -> Result<&'static str> {
    let fentry = !is_without_fentry() && has_types()? && serves_fentry()?;
    Ok(if fentry { "fentry" } else { "kprobe" })
}

impl Stream {
    /// Starts `ctpulse stream --format json` with more arguments, and waits for its first sample: from then on everything is
    /// counted, and every sample has a predecessor.
    pub fn start(args: &[&str]) -> Result<Self> {
        let args = [&["stream", "--format", "json"], args].concat();
        let mut stream = Self::command(&args)?;
        stream.samples(1)?;
        Ok(stream)
    }

    /// Starts any command of ctpulse that writes JSON lines, and waits for the hello: from then on everything is counted.
    pub fn command(args: &[&str]) -> Result<Self> {
        let mut stream = Self::spawn(args)?;
        stream.wait_for("hello", |record| record["type"] == "hello")?;
        Ok(stream)
    }

    /// The same with another command in front of ctpulse, which runs that.
    pub fn behind(prefix: &[&str], args: &[&str]) -> Result<Self> {
        let mut stream = Self::spawn_behind(prefix, args)?;
        stream.wait_for("hello", |record| record["type"] == "hello")?;
        Ok(stream)
    }

    fn spawn(args: &[&str]) -> Result<Self> {
        Self::spawn_behind(&[], args)
    }

    fn spawn_behind(prefix: &[&str], args: &[&str]) -> Result<Self> {
        let whole = [prefix, &["ctpulse"]].concat();
        let mut command = Command::new(whole[0]);
        command.args(&whole[1..]).args(args);
        if is_without_fentry() && !args.contains(&NO_FENTRY) {
            command.arg(NO_FENTRY);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("run ctpulse")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let mut stderr = child.stderr.take().context("stderr is piped")?;
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = thread::spawn(move || {
            let mut text = String::new();
            // Show what could be read before the error.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Ok(Self {
            child,
            stdout: lines,
            stderr: Some(stderr),
            lines: Vec::new(),
            records: Vec::new(),
        })
    }

    /// Reads until a record matches, and returns it. Does not look at records that were read before.
    pub fn wait_for(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.stdout.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!(
                    "no {what} within {PATIENCE:?}; the last line is {:?}",
                    self.lines.last()
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("ctpulse ended before {what}: {}", self.take_stderr())
                }
            };
            let record: Value =
                serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
            self.lines.push(line);
            self.records.push(record.clone());
            if is(&record) {
                return Ok(record);
            }
        }
    }

    /// The same for a sample.
    pub fn wait_for_sample(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        self.wait_for(what, |record| record["type"] == "sample" && is(record))
    }

    /// Waits for this many more samples.
    pub fn samples(&mut self, number: usize) -> Result<()> {
        for _ in 0..number {
            self.wait_for_sample("sample", |_| true)?;
        }
        Ok(())
    }

    /// The records read so far.
    pub fn records(&self) -> &[Value] {
        &self.records
    }

    /// The first record, which has the configuration of the run.
    pub fn hello(&self) -> Result<&Value> {
        self.records.first().context("no hello")
    }

    /// Requires that the kernel has accepted every program, so that all counts can be compared.
    pub fn nothing_refused(&self) -> Result<()> {
        let hello = self.hello()?;
        let missing = hello["probes"]["missing"].as_array().context("missing")?;
        let reason = |probe: &Value| probe["reason"].as_str().unwrap_or_default().to_owned();
        if let Some(probe) = missing
            .iter()
            .find(|probe| reason(probe).contains("refused"))
        {
            bail!("{probe}");
        }
        // A program that the kernel rejects for fentry is replaced by a kprobe.
        let (mode, best) = (&hello["probes"]["mode"], best_mode()?);
        ensure!(mode == best, "probes are attached by {mode}, not {best}");
        Ok(())
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends ctpulse a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).context("signal ctpulse")
    }

    /// Interrupts ctpulse, reads the rest of its output, and requires success.
    pub fn stop(self) -> Result<Ended> {
        self.signal(Signal::INT)?;
        let ended = self.wait()?;
        ensure!(
            ended.status.success(),
            "ctpulse: {}: {}",
            ended.status,
            ended.stderr
        );
        Ok(ended)
    }

    /// Reads the rest of the output of a ctpulse that ends by itself or by a signal.
    pub fn wait(mut self) -> Result<Ended> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.stdout.recv_timeout(left) {
                Ok(line) => {
                    self.records.extend(serde_json::from_str::<Value>(&line));
                    self.lines.push(line);
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => bail!("no end within {PATIENCE:?}"),
            }
        }
        // It has closed its output, so it is about to exit.
        let status = self.child.wait().context("wait for ctpulse")?;
        Ok(Ended {
            lines: std::mem::take(&mut self.lines),
            records: std::mem::take(&mut self.records),
            status,
            stderr: self.take_stderr(),
        })
    }

    fn take_stderr(&mut self) -> String {
        self.stderr
            .take()
            .and_then(|thread| thread.join().ok())
            .unwrap_or_default()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // A failed scenario must not leave it running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Records of one type.
    pub fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.records
            .iter()
            .filter(move |record| record["type"] == kind)
    }

    /// The last record: the summary of the run.
    pub fn last(&self) -> Result<&Value> {
        let last = self.records.last().context("ctpulse wrote nothing")?;
        ensure!(last["type"] == "summary", "the last line is {last}");
        Ok(last)
    }

    /// The summary of the first instance.
    pub fn summary(&self) -> Result<&Value> {
        Ok(&self.last()?["instances"][0])
    }

    /// The summary of an instance.
    pub fn instance(&self, name: &str) -> Result<&Value> {
        let instances = self.last()?["instances"]
            .as_array()
            .context("no instances")?;
        instances
            .iter()
            .find(|instance| instance["name"] == name)
            .with_context(|| format!("no instance {name}"))
    }

    /// The probes' count over the whole run.
    pub fn probe(&self, counter: &str) -> Result<u64> {
        let total = &self.summary()?["totals"][counter]["probe"];
        total
            .as_u64()
            .with_context(|| format!("{counter} is {total}"))
    }

    /// A check of the summary.
    pub fn check(&self, name: &str) -> Result<&Value> {
        let checks = self.summary()?["crosscheck"]
            .as_array()
            .context("no checks")?;
        checks
            .iter()
            .find(|check| check["name"] == name)
            .with_context(|| format!("no check {name}"))
    }

    /// A counter's events by the start of their bucket, in microseconds of wall-clock time, over all samples. Buckets without
    /// events are left out.
    pub fn buckets(&self, counter: &str) -> Result<Vec<(i64, u64)>> {
        let mut points = Vec::new();
        for sample in self.of("sample") {
            let series = &sample["buckets"][counter];
            let start: jiff::Timestamp = series["start"].as_str().context("start")?.parse()?;
            let width = series["width_ms"].as_f64().context("width_ms")? * 1e3;
            for (i, count) in series["counts"]
                .as_array()
                .context("counts")?
                .iter()
                .enumerate()
            {
                let count = count.as_u64().context("count")?;
                if count > 0 {
                    points.push((start.as_microsecond() + (width * i as f64) as i64, count));
                }
            }
        }
        points.sort_unstable();
        Ok(points)
    }

    /// The bursts of a counter.
    pub fn bursts(&self, counter: &str) -> Result<Vec<ReportedBurst>> {
        self.of("burst")
            .filter(|record| record["counter"] == counter)
            .map(ReportedBurst::of)
            .collect()
    }

    /// Requires that no cross-check of the run found a mismatch.
    pub fn no_mismatch(&self) -> Result<()> {
        for record in self.of("crosscheck") {
            for check in record["checks"].as_array().context("checks")? {
                ensure!(check["verdict"] != "mismatch", "{check}");
            }
        }
        Ok(())
    }
}

/// A burst that ctpulse has reported.
#[derive(Clone, Copy, Debug)]
pub struct ReportedBurst {
    /// When it started.
    pub start: Timestamp,
    /// When it was over.
    pub end: Timestamp,
    /// Its events.
    pub count: u64,
}

impl ReportedBurst {
    /// Whether it is about what was sent between two times.
    pub fn overlaps(&self, [from, to]: [Timestamp; 2]) -> bool {
        self.start <= to && self.end >= from
    }

    fn of(record: &Value) -> Result<Self> {
        let time = |key: &str| -> Result<Timestamp> {
            Ok(record[key]
                .as_str()
                .context("a burst without times")?
                .parse()?)
        };
        Ok(Self {
            start: time("start")?,
            end: time("end")?,
            count: record["count"].as_u64().context("count")?,
        })
    }
}
