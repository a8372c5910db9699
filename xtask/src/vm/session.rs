//! A guest that runs one command or a shell: relays the command's output, and finds out how it ended.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, ChildStdin, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::qemu::{self, Console, Machine, Port};
use super::qemu_log;
use crate::report::Parts;

/// The timeout of the guest's shutdown.
const POWER_OFF: Duration = Duration::from_secs(20);

/// How long QEMU may take to end when it is asked to.
const TERMINATION: Duration = Duration::from_secs(2);

/// How a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// QEMU failed, for this reason.
    QemuFailed(String),
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
    /// QEMU has stopped the guest, for this reason.
    Stopped(String),
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

/// Where the output of a guest goes, and how long its command may take.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    /// Where the kernel's messages go.
    pub(crate) console: Console<'a>,
    /// Where QEMU's own messages go.
    pub(crate) qemu_log: &'a Path,
    /// How long the command may take.
    pub(crate) timeout: Option<Duration>,
    /// Where standard output is copied to.
    pub(crate) transcript: Option<&'a Transcript>,
    /// The file for the archive of what is copied out of the guest, if anything is.
    pub(crate) archive: Option<&'a Path>,
}

impl Session<'_> {
    /// Boots a guest, relays its command's standard output and error to ours, and waits for its end. Records the durations of
    /// boot and run.
    ///
    /// # Errors
    /// When QEMU cannot be started.
    pub(crate) fn run(&self, machine: &Machine<'_>, parts: &mut Parts) -> Result<End> {
        let (events, inbox) = mpsc::channel();
        let (control, control_end) = port()?;
        let mut ports: Vec<Port> = vec![("control", control_end)];
        let mut relays = Vec::new();
        if let Console::Log(_) = self.console {
            let (stdout, stdout_end) = port()?;
            let (stderr, stderr_end) = port()?;
            ports.extend([("stdout", stdout_end), ("stderr", stderr_end)]);
            let transcript = self.transcript.cloned();
            relays.push(relay(stdout, io::stdout(), transcript, events.clone()));
            relays.push(relay(stderr, io::stderr(), None, events.clone()));
        }
        if let Some(archive) = self.archive {
            let (out, out_end) = port()?;
            ports.push(("out", out_end));
            let file = create(archive)?;
            relays.push(relay(out, file, None, events.clone()));
        }
        let log = create(self.qemu_log)?;
        let mut qemu = machine.start(self.console, &ports)?;
        // Only QEMU has the other ends now, so they close when it ends.
        drop(ports);

        let stopped = events.clone();
        let errors = qemu.stderr.take().map(|stderr| {
            qemu_log::follow(stderr, log, move |reason| {
                let _ = stopped.send(Event::Stopped(reason));
            })
        });
        thread::spawn(move || listen(control, &events));
        let mut input = qemu.stdin.take();
        let started = || {
            if let Some(input) = input.take() {
                thread::spawn(|| feed(io::stdin(), input));
            }
        };
        let limit = match self.console {
            // The user sees how far it is, unless KVM runs nothing at all.
            Console::Terminal => qemu::boot_limit_on_terminal(machine.accelerator),
            Console::Log(_) => Some(qemu::boot_limit(machine.accelerator)),
        };
        let end = wait(&inbox, limit, self.timeout, started, parts);
        let status = match end {
            // It is about to end by itself.
            End::Exited(_) | End::Died => wait_for_end(&mut qemu, POWER_OFF),
            _ => wait_for_end(&mut qemu, Duration::ZERO),
        }
        .context("cannot wait for QEMU")?;
        if end != End::OutputClosed {
            for relay in relays {
                // A relay only ends early by reporting that our output is closed.
                let _ = relay.join();
            }
        }
        if end == End::Died && !status.success() {
            // When the guest fails, QEMU does not.
            let reason = errors.and_then(|errors| errors.join().ok().flatten());
            let reason = reason.unwrap_or_else(|| "it gave no reason".to_owned());
            return Ok(End::QemuFailed(format!("{reason} ({status})")));
        }
        Ok(end)
    }
}

fn create(path: &Path) -> Result<File> {
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Types what comes from our standard input on the guest's console, where neither is a terminal, and then ends
/// its shell.
fn feed(mut from: impl Read, mut to: ChildStdin) {
    // Both fail only when there is nobody to type for any more.
    if io::copy(&mut from, &mut to).is_ok() {
        let _ = to.write_all(b"\nexit\n");
    }
}

/// The two ends of a port: ours and QEMU's.
fn port() -> Result<(UnixStream, std::os::fd::OwnedFd)> {
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
    boot_limit: Option<Duration>,
    timeout: Option<Duration>,
    mut started: impl FnMut(),
    parts: &mut Parts,
) -> End {
    let (mut part, mut start) = ("boot", Instant::now());
    let mut deadline = boot_limit.map(|limit| start + limit);
    let mut late = End::NotStarted(boot_limit.unwrap_or_default());
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
                started();
            }
            Ok(Event::Stopped(reason)) => break End::QemuFailed(reason),
            Ok(Event::Exit(status)) => break End::Exited(status),
            Ok(Event::OutputClosed) => break End::OutputClosed,
            Ok(Event::Gone) | Err(RecvTimeoutError::Disconnected) => break End::Died,
            Err(RecvTimeoutError::Timeout) => break late,
        }
    };
    parts.note(part, start.elapsed());
    end
}

/// Waits for QEMU to end, and ends it after the timeout.
fn wait_for_end(qemu: &mut Child, limit: Duration) -> io::Result<ExitStatus> {
    if let Some(status) = wait_until(qemu, Instant::now() + limit)? {
        return Ok(status);
    }
    // It leaves the terminal as it was, if it is given the time.
    let _ = kill_process(Pid::from_child(qemu), Signal::TERM);
    if let Some(status) = wait_until(qemu, Instant::now() + TERMINATION)? {
        return Ok(status);
    }
    // Fails if it has just ended.
    let _ = qemu.kill();
    qemu.wait()
}

fn wait_until(qemu: &mut Child, deadline: Instant) -> io::Result<Option<ExitStatus>> {
    loop {
        let status = qemu.try_wait()?;
        if status.is_some() || Instant::now() >= deadline {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(10));
    }
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
        wait(&inbox, Some(LIMIT), timeout, || (), &mut Parts::default())
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
        assert_eq!(
            end_after([Event::Stopped("KVM".to_owned())], None),
            End::QemuFailed("KVM".to_owned())
        );
    }

    #[test]
    fn limits_hold_for_the_boot_and_for_the_command() {
        let (_alive, inbox) = mpsc::channel();
        let mut parts = Parts::default();
        let end = wait(&inbox, Some(LIMIT), None, || (), &mut parts);
        assert_eq!(end, End::NotStarted(LIMIT));
        assert_eq!(parts.names(), ["boot"]);
        let (sender, inbox) = mpsc::channel();
        let _ = sender.send(Event::Ready);
        let timeout = Duration::from_millis(5);
        let mut parts = Parts::default();
        let end = wait(&inbox, Some(LIMIT), Some(timeout), || (), &mut parts);
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
