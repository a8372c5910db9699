//! `--on-alert`: a command for each notification.
//!
//! Another process ([`helper`]) starts the commands, writes to their stdin and waits for them. A thread tells it what to run, so that
//! no reading is delayed, and passes on what it answers. The process stays in the network namespace in which ctpulse was started,
//! whichever namespaces the readings enter.

mod escaped;
pub mod helper;
mod protocol;

use std::{
    collections::HashMap,
    io::{self, Write},
    os::{
        fd::OwnedFd,
        unix::{net::UnixStream, process::CommandExt},
    },
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt,
    net::{UnixStream as AsyncUnixStream, unix::OwnedWriteHalf},
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

use self::{
    helper::{HELPER, KILL_AFTER},
    protocol::{CommandEnd, Order, Report, Setup},
};
use super::{
    account::{Account, AccountError},
    event_loop, worker,
};
use crate::{
    config::HookLimits,
    engine::{diagnostics::Diagnostics, error::EngineError, settings::HookSettings},
    model::record::{Alert, InstanceVerdict, Record},
    text::Text,
};

/// At shutdown, the time for running and queued commands to complete.
pub const LAST_WAIT: Duration = Duration::from_secs(5);

/// How long the process may take until it is ready.
const START: Duration = Duration::from_secs(10);

/// This program, whatever its path leads to by now.
const THIS_PROGRAM: &str = "/proc/self/exe";

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
    /// Starts the process that runs `sh -c COMMAND`, and the thread that tells it so. With `unprivileged`, the commands hold no
    /// capability and gain none.
    ///
    /// # Errors
    ///
    /// When either cannot be started, or the user that the commands are to run as is not there or not allowed.
    pub fn start(
        settings: HookSettings,
        unprivileged: bool,
        diagnostics: Diagnostics,
    ) -> Result<Self, EngineError> {
        let HookSettings {
            command,
            user,
            limits,
        } = settings;
        let log = HookLog(diagnostics);
        let account = user.as_deref().map(Account::find).transpose()?;
        let setup = Setup {
            command,
            timeout: limits.timeout,
            account,
            unprivileged,
        };
        let process = start_process(&setup)?;
        let (queue, waiting) = mpsc::channel(limits.queue);
        let (ending, ended) = oneshot::channel();
        let dispatcher = Dispatcher {
            limits,
            log: log.clone(),
            running: HashMap::new(),
            next: 0,
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
                event_loop.block_on(dispatcher.serve(process, waiting, ended));
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

/// The process that runs the commands, and the socket to it.
struct HelperProcess {
    child: Child,
    socket: UnixStream,
}

#[expect(clippy::disallowed_methods, reason = "the commands run there")]
fn start_process(setup: &Setup) -> Result<HelperProcess, EngineError> {
    let failed = EngineError::Helper;
    let (ours, theirs) = UnixStream::pair().map_err(failed)?;
    let child = Command::new(THIS_PROGRAM)
        .arg0("ctpulse")
        .arg(HELPER)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // Keys that end ctpulse do not end it: it is told when to.
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let line = protocol::line(setup).map_err(failed)?;
    (&ours).write_all(&line).map_err(failed)?;
    ours.set_read_timeout(Some(START)).map_err(failed)?;
    match protocol::first(&ours).map_err(failed)? {
        Report::Refused(reason) => {
            return Err(match &setup.account {
                Some(account) => AccountError::NotAllowed {
                    user: account.name.clone().into(),
                    reason: reason.into(),
                }
                .into(),
                None => failed(io::Error::other(reason)),
            });
        }
        Report::Ready | Report::Printed(_) | Report::Ended(..) => {}
    }
    ours.set_nonblocking(true).map_err(failed)?;
    Ok(HelperProcess {
        child,
        socket: ours,
    })
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

/// Tells the process what to run, and users how it ended.
struct Dispatcher {
    limits: HookLimits,
    log: HookLog,
    /// The notifications whose commands run.
    running: HashMap<u64, String>,
    next: u64,
}

impl Dispatcher {
    /// Has commands run until the queue is closed and empty, or [`LAST_WAIT`] after `ended`.
    async fn serve(
        mut self,
        process: HelperProcess,
        waiting: mpsc::Receiver<Notice>,
        ended: oneshot::Receiver<()>,
    ) {
        let HelperProcess { mut child, socket } = process;
        let served = match AsyncUnixStream::from_std(socket) {
            Ok(socket) => self.dispatch(socket, waiting, ended).await,
            Err(error) => Err(error),
        };
        if let Err(error) = served {
            let message = format!("no command is run any more: its process is gone: {error}");
            self.log.notify(&message);
        }
        // It has closed its socket, so it is about to exit; if it has not, it is not waited for.
        if let Err(error) = child.try_wait() {
            log::debug!("--on-alert: {error}");
        }
    }

    async fn dispatch(
        &mut self,
        socket: AsyncUnixStream,
        mut waiting: mpsc::Receiver<Notice>,
        ended: oneshot::Receiver<()>,
    ) -> io::Result<()> {
        let (from, mut to) = socket.into_split();
        let mut reports = protocol::messages::<Report>(from);
        let deadline = async {
            // An error means that the sender is gone, which is a shutdown as well.
            let _ = ended.await;
            sleep(LAST_WAIT).await;
        };
        tokio::pin!(deadline);
        let mut closed = false;
        while !closed || !self.running.is_empty() {
            tokio::select! {
                () = &mut deadline => {
                    let (killed, unrun) = (self.running.len(), waiting.len());
                    self.log.notify(&format!(
                        "{killed} commands did not end within {LAST_WAIT:?} of the end and were killed; \
                         {unrun} were not run"
                    ));
                    to.write_all(&protocol::line(&Order::Kill)?).await?;
                    break;
                }
                report = reports.recv() => match report {
                    Some(report) => self.report(report),
                    None => return Err(io::ErrorKind::UnexpectedEof.into()),
                },
                notice = waiting.recv(), if !closed && self.running.len() < self.limits.at_once => match notice {
                    Some(notice) => self.run(notice, &mut to).await?,
                    None => closed = true,
                },
            }
        }
        drop(to);
        // Until it has killed what it had to, and is gone.
        let gone = async { while reports.recv().await.is_some() {} };
        let _ = timeout(3 * KILL_AFTER, gone).await;
        Ok(())
    }

    async fn run(&mut self, notice: Notice, to: &mut OwnedWriteHalf) -> io::Result<()> {
        let Notice { alert, verdict } = notice;
        let id = self.next;
        self.next += 1;
        self.running.insert(id, title(&alert));
        let reason = alert.reason.as_ref().map(Text::to_string);
        let environment = [
            ("CTPULSE_ALERT_NAME", alert.name.to_string()),
            ("CTPULSE_ALERT_STATUS", alert.status.to_string()),
            ("CTPULSE_ALERT_PREVIOUS", alert.previous.to_string()),
            ("CTPULSE_ALERT_VALUE", alert.value.to_string()),
            ("CTPULSE_ALERT_UNIT", alert.unit.to_string()),
            ("CTPULSE_ALERT_INSTANCE", alert.instance.to_string()),
            ("CTPULSE_ALERT_TIME", alert.time.to_string()),
            ("CTPULSE_ALERT_REASON", reason.unwrap_or_default()),
            ("CTPULSE_VERDICT", verdict),
        ];
        let order = Order::Run {
            id,
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            input: serde_json::to_string(&Record::Alert(alert))? + "\n",
        };
        to.write_all(&protocol::line(&order)?).await
    }

    fn report(&mut self, report: Report) {
        let (id, end) = match report {
            Report::Printed(line) => return self.log.notify(&line),
            Report::Ended(id, end) => (id, end),
            Report::Ready | Report::Refused(_) => return,
        };
        let Some(title) = self.running.remove(&id) else {
            return;
        };
        let limit = self.limits.timeout;
        let what = match end {
            CommandEnd::Success => return,
            CommandEnd::Failure(status) => format!("the command ended with {status}"),
            CommandEnd::Killed => {
                format!("the command did not end within {limit:?} and was killed")
            }
            CommandEnd::NotStarted(error) => format!("cannot run the command: {error}"),
        };
        self.log.notify(&format!("{title}: {what}"));
    }
}
