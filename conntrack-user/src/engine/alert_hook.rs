//! `--on-alert`: a command for each notification.
//!
//! A thread of its own starts the commands, feeds them, and waits for them; a reading is never held up
//! by it. The thread stays in the network namespace that ctpulse was started in, whichever namespaces
//! the readings enter.

use std::{
    io,
    os::fd::AsFd,
    process::{ExitStatus, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::{
    io::AsyncWriteExt,
    process::{Child, Command},
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    cli::AlertArgs,
    config::{Config, HookLimits},
    model::record::{Alert, Record},
    output::Sink,
};

/// At the end, time for what runs and waits to be done.
pub const LAST_WAIT: Duration = Duration::from_secs(5);

/// From the request to end, to the end by force.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Reads the configuration into `args`, and gets the command ready, if there is one.
///
/// # Errors
///
/// A configuration that is refused, or no thread.
pub fn prepare(args: &mut AlertArgs) -> io::Result<Option<OnAlert>> {
    let config = Config::load(args.config.as_deref()).map_err(io::Error::other)?;
    *args.settings = config.alerts;
    let start = |command: &String| OnAlert::start(command, config.on_alert);
    args.on_alert.as_ref().map(start).transpose()
}

/// A sink whose alerts are also told to a command.
#[must_use]
pub fn hooked(inner: Box<dyn Sink>, hook: Option<OnAlert>) -> Box<dyn Sink> {
    match hook {
        Some(hook) => Box::new(Hooked { inner, hook }),
        None => inner,
    }
}

struct Hooked {
    // Dropped first, and so written, before the commands are waited for.
    inner: Box<dyn Sink>,
    hook: OnAlert,
}

impl Sink for Hooked {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.inner.write(record)?;
        if let Record::Alert(alert) = record {
            self.hook.tell(alert);
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Runs a command for each notification it is told. Dropping it waits for what is under way, for at
/// most [`LAST_WAIT`], and ends the rest.
pub struct OnAlert {
    limits: HookLimits,
    queue: Option<mpsc::Sender<Alert>>,
    ending: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    left_out: u64,
}

impl OnAlert {
    /// Gets ready to run `sh -c command`.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(command: &str, limits: HookLimits) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let (queue, waiting) = mpsc::channel(limits.queue);
        let (ending, ended) = oneshot::channel();
        let command = command.to_owned();
        let thread = std::thread::Builder::new()
            .name("on-alert".to_owned())
            .spawn(move || runtime.block_on(serve(&command, limits, waiting, ended)))?;
        Ok(Self {
            limits,
            queue: Some(queue),
            ending: Some(ending),
            thread: Some(thread),
            left_out: 0,
        })
    }

    /// Has the command run for a notification, as soon as there is room. Returns at once.
    pub fn tell(&mut self, alert: &Alert) {
        let queued = self
            .queue
            .as_ref()
            .map(|queue| queue.try_send(alert.clone()));
        if !matches!(queued, Some(Ok(()))) {
            if self.left_out == 0 {
                say(&format!(
                    "{} are running and {} waiting; notifications are being left out, first {}",
                    self.limits.at_once,
                    self.limits.queue,
                    title(alert)
                ));
            }
            self.left_out += 1;
        }
    }
}

impl Drop for OnAlert {
    fn drop(&mut self) {
        self.queue = None;
        // The thread may have ended by itself: then nobody listens any more.
        let _ = self.ending.take().map(|ending| ending.send(()));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            say("the thread that runs the commands failed");
        }
        if self.left_out > 0 {
            say(&format!("{} notifications were left out", self.left_out));
        }
    }
}

fn say(message: &str) {
    eprintln!("ctpulse: --on-alert: {message}");
}

fn title(alert: &Alert) -> String {
    format!("{} {} in {}", alert.name, alert.status, alert.instance)
}

/// Runs commands until the queue is closed and empty, or [`LAST_WAIT`] after `ended`.
async fn serve(
    command: &str,
    limits: HookLimits,
    mut waiting: mpsc::Receiver<Alert>,
    ended: oneshot::Receiver<()>,
) {
    let mut running = JoinSet::new();
    let deadline = async {
        // An error means that the other side is gone, which is an end as well.
        let _ = ended.await;
        sleep(LAST_WAIT).await;
    };
    tokio::pin!(deadline);
    loop {
        tokio::select! {
            () = &mut deadline => break,
            Some(_) = running.join_next() => {}
            alert = waiting.recv(), if running.len() < limits.at_once => match alert {
                Some(alert) => {
                    running.spawn(run(command.to_owned(), limits.timeout, alert));
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
    say(&format!(
        "{killed} commands did not end within {LAST_WAIT:?} of the end and were killed; {unrun} were \
         not run"
    ));
}

/// Runs the command for one notification, and says what went wrong.
async fn run(command: String, limit: Duration, alert: Alert) {
    let title = title(&alert);
    match supervised(&command, limit, alert).await {
        Ok(Some(status)) if status.success() => {}
        Ok(Some(status)) => say(&format!("{title}: the command ended with {status}")),
        Ok(None) => say(&format!(
            "{title}: the command did not end within {limit:?} and was killed"
        )),
        Err(error) => say(&format!("{title}: cannot run the command: {error}")),
    }
}

/// Its exit status; `None` if it had to be killed.
async fn supervised(
    command: &str,
    limit: Duration,
    alert: Alert,
) -> io::Result<Option<ExitStatus>> {
    let mut process = Command::new("sh");
    process
        .arg("-c")
        .arg(command)
        .env("CTPULSE_ALERT_NAME", alert.name.to_string())
        .env("CTPULSE_ALERT_STATUS", alert.status.to_string())
        .env("CTPULSE_ALERT_PREVIOUS", alert.previous.to_string())
        .env("CTPULSE_ALERT_VALUE", alert.value.to_string())
        .env("CTPULSE_ALERT_UNIT", alert.unit.to_string())
        .env("CTPULSE_ALERT_INSTANCE", alert.instance.to_string())
        .env("CTPULSE_ALERT_TIME", alert.time.to_string())
        .stdin(Stdio::piped())
        // Our stdout is for data.
        .stdout(io::stderr().as_fd().try_clone_to_owned()?)
        .process_group(0)
        .kill_on_drop(true);
    let mut line = serde_json::to_vec(&Record::Alert(alert))?;
    line.push(b'\n');
    let mut child = process.spawn()?;
    let group = Group::of(&child);
    let mut stdin = child.stdin.take();
    let whole = async {
        if let Some(stdin) = &mut stdin {
            // It need not read what it is told.
            let _ = stdin.write_all(&line).await;
        }
        drop(stdin);
        child.wait().await
    };
    match timeout(limit, whole).await {
        Ok(status) => {
            group.spare();
            status.map(Some)
        }
        Err(_) => {
            group.signal(Signal::TERM);
            let _ = timeout(LAST_WORDS, child.wait()).await;
            drop(group);
            // Killed, so soon over.
            child.wait().await.map(|_| None)
        }
    }
}

/// A command and all that it has started, killed when this is dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Nothing is sent to a group that is gone.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0 {
            let _ = kill_process_group(group, signal);
        }
    }

    /// It ended by itself: what it leaves behind is meant to stay.
    fn spare(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}
