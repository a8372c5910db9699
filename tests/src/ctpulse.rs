//! The program under test, running.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::kernel::conntrack_is_a_module;

/// How long to wait for something that must come. Guests under software emulation are slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// `ctpulse stream --format json`, running.
pub struct Stream {
    child: Child,
    lines: Receiver<String>,
    stderr: Option<thread::JoinHandle<String>>,
    /// Everything it has said so far.
    pub records: Vec<Value>,
}

/// How a stream ended.
pub struct Ended {
    /// Everything it said.
    pub records: Vec<Value>,
    /// Its exit status.
    pub status: ExitStatus,
    /// What it said on stderr.
    pub stderr: String,
}

/// How probes are attached to this kernel: what hello calls their mode.
pub fn best_mode() -> Result<&'static str> {
    Ok(if conntrack_is_a_module()? {
        "kprobe"
    } else {
        "fentry"
    })
}

impl Stream {
    /// Starts it and waits until it has said what it watches: from then on everything counts.
    pub fn start(args: &[&str]) -> Result<Self> {
        let mut stream = Self::spawn(args)?;
        stream.wait_for("hello", |record| record["type"] == "hello")?;
        Ok(stream)
    }

    fn spawn(args: &[&str]) -> Result<Self> {
        let mut child = Command::new("ctpulse")
            .args(["stream", "--format", "json"])
            .args(args)
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
            // What could be read before an error is worth showing.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        Ok(Self {
            child,
            lines,
            stderr: Some(stderr),
            records: Vec::new(),
        })
    }

    /// Reads on until a record is what is waited for, and gives it.
    pub fn wait_for(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match self.lines.recv_timeout(left) {
                Ok(line) => line,
                Err(RecvTimeoutError::Timeout) => bail!("no {what} within {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("ctpulse ended before {what}: {}", self.take_stderr())
                }
            };
            let record: Value =
                serde_json::from_str(&line).with_context(|| format!("not JSON: {line}"))?;
            self.records.push(record.clone());
            if is(&record) {
                return Ok(record);
            }
        }
    }

    /// That the kernel took every program that was to be loaded, so that none of the counts is of the
    /// kernel alone.
    pub fn nothing_refused(&self) -> Result<()> {
        let hello = self.records.first().context("no hello")?;
        let missing = hello["probes"]["missing"].as_array().context("missing")?;
        let reason = |probe: &Value| probe["reason"].as_str().unwrap_or_default().to_owned();
        if let Some(probe) = missing
            .iter()
            .find(|probe| reason(probe).contains("refused"))
        {
            bail!("{probe}");
        }
        // A program that is refused by fentry is replaced by a kprobe.
        let (mode, best) = (&hello["probes"]["mode"], best_mode()?);
        ensure!(mode == best, "probes are attached by {mode}, not {best}");
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).context("signal ctpulse")
    }

    /// Interrupts it and reads to the end.
    pub fn stop(mut self) -> Result<Ended> {
        self.signal(Signal::INT)?;
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            self.records.push(serde_json::from_str(&line)?);
        }
        let status = self.child.wait()?;
        let stderr = self.take_stderr();
        ensure!(status.success(), "ctpulse: {status}: {stderr}");
        Ok(Ended {
            records: std::mem::take(&mut self.records),
            status,
            stderr,
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
        // A failed scenario must not leave it running; it may have ended already.
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

    /// The last line, which sums the run up.
    pub fn last(&self) -> Result<&Value> {
        let last = self.records.last().context("ctpulse said nothing")?;
        ensure!(last["type"] == "summary", "the last line is {last}");
        Ok(last)
    }

    /// The first instance of the summary.
    pub fn summary(&self) -> Result<&Value> {
        Ok(&self.last()?["instances"][0])
    }

    /// An instance of the summary.
    pub fn instance(&self, name: &str) -> Result<&Value> {
        let instances = self.last()?["instances"]
            .as_array()
            .context("no instances")?;
        instances
            .iter()
            .find(|instance| instance["name"] == name)
            .with_context(|| format!("no instance {name}"))
    }

    /// What the probes counted over the whole run.
    pub fn probe(&self, counter: &str) -> Result<u64> {
        let total = &self.summary()?["totals"][counter]["probe"];
        total
            .as_u64()
            .with_context(|| format!("{counter} is {total}"))
    }

    /// A check at the end of the run.
    pub fn check(&self, name: &str) -> Result<&Value> {
        let checks = self.summary()?["crosscheck"]
            .as_array()
            .context("no checks")?;
        checks
            .iter()
            .find(|check| check["name"] == name)
            .with_context(|| format!("no check {name}"))
    }

    /// A counter's events by bucket start, in microseconds of wall-clock time, over all samples.
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

    /// That no cross-check of the run found a mismatch.
    pub fn no_mismatch(&self) -> Result<()> {
        for record in self.of("crosscheck") {
            for check in record["checks"].as_array().context("checks")? {
                ensure!(check["verdict"] != "mismatch", "{check}");
            }
        }
        Ok(())
    }
}
