//! JSON lines from a ctpulse that ssh starts on another host, or that is copied there first.
//!
//! It is the system's ssh, so what its configuration says of the host holds. It asks nothing: keys, or an agent, must do. The ctpulse
//! there ends when its standard input does, whatever becomes of us or of the connection.

use std::{
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    time::timeout,
};

use crate::{
    clock::Clock,
    engine::process_group::ProcessGroup,
    files,
    remote::{
        SshSettings,
        address::SshHost,
        error::ConnectionError,
        feed::{HostEvent, HostFeed, LineFeed},
    },
    text::Text,
};

/// Bytes that are read at once.
const CHUNK: usize = 64 << 10;

/// How long a copy of this program may take to get there, and to start.
const COPYING: Duration = Duration::from_secs(300);

/// How long ssh may take to end once its output has.
const END: Duration = Duration::from_secs(2);

/// The most messages of one connection that are passed on.
const MESSAGES: usize = 20;

/// The longest message, in bytes.
const MESSAGE: u64 = 4 << 10;

/// This program, to be copied. Its file may have been replaced or removed meanwhile.
const OWN: &str = "/proc/self/exe";

/// The largest program that is copied.
const PROGRAM: u64 = 1 << 30;

/// What is wrong where a program cannot be copied or run, by the exit status of the script.
const OTHER_PROCESSOR: i32 = 91;
const NO_DIRECTORY: i32 = 92;
const NOT_COPIED: i32 = 93;

/// A host, and what is started there.
pub(super) struct SshSource {
    pub(super) host: SshHost,
    pub(super) settings: SshSettings,
}

impl SshSource {
    /// Reads until the program there has ended, or the connection.
    pub(super) async fn read<C: Clock>(
        &self,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let program = match self.settings.copy {
            true => Some(files::read(Path::new(OWN), PROGRAM).map_err(failed("reading itself"))?),
            false => None,
        };
        let mut child = self.spawn(program.as_deref())?;
        let group = ProcessGroup::of(&child);
        let read = self.converse(&mut child, program.as_deref(), lines).await;
        if read.is_ok() {
            group.release();
        }
        read
    }

    async fn converse<C: Clock>(
        &self,
        child: &mut Child,
        program: Option<&[u8]>,
        lines: &mut LineFeed<'_, C>,
    ) -> Result<(), ConnectionError> {
        let feed = lines.feed;
        let mut last_message = None;
        let messages = pass_on(child.stderr.take(), feed, &mut last_message);
        let input = keep_open(child.stdin.take(), program, feed);
        let records = read_lines(child.stdout.take(), program.is_some(), lines);
        // Its end is that of its output; its messages end with that, unless something else has them open.
        let read = tokio::select! {
            read = records => read,
            never = async { tokio::join!(messages, input); std::future::pending().await } => never,
        };
        read?;
        let status = timeout(END, child.wait()).await;
        let status = status.map_err(|_| ConnectionError::Timeout {
            what: "the end of ssh",
            seconds: END.as_secs(),
        })?;
        self.outcome(status.map_err(failed("ssh"))?, lines, last_message)
    }

    /// What the exit status means.
    fn outcome<C>(
        &self,
        status: ExitStatus,
        lines: &LineFeed<'_, C>,
        message: Option<String>,
    ) -> Result<(), ConnectionError> {
        if lines.has_summary || status.success() {
            return Ok(());
        }
        let path = &self.settings.path;
        let at_start = !lines.has_lines;
        let refused = match status.code() {
            Some(127) if at_start && self.settings.copy => None,
            Some(127) if at_start => Some(format!(
                "there is no {path} on it; --copy uses a copy of this one for the run, --remote-path says where it is"
            )),
            Some(126) if at_start => Some(
                "the program cannot be run there: it is for another processor, or the file system is mounted noexec"
                    .to_owned(),
            ),
            Some(OTHER_PROCESSOR) if at_start => Some(format!(
                "it has another processor than this host ({}), so this ctpulse does not run there",
                std::env::consts::ARCH
            )),
            Some(2) if at_start => Some("its ctpulse does not know what it is asked for: it may be older".to_owned()),
            _ => None,
        };
        if let Some(advice) = refused {
            let said = message.map_or_else(String::new, |said| format!(" ({said})"));
            return Err(ConnectionError::NotStarted(format!("{advice}{said}")));
        }
        Err(ConnectionError::Ssh(match (status.code(), message) {
            (Some(NO_DIRECTORY), _) => "no temporary directory can be made there".to_owned(),
            (Some(NOT_COPIED), _) => "ctpulse could not be copied: is its disk full?".to_owned(),
            (_, Some(said)) => said,
            (_, None) => format!("ssh ended ({status})"),
        }))
    }

    #[expect(clippy::disallowed_methods, reason = "ssh is started here")]
    fn spawn(&self, program: Option<&[u8]>) -> Result<Child, ConnectionError> {
        let length = program.map(<[u8]>::len);
        let child = Command::new("ssh")
            .args(ssh_arguments(&self.host, &self.settings))
            .arg(remote_command(&self.settings, length))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Of its own, so that Ctrl-C at the terminal does not end it before its last records have come.
            .process_group(0)
            .kill_on_drop(true)
            .spawn();
        child.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ConnectionError::NotStarted(
                "there is no ssh on this host: install openssh-client".to_owned(),
            ),
            _ => failed("ssh")(error),
        })
    }
}

fn failed(what: &'static str) -> impl Fn(io::Error) -> ConnectionError {
    move |source| ConnectionError::Io { what, source }
}

/// The arguments of ssh before the command.
pub(super) fn ssh_arguments(host: &SshHost, settings: &SshSettings) -> Vec<String> {
    let mut arguments: Vec<String> = ["-T", "-o", "BatchMode=yes"].map(str::to_owned).into();
    // What was given comes first: of equal options, ssh uses the first.
    for option in &settings.options {
        arguments.extend(["-o".to_owned(), option.clone()]);
    }
    for option in [
        "ConnectTimeout=10",
        "ServerAliveInterval=5",
        "ServerAliveCountMax=3",
        "ClearAllForwardings=yes",
        "LogLevel=ERROR",
    ] {
        arguments.extend(["-o".to_owned(), option.to_owned()]);
    }
    if let Some(port) = host.port {
        arguments.extend(["-p".to_owned(), port.to_string()]);
    }
    if let Some(user) = &host.user {
        arguments.extend(["-l".to_owned(), user.clone()]);
    }
    arguments.extend(["--".to_owned(), host.host.clone()]);
    arguments
}

/// The command for the shell of the host.
pub(super) fn remote_command(settings: &SshSettings, copied_bytes: Option<usize>) -> String {
    let sudo = match settings.sudo {
        true => "sudo -n ",
        false => "",
    };
    let words = settings.arguments.iter().map(|word| quoted(word));
    let arguments = words.collect::<Vec<_>>().join(" ");
    let Some(bytes) = copied_bytes else {
        return format!("{sudo}{} {arguments}", quoted(&settings.path));
    };
    // The directory is private, and is removed whatever ends the program.
    let script = format!(
        "[ \"$(uname -m)\" = {arch} ] || exit {OTHER_PROCESSOR}; umask 077; \
         d=$(mktemp -d \"${{TMPDIR:-/tmp}}/ctpulse.XXXXXXXX\") || exit {NO_DIRECTORY}; \
         trap 'rm -rf \"$d\"' EXIT; trap 'exit 143' HUP INT TERM PIPE; \
         head -c {bytes} > \"$d/ctpulse\"; \
         [ \"$(wc -c < \"$d/ctpulse\")\" -eq {bytes} ] && chmod 700 \"$d/ctpulse\" || exit {NOT_COPIED}; \
         {sudo}\"$d/ctpulse\" {arguments}",
        arch = std::env::consts::ARCH,
    );
    format!("sh -c {}", quoted(&script))
}

/// A word for a shell, whatever is in it.
pub(super) fn quoted(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '.' | '_' | '-' | '/' | '=' | ':' | ',' | '%' | '+')
    };
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Reads records until the end of the output.
async fn read_lines<C: Clock>(
    output: Option<impl AsyncRead + Unpin>,
    copies: bool,
    lines: &mut LineFeed<'_, C>,
) -> Result<(), ConnectionError> {
    let Some(mut output) = output else {
        return Ok(());
    };
    let mut chunk = vec![0; CHUNK];
    loop {
        let patience = match copies && !lines.has_lines {
            true => COPYING,
            false => lines.feed.patience.get(),
        };
        let Ok(read) = timeout(patience, output.read(&mut chunk)).await else {
            return Err(ConnectionError::Silent(patience.as_secs()));
        };
        match read.map_err(failed("ssh"))? {
            0 => return Ok(()),
            bytes => lines.push(&chunk[..bytes]).await,
        }
    }
}

/// Sends the program, and keeps the input open until the run is to end.
async fn keep_open<C: Clock>(
    input: Option<ChildStdin>,
    program: Option<&[u8]>,
    feed: &HostFeed<C>,
) {
    let Some(mut input) = input else {
        return;
    };
    tokio::select! {
        () = feed.ending() => {}
        () = async {
            if let Some(program) = program {
                // What became of it shows by the exit status.
                let _ = input.write_all(program).await;
            }
            std::future::pending().await
        } => {}
    }
}

/// Passes on what the ctpulse there says. The last message of anything else is kept: it says why there is no connection.
async fn pass_on<C: Clock>(
    messages: Option<impl AsyncRead + Unpin>,
    feed: &HostFeed<C>,
    last: &mut Option<String>,
) {
    let Some(messages) = messages else {
        return;
    };
    let mut messages = BufReader::new(messages);
    let mut passed = 0;
    loop {
        let mut line = Vec::new();
        let mut part = (&mut messages).take(MESSAGE);
        match part.read_until(b'\n', &mut line).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return,
        }
        let text = String::from_utf8_lossy(&line).trim().to_owned();
        match text.strip_prefix("ctpulse: ") {
            Some(message) if passed < MESSAGES => {
                passed += 1;
                feed.send(HostEvent::Note(Text::excerpt(message))).await;
                *last = Some(message.to_owned());
            }
            None if !text.is_empty() => *last = Some(text),
            _ => {}
        }
    }
}
