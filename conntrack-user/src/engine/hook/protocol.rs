//! What ctpulse and the process that runs the commands of `--on-alert` say to each other: lines of JSON.

use std::{
    io::{self, BufRead, BufReader, Read},
    os::unix::net::UnixStream,
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader as AsyncBufReader},
    net::unix::OwnedReadHalf,
    sync::mpsc,
};

use crate::engine::account::Account;

/// The most bytes of a line: a verdict and its alert have some thousand.
const LONGEST: u64 = 1 << 20;

/// What the process is for, the first that it is told.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Setup {
    /// For `sh -c`.
    pub(super) command: String,
    /// Time after which a command is killed.
    pub(super) timeout: Duration,
    /// Whom the commands run as; `None`: as ctpulse.
    pub(super) account: Option<Account>,
    /// Whether they hold no capability and gain none.
    pub(super) unprivileged: bool,
}

/// What it is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// Run the command, and say how it ended.
    Run {
        id: u64,
        environment: Vec<(String, String)>,
        input: String,
    },
    /// Kill all that run, and end.
    Kill,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Report {
    Ready,
    /// It cannot be what it is for.
    Refused(String),
    /// A command has printed a line.
    Printed(String),
    Ended(u64, CommandEnd),
}

/// How a command ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum CommandEnd {
    Success,
    /// With this exit status.
    Failure(String),
    /// It did not end within its time and was killed.
    Killed,
    /// It could not be started.
    NotStarted(String),
}

/// A line.
///
/// # Errors
///
/// When it has no JSON.
pub(super) fn line(message: &impl Serialize) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(message)?;
    line.push(b'\n');
    Ok(line)
}

/// The first message, before anything else can come.
///
/// # Errors
///
/// When none comes.
pub(super) fn first<T: DeserializeOwned>(from: &UnixStream) -> io::Result<T> {
    let mut line = Vec::new();
    BufReader::new(from)
        .take(LONGEST)
        .read_until(b'\n', &mut line)?;
    Ok(serde_json::from_slice(&line)?)
}

/// All messages that follow. The other side has ended, or is not what it should be, when there is no more.
pub(super) fn messages<T: DeserializeOwned + Send + 'static>(
    from: OwnedReadHalf,
) -> mpsc::Receiver<T> {
    let (sender, messages) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut from = AsyncBufReader::new(from);
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut from).take(LONGEST).read_until(b'\n', &mut line).await;
            let message = read.ok().and_then(|_| serde_json::from_slice(&line).ok());
            let Some(message) = message else { return };
            if sender.send(message).await.is_err() {
                return;
            }
        }
    });
    messages
}
