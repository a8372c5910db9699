//! A guest that runs one command: relays the command's output, and finds out how it ended.

use std::io::{self, BufRead as _, BufReader, Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::qemu::{self, Console, Machine};
use crate::report::Parts;

/// The timeout of the guest's shutdown.
const POWER_OFF: Duration = Duration::from_secs(20);

/// How a guest ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The command ended with this exit status.
    Exited(u8),
    /// The guest ended before its command.
    Died,
    /// The command did not start within this time.
    NotStarted(Duration),
    /// The command did not end within this time.
    TimedOut(Duration),
    /// The reader of our standard output or error has closed it.
    OutputClosed,
}

/// Reports of the threads that listen to the guest.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    /// The command starts.
    Ready,
    /// The command ended, with this exit status.
    Exit(u8),
    /// QEMU has ended.
    Gone,
    /// The guest's output cannot be passed on.
    OutputClosed,
}

/// A copy of the command's standard output.
#[derive(Debug, Clone, Default)]
pub(crate) struct Transcript(Arc<Mutex<Vec<u8>>>);

impl Transcript {
    fn append(&self, bytes: &[u8]) {
        let mut transcript = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        transcript.extend_from_slice(bytes);
    }

    /// The output so far.
    pub(crate) fn text(&self) -> String {
        let transcript = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&transcript).into_owned()
    }
}

/// Boots a guest, relays its command's standard output and error to ours, and waits for its end. Records the durations of boot
/// and run, and copies standard output if requested.
///
/// # Errors
/// When QEMU cannot be started.
pub(crate) fn run(
    machine: &Machine<'_>,
    log: &Path,
    timeout: Option<Duration>,
    transcript: Option<&Transcript>,
    parts: &mut Parts,
) -> Result<End> {
    let (events, inbox) = mpsc::channel();
    let (control, control_end) = port()?;
    let (stdout, stdout_end) = port()?;
    let (stderr, stderr_end) = port()?;
    let ports = vec![
        ("control", control_end),
        ("stdout", stdout_end),
        ("stderr", stderr_end),
    ];
    let console = Console::Log(log, ports);
    let mut qemu = machine.start(&console)?;
    // QEMU has the only copies of the other ends now, so they close when it ends.
    drop(console);

    let relays = [
        relay(stdout, io::stdout(), transcript.cloned(), events.clone()),
        relay(stderr, io::stderr(), None, events.clone()),
    ];
    thread::spawn(move || listen(control, &events));
    let end = wait(
        &inbox,
        qemu::boot_limit(machine.accelerator),
        timeout,
        parts,
    );
    let status = match end {
        // It is about to end.
        End::Exited(_) | End::Died => wait_for_end(&mut qemu, POWER_OFF),
        _ => wait_for_end(&mut qemu, Duration::ZERO),
    }
    .context("cannot wait for QEMU")?;
    if end != End::OutputClosed {
        for relay in relays {
            // A relay only ends early after reporting that our output is closed.
            let _ = relay.join();
        }
    }
    if end == End::Died && !status.success() {
        // QEMU has printed the reason on standard error; it does not when the guest fails.
        bail!("QEMU failed ({status})");
    }
    Ok(end)
}

/// The two ends of a port: ours and QEMU's.
fn port() -> Result<(UnixStream, OwnedFd)> {
    let (ours, theirs) =
        UnixStream::pair().context("cannot create a socket for the guest's ports")?;
    Ok((ours, theirs.into()))
}

/// Relays the data of a port as it arrives.
fn relay(
    mut from: UnixStream,
    mut to: impl Write + Send + 'static,
    transcript: Option<Transcript>,
    events: Sender<Event>,
) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => {
                    if let Some(transcript) = &transcript {
                        transcript.append(&buffer[..n]);
                    }
                    if to
                        .write_all(&buffer[..n])
                        .and_then(|()| to.flush())
                        .is_err()
                    {
                        let _ = events.send(Event::OutputClosed);
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
    })
}

/// Reports the messages of the guest's first process on the control port.
fn listen(control: UnixStream, events: &Sender<Event>) {
    let lines = BufReader::new(control).lines().map_while(Result::ok);
    for event in lines.filter_map(|line| message(&line)) {
        let _ = events.send(event);
    }
    let _ = events.send(Event::Gone);
}

/// A message of the guest's first process: `ready`, or `exit STATUS`.
fn message(line: &str) -> Option<Event> {
    match line.split_once(' ') {
        None if line == "ready" => Some(Event::Ready),
        Some(("exit", status)) => status.parse().ok().map(Event::Exit),
        _ => None,
    }
}

/// Waits for the start of the command, then for its end. Records the duration of each.
fn wait(
    inbox: &Receiver<Event>,
    boot_limit: Duration,
    timeout: Option<Duration>,
    parts: &mut Parts,
) -> End {
    let (mut part, mut start) = ("boot", Instant::now());
    let mut deadline = Some(start + boot_limit);
    let mut late = End::NotStarted(boot_limit);
    let end = loop {
        let event = match deadline {
            Some(deadline) => {
                inbox.recv_timeout(deadline.saturating_duration_since(Instant::now()))
            }
            None => inbox.recv().map_err(RecvTimeoutError::from),
        };
        match event {
            Ok(Event::Ready) => {
                parts.note(part, start.elapsed());
                (part, start) = ("run", Instant::now());
                deadline = timeout.map(|timeout| Instant::now() + timeout);
                late = End::TimedOut(timeout.unwrap_or_default());
            }
            Ok(Event::Exit(status)) => break End::Exited(status),
            Ok(Event::OutputClosed) => break End::OutputClosed,
            Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => break End::Died,
            Err(RecvTimeoutError::Timeout) => break late,
        }
    };
    parts.note(part, start.elapsed());
    end
}

/// Waits for QEMU to end, and kills it after the timeout.
fn wait_for_end(qemu: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Some(status) = qemu.try_wait()? {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
    // Fails if it has just ended.
    let _ = qemu.kill();
    qemu.wait()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_millis(20);

    fn end_after(events: impl IntoIterator<Item = Event>, timeout: Option<Duration>) -> End {
        let (sender, inbox) = mpsc::channel();
        for event in events {
            // The receiver is alive.
            let _ = sender.send(event);
        }
        drop(sender);
        wait(&inbox, LIMIT, timeout, &mut Parts::default())
    }

    #[test]
    fn messages_of_the_guest() {
        assert_eq!(message("ready"), Some(Event::Ready));
        assert_eq!(message("exit 7"), Some(Event::Exit(7)));
        for other in ["", "exit", "exit 256", "exit x", "already"] {
            assert_eq!(message(other), None, "{other}");
        }
    }

    #[test]
    fn ends_are_distinguished() {
        assert_eq!(
            end_after([Event::Ready, Event::Exit(7), Event::Gone], None),
            End::Exited(7)
        );
        assert_eq!(end_after([Event::Ready, Event::Gone], None), End::Died);
        assert_eq!(end_after([Event::Gone], None), End::Died);
        assert_eq!(end_after([], None), End::Died);
        assert_eq!(
            end_after([Event::Ready, Event::OutputClosed], None),
            End::OutputClosed
        );
    }

    #[test]
    fn limits_hold_for_the_boot_and_for_the_command() {
        let (_alive, inbox) = mpsc::channel();
        let mut parts = Parts::default();
        let end = wait(&inbox, LIMIT, None, &mut parts);
        assert_eq!(end, End::NotStarted(LIMIT));
        assert_eq!(parts.names(), ["boot"]);
        let (sender, inbox) = mpsc::channel();
        let _ = sender.send(Event::Ready);
        let timeout = Duration::from_millis(5);
        let mut parts = Parts::default();
        let end = wait(&inbox, LIMIT, Some(timeout), &mut parts);
        assert_eq!(end, End::TimedOut(timeout));
        assert_eq!(parts.names(), ["boot", "run"]);
    }

    #[test]
    fn a_relay_passes_bytes_on_as_they_are() -> Result<()> {
        let (mut ours, theirs) = UnixStream::pair()?;
        let (mut out, sink) = UnixStream::pair()?;
        let (events, inbox) = mpsc::channel();
        let transcript = Transcript::default();
        let relay = relay(theirs, sink, Some(transcript.clone()), events);
        let sent: Vec<u8> = (0..=255).chain(*b"\r\n\n\x04\x03").collect();
        ours.write_all(&sent)?;
        drop(ours);
        let mut got = Vec::new();
        out.read_to_end(&mut got)?;
        assert_eq!(got, sent);
        assert_eq!(transcript.text(), String::from_utf8_lossy(&sent));
        assert!(relay.join().is_ok());
        assert_eq!(inbox.try_recv().ok(), None);
        Ok(())
    }
}
