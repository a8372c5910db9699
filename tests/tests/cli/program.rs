//! The program under test, running.

use std::{
    collections::VecDeque,
    env,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long to wait for what must come. Long, because the machine may be busy; waiting ends as soon
/// as it has come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Every format of `stream`, `record --show` and `replay`. A test holds it against the program's own list.
pub(crate) const FORMATS: [&str; 3] = ["text", "json", "csv"];

/// Arguments of a stream of JSON lines, with the counters below `root` read every 20 ms.
pub(crate) const fn json_stream(root: &str) -> [&str; 7] {
    [
        "stream",
        "--format",
        "json",
        "--interval",
        "20ms",
        "--proc-root",
        root,
    ]
}

/// The program under test.
pub(crate) fn path() -> Result<PathBuf> {
    let path = env::var_os("CTPULSE_BIN").context(
        "CTPULSE_BIN does not name the program under test: run `cargo xtask test`, which builds it",
    )?;
    Ok(path.into())
}

/// Runs it to its end, which must come soon.
pub(crate) fn run(args: &[&str]) -> Result<assert_cmd::assert::Assert> {
    let mut command = assert_cmd::Command::new(path()?);
    Ok(command.args(args).timeout(PATIENCE).assert())
}

/// The program, running, with its output as it comes.
pub(crate) struct Running {
    child: Child,
    /// `None` once it is no longer read.
    stdout: Option<Receiver<String>>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<thread::JoinHandle<()>>,
    read: Vec<String>,
}

/// How it ended, and all its output.
pub(crate) struct Ended {
    /// Its exit status.
    pub(crate) status: ExitStatus,
    /// The lines of stdout.
    pub(crate) lines: Vec<String>,
    /// The whole of stderr.
    pub(crate) stderr: String,
}

impl Running {
    /// Starts it.
    pub(crate) fn start(args: &[&str]) -> Result<Self> {
        Self::start_with(args, Stdio::piped())
    }

    /// Starts it with something else in the place of standard error: that is then not read.
    pub(crate) fn start_with(args: &[&str], stderr: Stdio) -> Result<Self> {
        Self::start_command(Command::new(path()?).args(args), stderr)
    }

    /// Starts a command that runs it.
    pub(crate) fn start_command(command: &mut Command, stderr: Stdio) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .context("cannot run ctpulse")?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let stderr = child.stderr.take();

        let (sender, receiver) = channel();
        thread::spawn(move || {
            // Ends with the program, or closes its end of the pipe when the lines are no longer read.
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let text = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&text);
        let read = move |mut stderr: ChildStderr| {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut bytes) {
                let mut sink = sink.lock().unwrap_or_else(PoisonError::into_inner);
                sink.push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        };
        let stderr_reader = stderr.map(|stderr| thread::spawn(move || read(stderr)));
        Ok(Self {
            child,
            stdout: Some(receiver),
            stderr: text,
            stderr_reader,
            read: Vec::new(),
        })
    }

    /// What it wrote to stderr so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Waits until stderr is as it should be.
    pub(crate) fn wait_for_stderr(&mut self, what: &str, is: impl Fn(&str) -> bool) -> Result<()> {
        self.wait_for_line(what, |program, _| is(&program.stderr()))
            .map(drop)
    }

    /// Waits for the next line of stdout.
    pub(crate) fn next_line(&mut self) -> Result<String> {
        self.wait_for_line("line", |_, _| true)
    }

    /// Reads on until a line of text is what is waited for.
    pub(crate) fn wait_for_text(&mut self, what: &str, is: impl Fn(&str) -> bool) -> Result<()> {
        self.wait_for_line(what, |_, line| is(line)).map(drop)
    }

    /// Reads on until a line is what is waited for, and returns it. Other lines do not extend the wait.
    fn wait_for_line(&mut self, what: &str, is: impl Fn(&Self, &str) -> bool) -> Result<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lines = self.stdout.as_ref().context("its output is closed")?;
            let left = deadline.saturating_duration_since(Instant::now());
            let line = match lines.recv_timeout(left) {
                Ok(line) if !left.is_zero() => line,
                Ok(_) | Err(RecvTimeoutError::Timeout) => bail!(
                    "no {what} within {PATIENCE:?}; the last line was {:?}, stderr {:?}",
                    self.read.last(),
                    self.stderr(),
                ),
                Err(RecvTimeoutError::Disconnected) => {
                    bail!("ctpulse ended before {what}; stderr: {:?}", self.stderr())
                }
            };
            self.read.push(line.clone());
            if is(self, &line) {
                return Ok(line);
            }
        }
    }

    /// Reads on until a record is what is waited for, and returns it.
    pub(crate) fn wait_for(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        let record = |line: &str| serde_json::from_str::<Value>(line);
        // A line that is no JSON ends the wait: the error is then that of parsing it.
        let line = self.wait_for_line(what, |_, line| record(line).map_or(true, |r| is(&r)))?;
        record(&line).with_context(|| format!("not JSON: {line}"))
    }

    /// Reads on until a sample is what is waited for.
    pub(crate) fn wait_for_sample(
        &mut self,
        what: &str,
        is: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.wait_for(what, |record| record["type"] == "sample" && is(record))
    }

    /// Waits for its first line in JSON, which says what it watches: from then on everything counts.
    pub(crate) fn wait_for_hello(&mut self) -> Result<Value> {
        let line = self.next_line()?;
        let hello: Value = serde_json::from_str(&line).context(line)?;
        anyhow::ensure!(hello["type"] == "hello", "the first line is {hello}");
        Ok(hello)
    }

    /// Its process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).context("cannot signal ctpulse")
    }

    /// Stops reading its output, as `head` does.
    pub(crate) fn close_stdout(&mut self) {
        self.stdout = None;
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> Result<Ended> {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            // Whatever it still writes is read meanwhile, by a thread.
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > deadline {
                bail!(
                    "ctpulse did not end within {PATIENCE:?}; stderr: {:?}",
                    self.stderr()
                );
            }
            thread::sleep(Duration::from_millis(5));
        };
        if let Some(lines) = self.stdout.take() {
            self.read.extend(lines.iter());
        }
        if let Some(reader) = self.stderr_reader.take() {
            reader
                .join()
                .map_err(|_| anyhow!("reading stderr panicked"))?;
        }
        Ok(Ended {
            status,
            lines: std::mem::take(&mut self.read),
            stderr: self.stderr(),
        })
    }

    /// Ends it as an operator does, and expects success.
    pub(crate) fn stop(self) -> Result<Ended> {
        self.signal(Signal::TERM)?;
        self.wait()?.successful()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A failed test must not leave it running; it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// Expects exit status 0.
    pub(crate) fn successful(self) -> Result<Self> {
        if self.status.code() == Some(0) {
            Ok(self)
        } else {
            bail!("ctpulse: {}; stderr: {:?}", self.status, self.stderr)
        }
    }

    /// All lines, as JSON.
    pub(crate) fn records(&self) -> Result<Vec<Value>> {
        self.lines
            .iter()
            .map(|line| serde_json::from_str(line).with_context(|| format!("not JSON: {line}")))
            .collect()
    }

    /// The records of one type.
    pub(crate) fn of(&self, kind: &str) -> Result<VecDeque<Value>> {
        let records = self.records()?.into_iter();
        Ok(records.filter(|record| record["type"] == kind).collect())
    }
}

/// Lines of `text` that contain `part`.
pub(crate) fn count_lines(text: &str, part: &str) -> usize {
    text.lines().filter(|line| line.contains(part)).count()
}
