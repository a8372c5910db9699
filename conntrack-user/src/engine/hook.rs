//! `--on-alert`: a command for each notification.
//!
//! A thread of its own starts the commands, writes to their stdin and waits for them, so that no reading is delayed. The thread
//! stays in the network namespace in which ctpulse was started, whichever namespaces the readings enter.

use std::{
    io,
    process::{ExitStatus, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{event_loop, worker};
use crate::{
    config::HookLimits,
    engine::{
        diagnostics::Diagnostics, error::EngineError, process_group::ProcessGroup,
        settings::HookSettings,
    },
    model::record::{Alert, InstanceVerdict, Record},
    text::Text,
};

/// At shutdown, the time for running and queued commands to complete.
pub const LAST_WAIT: Duration = Duration::from_secs(5);

/// Time from SIGTERM to SIGKILL.
const KILL_AFTER: Duration = Duration::from_secs(1);

/// The most bytes of a command's output that are logged; the rest is read and dropped.
const LOGGED_BYTES: usize = 8 * 1024;

/// Runs a command for each notification. Dropping it waits up to [`LAST_WAIT`] for the commands, then kills them.
pub struct AlertHook {
    limits: HookLimits,
    queue: Option<mpsc::Sender<Notice>>,
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    dropped: u64,
    log: HookLog,
}

impl AlertHook {
    /// Starts the thread that runs `sh -c COMMAND`.
    ///
    /// # Errors
    ///
    /// When the thread or its event loop cannot be started.
    pub fn start(settings: HookSettings, diagnostics: Diagnostics) -> Result<Self, EngineError> {
        let HookSettings { command, limits } = settings;
        let log = HookLog(diagnostics);
        let (queue, waiting) = mpsc::channel(limits.queue);
        let (ending, ended) = oneshot::channel();
        let worker = Worker {
            command,
            limits,
            log: log.clone(),
        };
        let (report, started) = std::sync::mpsc::channel();
        // The event loop is created in its thread: dropping it inside another one would panic.
        let thread = worker::start("on-alert", "runs the command of --on-alert", move || {
            let (event_loop, result) = match event_loop::start() {
                Ok(event_loop) => (Some(event_loop), Ok(())),
                Err(error) => (None, Err(error)),
            };
            // The receiver is below, and waits.
            let _ = report.send(result);
            if let Some(event_loop) = event_loop {
                event_loop.block_on(worker.serve(waiting, ended));
            }
        })?;
        // The sender is dropped without a report when the thread panics.
        let panicked = |_| Err(EngineError::EventLoop(io::ErrorKind::Other.into()));
        started.recv().unwrap_or_else(panicked)?;
        Ok(Self {
            limits,
            queue: Some(queue),
            ending: Some(ending),
            thread: Some(thread),
            dropped: 0,
            log,
        })
    }

    /// Queues a notification for the command, with the verdict on its instance. Never blocks; when the queue is full, the
    /// notification is dropped and counted.
    pub fn notify(&mut self, alert: &Alert, verdict: Option<&InstanceVerdict>) {
        let notice = Notice {
            alert: alert.clone(),
            verdict: verdict.map_or_else(String::new, InstanceVerdict::text),
        };
        let queue = self.queue.as_ref();
        let queued = queue.is_some_and(|queue| queue.try_send(notice).is_ok());
        if !queued {
            if self.dropped == 0 {
                self.log.notify(&format!(
                    "{} are running and {} waiting; notifications are being left out, first {}",
                    self.limits.at_once,
                    self.limits.queue,
                    title(alert)
                ));
            }
            self.dropped += 1;
        }
    }
}

impl Drop for AlertHook {
    fn drop(&mut self) {
        self.queue = None;
        // The receiver is gone if the thread has ended by itself.
        let _ = self.ending.take().map(|ending| ending.send(()));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            self.log.notify("the thread that runs the commands failed");
        }
        if self.dropped > 0 {
            self.log
                .notify(&format!("{} notifications were left out", self.dropped));
        }
    }
}

/// Diagnostics with the hook's prefix.
#[derive(Clone)]
struct HookLog(Diagnostics);

impl HookLog {
    fn notify(&self, message: &str) {
        self.0.notify(format_args!("--on-alert: {message}"));
    }
}

/// What a command is run for.
#[derive(Debug)]
struct Notice {
    alert: Alert,
    /// The sentences of the verdict.
    verdict: String,
}

fn title(alert: &Alert) -> String {
    format!("{} {} in {}", alert.name, alert.status, alert.instance)
}

#[derive(Clone)]
struct Worker {
    command: String,
    limits: HookLimits,
    log: HookLog,
}

impl Worker {
    /// Runs commands until the queue is closed and empty, or [`LAST_WAIT`] after `ended`.
    async fn serve(self, mut waiting: mpsc::Receiver<Notice>, ended: oneshot::Receiver<()>) {
        let mut running = JoinSet::new();
        let deadline = async {
            // An error means that the sender is gone, which is a shutdown as well.
            let _ = ended.await;
            sleep(LAST_WAIT).await;
        };
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                () = &mut deadline => break,
                Some(_) = running.join_next() => {}
                alert = waiting.recv(), if running.len() < self.limits.at_once => match alert {
                    Some(notice) => {
                        running.spawn(self.clone().run(notice));
                    }
                    // The queue is closed and empty.
                    None if running.is_empty() => return,
                    None => {
                        tokio::select! {
                            () = &mut deadline => break,
                            Some(_) = running.join_next() => {}
                        }
                    }
                },
            }
        }
        let (killed, unrun) = (running.len(), waiting.len());
        // Dropping the tasks kills their commands.
        running.shutdown().await;
        self.log.notify(&format!(
            "{killed} commands did not end within {LAST_WAIT:?} of the end and were killed; {unrun} were not run"
        ));
    }

    /// Runs the command for one notification, and reports failures.
    async fn run(self, notice: Notice) {
        let title = title(&notice.alert);
        let limit = self.limits.timeout;
        match self.supervise(notice).await {
            Ok(Some(status)) if status.success() => {}
            Ok(Some(status)) => self
                .log
                .notify(&format!("{title}: the command ended with {status}")),
            Ok(None) => self.log.notify(&format!(
                "{title}: the command did not end within {limit:?} and was killed"
            )),
            Err(error) => self
                .log
                .notify(&format!("{title}: cannot run the command: {error}")),
        }
    }

    #[expect(clippy::disallowed_methods, reason = "the commands run here")]
    /// Runs the command; returns its exit status, or `None` if it had to be killed.
    async fn supervise(&self, notice: Notice) -> io::Result<Option<ExitStatus>> {
        let Notice { alert, verdict } = notice;
        let mut process = Command::new("sh");
        process
            .arg("-c")
            .arg(&self.command)
            .env("CTPULSE_ALERT_NAME", alert.name.to_string())
            .env("CTPULSE_ALERT_STATUS", alert.status.to_string())
            .env("CTPULSE_ALERT_PREVIOUS", alert.previous.to_string())
            .env("CTPULSE_ALERT_VALUE", alert.value.to_string())
            .env("CTPULSE_ALERT_UNIT", alert.unit.to_string())
            .env("CTPULSE_ALERT_INSTANCE", alert.instance.to_string())
            .env("CTPULSE_ALERT_TIME", alert.time.to_string())
            .env(
                "CTPULSE_ALERT_REASON",
                alert
                    .reason
                    .as_ref()
                    .map(Text::to_string)
                    .unwrap_or_default(),
            )
            .env("CTPULSE_VERDICT", verdict)
            .stdin(Stdio::piped())
            // Our stdout is for data, and our stderr may be hidden by the live view.
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut line = serde_json::to_vec(&Record::Alert(alert))?;
        line.push(b'\n');
        let mut child = process.spawn()?;
        let group = ProcessGroup::of(&child);
        let mut stdin = child.stdin.take();
        let stdout = tokio::spawn(pass_on(child.stdout.take(), self.log.clone()));
        let stderr = tokio::spawn(pass_on(child.stderr.take(), self.log.clone()));
        let whole = async {
            if let Some(stdin) = &mut stdin {
                // The command need not read its stdin.
                let _ = stdin.write_all(&line).await;
            }
            drop(stdin);
            child.wait().await
        };
        let ended = match timeout(self.limits.timeout, whole).await {
            Ok(status) => {
                group.release();
                status.map(Some)
            }
            Err(_) => {
                group.signal(Signal::TERM);
                let _ = timeout(KILL_AFTER, child.wait()).await;
                drop(group);
                // It was killed and ends soon.
                child.wait().await.map(|_| None)
            }
        };
        // Children that outlive the command may keep its output open; they are not waited for.
        for output in [stdout, stderr] {
            let _ = timeout(KILL_AFTER, output).await;
        }
        ended
    }
}

/// Logs what a command prints, line by line, up to [`LOGGED_BYTES`] bytes.
async fn pass_on(output: Option<impl AsyncRead + Unpin>, log: HookLog) {
    let Some(mut output) = output else { return };
    let mut text = Vec::new();
    let mut passed = 0;
    let mut dropped = false;
    let mut chunk = [0; 1024];
    loop {
        let read = output.read(&mut chunk).await.unwrap_or(0);
        for byte in &chunk[..read] {
            if passed == LOGGED_BYTES {
                dropped = true;
                break;
            }
            passed += 1;
            match byte {
                b'\n' => log.notify(&String::from_utf8_lossy(&std::mem::take(&mut text))),
                byte => text.push(*byte),
            }
        }
        if read == 0 {
            break;
        }
    }
    if !text.is_empty() {
        log.notify(&String::from_utf8_lossy(&text));
    }
    if dropped {
        log.notify("the command printed more, which is left out");
    }
}
