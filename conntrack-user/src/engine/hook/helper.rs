//! The process that runs the commands of `--on-alert`: ctpulse itself, started once before it gives up its privileges. It is whom the
//! commands run as from its start on, so that ctpulse needs neither the right to start programs nor that to become a user.

use std::{
    io,
    os::{fd::AsFd, unix::net::UnixStream},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::Signal;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::UnixStream as AsyncUnixStream,
    process::Command,
    signal::unix::{SignalKind, signal},
    sync::mpsc::{self, UnboundedSender},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    LAST_WAIT,
    escaped::Mark,
    protocol::{self, CommandEnd, Order, Report, Setup},
};
use crate::{
    engine::{error::EngineError, event_loop, process_group::ProcessGroup},
    privileges::{CapabilitySet, thread},
};

/// The command of ctpulse that is this process.
pub const HELPER: &str = "on-alert-helper";

/// Time from SIGTERM to SIGKILL.
pub(super) const KILL_AFTER: Duration = Duration::from_secs(1);

/// The most bytes of a command's output that are passed on; the rest is read and dropped.
const LOGGED_BYTES: usize = 8 * 1024;

/// Runs commands as it is told by the socket that is its standard input, until that is closed or a signal comes.
///
/// # Errors
///
/// When it was not started by ctpulse.
pub fn run() -> Result<(), EngineError> {
    let failed = EngineError::Helper;
    // Else it would have the name of the link that it was started by.
    let _ = rustix::thread::set_name(c"ctpulse");
    let own = rustix::stdio::stdin();
    let socket = UnixStream::from(own.as_fd().try_clone_to_owned().map_err(failed)?);
    let setup: Setup = protocol::first(&socket).map_err(failed)?;
    let ready = match give_up(&setup) {
        Ok(()) => Report::Ready,
        Err(error) => Report::Refused(error.to_string()),
    };
    let answer = protocol::line(&ready).map_err(failed)?;
    io::Write::write_all(&mut &socket, &answer).map_err(failed)?;
    if matches!(ready, Report::Refused(_)) {
        return Ok(());
    }
    socket.set_nonblocking(true).map_err(failed)?;
    event_loop::start()?
        .block_on(serve(setup, socket))
        .map_err(failed)
}

fn give_up(setup: &Setup) -> io::Result<()> {
    let nothing = CapabilitySet::empty();
    let unprivileged = setup.unprivileged || setup.account.is_some();
    if unprivileged {
        thread::limit_gains(nothing)?;
    }
    if let Some(account) = &setup.account {
        account.become_it()?;
    }
    if unprivileged {
        thread::keep_only(nothing)?;
        thread::gain_nothing()?;
    }
    Ok(())
}

async fn serve(setup: Setup, socket: UnixStream) -> io::Result<()> {
    let (from, mut to) = AsyncUnixStream::from_std(socket)?.into_split();
    let mut orders = protocol::messages::<Order>(from);
    let (reports, mut unsent) = mpsc::unbounded_channel::<Report>();
    let sending = tokio::spawn(async move {
        while let Some(report) = unsent.recv().await {
            let Ok(line) = protocol::line(&report) else {
                continue;
            };
            // ctpulse may have been killed: its commands end by themselves.
            let _ = to.write_all(&line).await;
        }
    });
    let mut ended = signal(SignalKind::terminate())?;
    let deadline = async {
        ended.recv().await;
        sleep(LAST_WAIT).await;
    };
    tokio::pin!(deadline);
    let runner = CommandRunner {
        setup: setup.into(),
        reports,
    };
    let mut running = JoinSet::new();
    let mut closed = false;
    while !closed || !running.is_empty() {
        tokio::select! {
            () = &mut deadline => break,
            Some(_) = running.join_next() => {}
            order = orders.recv(), if !closed => match order {
                Some(Order::Run { id, environment, input }) => {
                    running.spawn(runner.clone().run(id, environment, input));
                }
                Some(Order::Kill) => break,
                // What runs is left its time.
                None => closed = true,
            },
        }
    }
    // Dropping the tasks kills their commands.
    running.shutdown().await;
    drop(runner);
    let _ = timeout(KILL_AFTER, sending).await;
    Ok(())
}

#[derive(Clone)]
struct CommandRunner {
    setup: std::sync::Arc<Setup>,
    reports: UnboundedSender<Report>,
}

impl CommandRunner {
    async fn run(self, id: u64, environment: Vec<(String, String)>, input: String) {
        let end = match self.supervise(Mark::new(id), environment, input).await {
            Ok(Some(status)) if status.success() => CommandEnd::Success,
            Ok(Some(status)) => CommandEnd::Failure(status.to_string()),
            Ok(None) => CommandEnd::Killed,
            Err(error) => CommandEnd::NotStarted(error.to_string()),
        };
        // It is received as long as the process runs.
        let _ = self.reports.send(Report::Ended(id, end));
    }

    #[expect(clippy::disallowed_methods, reason = "the commands run here")]
    /// Runs the command; returns its exit status, or `None` if it had to be killed.
    async fn supervise(
        &self,
        mark: Mark,
        environment: Vec<(String, String)>,
        input: String,
    ) -> io::Result<Option<ExitStatus>> {
        let mut process = Command::new("sh");
        process.arg("-c").arg(&self.setup.command);
        if let Some(account) = &self.setup.account {
            process
                .env("HOME", &account.home)
                .env("USER", &account.name)
                .env("LOGNAME", &account.name);
        }
        process
            .envs(environment)
            .envs([mark.variable()])
            .stdin(Stdio::piped())
            // ctpulse's stdout is for data, and its stderr may be hidden by the live view.
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true);
        let mut child = process.spawn()?;
        let group = ProcessGroup::of(&child);
        let mut stdin = child.stdin.take();
        let stdout = tokio::spawn(pass_on(child.stdout.take(), self.reports.clone()));
        let stderr = tokio::spawn(pass_on(child.stderr.take(), self.reports.clone()));
        let whole = async {
            if let Some(stdin) = &mut stdin {
                // The command need not read its stdin.
                let _ = stdin.write_all(input.as_bytes()).await;
            }
            drop(stdin);
            child.wait().await
        };
        let ended = match timeout(self.setup.timeout, whole).await {
            Ok(status) => {
                group.release();
                mark.release();
                status.map(Some)
            }
            Err(_) => {
                group.signal(Signal::TERM);
                let _ = timeout(KILL_AFTER, child.wait()).await;
                drop(group);
                drop(mark);
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

/// Passes on what a command prints, line by line, up to [`LOGGED_BYTES`] bytes.
async fn pass_on(output: Option<impl AsyncRead + Unpin>, to: UnboundedSender<Report>) {
    let Some(mut output) = output else { return };
    let print = |line: &[u8]| {
        let line = String::from_utf8_lossy(line).into_owned();
        // It is received as long as the process runs.
        let _ = to.send(Report::Printed(line));
    };
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
                b'\n' => print(&std::mem::take(&mut text)),
                byte => text.push(*byte),
            }
        }
        if read == 0 {
            break;
        }
    }
    if !text.is_empty() {
        print(&text);
    }
    if dropped {
        print(b"the command printed more, which is left out");
    }
}
