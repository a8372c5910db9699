//! `ctpulse record`: a stream that goes to a file, block by block.

use std::{
    fs::{File, OpenOptions},
    future::Future,
    io::{self, IsTerminal, Write},
    os::fd::{AsFd, OwnedFd},
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use crate::{
    cli::{ProbesArg, StreamArgs, recordings::RecordArgs},
    clock::Clock,
    commands::stream,
    engine::alert_hook::{self, OnAlert},
    model::record::Record,
    output::{Nowhere, Sink},
    recording::{
        reader::Reader,
        writer::{Appended, Kept, Recorder},
    },
};

/// The file that stands for stdout.
pub const STDOUT: &str = "-";

/// Time between two updates of the line that tells of progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// Records until the duration is over or `shutdown` completes; alerts are also told to `hook`.
///
/// # Errors
///
/// When the file cannot be had, or not all could be written: with what is kept.
pub async fn run(
    args: &RecordArgs,
    hook: Option<OnAlert>,
    clock: impl Clock + Clone,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let name = args.file.display();
    let file = open(args).map_err(|error| io::Error::other(format!("{name}: {error}")))?;
    let stream_args = StreamArgs {
        buckets: true,
        ..args.stream.clone()
    };
    let mut sink = Recording {
        recorder: Recorder::new(file, clock.clone(), stream_args.interval),
        shown: args.show.then(|| stream::sink(&stream_args)),
        alerts: hook.map(|hook| alert_hook::hooked(Box::new(Nowhere), Some(hook))),
        progress: Progress::new(clock.clone()),
        probes_expected: stream_args.probes != ProbesArg::Off && stream_args.proc_root.is_none(),
    };
    let streamed = stream::run(&stream_args, clock, &mut sink, shutdown).await;
    sink.progress.clear();
    let (kept, stored) = sink.recorder.finish();
    let kept = told(&kept);
    match (stored, streamed) {
        (Err(error), _) => Err(io::Error::other(format!(
            "{name}: {error}; {kept}, and nothing after that"
        ))),
        (Ok(()), Err(error)) => Err(io::Error::other(format!("{error}; {name}: {kept}"))),
        (Ok(()), Ok(())) => {
            eprintln!("ctpulse: {name}: {kept}");
            Ok(())
        }
    }
}

fn told(kept: &Kept) -> String {
    let until = kept
        .until
        .map_or_else(String::new, |until| format!(" up to {until:.6}"));
    format!(
        "{} records kept{until} ({} bytes)",
        kept.records, kept.bytes
    )
}

/// Opens the file to append to, which nobody else records to meanwhile.
fn open(args: &RecordArgs) -> io::Result<Appended> {
    if args.file == Path::new(STDOUT) {
        return standard_output(args);
    }
    let file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(args.append || args.force)
        .create_new(!args.append && !args.force)
        .open(&args.file)
        .map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                io::Error::other("exists; --append goes on at its end, --force overwrites it")
            }
            _ => error,
        })?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        return Err(io::Error::other("another ctpulse records to it"));
    }
    if args.force {
        // Not of a device or pipe.
        if file.metadata()?.is_file() {
            file.set_len(0)?;
        }
        return Ok(Appended::new(file, 0));
    }
    let before = file.metadata()?.len();
    if before > 0 {
        // An error says that it is no recording, or one of a newer version.
        Reader::new(&file)
            .next(|_| true)
            .map_err(|error| io::Error::other(format!("{error}; nothing was appended to it")))?;
    }
    Ok(Appended::new(file, before))
}

fn standard_output(args: &RecordArgs) -> io::Result<Appended> {
    let out = io::stdout();
    if out.is_terminal() {
        return Err(io::Error::other(
            "a recording is nothing for a terminal; redirect stdout or name a file",
        ));
    }
    if args.show {
        return Err(io::Error::other("--show needs stdout for itself"));
    }
    let out: OwnedFd = out.as_fd().try_clone_to_owned()?;
    let file = File::from(out);
    let before = file.metadata()?.len();
    Ok(Appended::new(file, before))
}

/// Everything goes to the recorder, and perhaps to stdout.
struct Recording<C> {
    recorder: Recorder<C>,
    shown: Option<Box<dyn Sink>>,
    /// Where alerts are told, too.
    alerts: Option<Box<dyn Sink>>,
    progress: Progress<C>,
    /// Whether it is news when there are none.
    probes_expected: bool,
}

impl<C> Recording<C> {
    /// Does something on stdout; when nobody reads it any more, recording goes on without.
    fn show(&mut self, show: impl FnOnce(&mut dyn Sink) -> io::Result<()>) -> io::Result<()> {
        let Some(shown) = &mut self.shown else {
            return Ok(());
        };
        match show(&mut **shown) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.shown = None;
                eprintln!("ctpulse: nobody reads stdout any more; recording goes on");
                Ok(())
            }
            shown => shown,
        }
    }
}

impl<C: Clock> Sink for Recording<C> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        self.recorder.write(record)?;
        if let Some(alerts) = &mut self.alerts {
            alerts.write(record)?;
        }
        match record {
            // The recording has its place for it; whoever waits for it should know now.
            Record::Hello(hello) if self.shown.is_none() && self.probes_expected => {
                if let Some(reason) = &hello.probes.reason {
                    eprintln!("ctpulse: probes: off, {reason}");
                }
            }
            Record::Sample(_) => self.progress.samples += 1,
            Record::Event(_) => self.progress.events += 1,
            _ => {}
        }
        self.show(|sink| sink.write(record))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.recorder.flush()?;
        if self.shown.is_none() {
            self.progress.tell();
        }
        self.show(|sink| sink.flush())
    }
}

/// A line on stderr, where that is a terminal, that is written over and over.
struct Progress<C> {
    clock: C,
    terminal: bool,
    begin: Duration,
    told: Option<Duration>,
    samples: u64,
    events: u64,
}

impl<C: Clock> Progress<C> {
    fn new(clock: C) -> Self {
        Self {
            begin: clock.now().monotonic,
            clock,
            terminal: io::stderr().is_terminal(),
            told: None,
            samples: 0,
            events: 0,
        }
    }

    fn tell(&mut self) {
        let now = self.clock.now().monotonic;
        if !self.terminal || self.told.is_some_and(|told| now < told + PROGRESS) {
            return;
        }
        self.told = Some(now);
        // Nothing depends on it.
        let _ = write!(
            io::stderr(),
            "\r\x1b[Krecording: {:.0} s, {} samples, {} events; Ctrl-C ends it",
            now.saturating_sub(self.begin).as_secs_f64(),
            self.samples,
            self.events
        );
    }

    fn clear(&mut self) {
        if self.told.take().is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}
