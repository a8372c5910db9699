//! `ctpulse record`: a stream that goes to a file, block by block.

use std::{
    cell::Cell,
    future::Future,
    io::{self, IsTerminal, Write},
    os::fd::AsFd,
    path::Path,
    thread,
    time::Duration,
};

use crate::{
    cli::{ProbesArg, StreamArgs, recordings::RecordArgs},
    clock::Clock,
    commands::stream,
    engine::alert_hook::{self, OnAlert},
    model::record::Record,
    output::{Nowhere, Sink},
    recording::{
        file::{Existing, RecordingFile},
        writer::{Kept, Recorder, recorder},
    },
};

/// The file that stands for stdout.
pub const STDOUT: &str = "-";

/// How long the end waits for the file when the run was interrupted: whoever reads a pipe may be stuck.
const PATIENCE_INTERRUPTED: Duration = Duration::from_millis(800);

/// How long it waits otherwise.
const PATIENCE: Duration = Duration::from_secs(30);

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
    let file = open(args)?;
    let stream_args = StreamArgs {
        buckets: true,
        ..args.stream.clone()
    };
    let (recorder, writer) = recorder(file, clock.clone(), stream_args.interval);
    thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || writer.run())?;
    let mut sink = RecordSink {
        recorder,
        shown: args.show.then(|| stream::sink(&stream_args)),
        alerts: hook.map(|hook| alert_hook::hooked(Box::new(Nowhere), Some(hook))),
        progress: Progress::new(clock.clone()),
        probes_expected: stream_args.probes != ProbesArg::Off && stream_args.proc_root.is_none(),
    };
    let interrupted = Cell::new(false);
    let shutdown = async {
        shutdown.await;
        interrupted.set(true);
    };
    let streamed = stream::run(&stream_args, clock, &mut sink, shutdown).await;
    sink.progress.clear();
    let (kept, stored) = sink.recorder.finish(if interrupted.get() {
        PATIENCE_INTERRUPTED
    } else {
        PATIENCE
    });
    let kept = told(&kept);
    match (stored, streamed) {
        (Err(error), _) => {
            let rest = if error.ends_it() {
                ", and nothing after that"
            } else {
                ""
            };
            Err(io::Error::other(format!("{name}: {error}; {kept}{rest}")))
        }
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

fn open(args: &RecordArgs) -> io::Result<RecordingFile> {
    if args.file == Path::new(STDOUT) {
        return standard_output(args)
            .map_err(|error| io::Error::other(format!("{STDOUT}: {error}")));
    }
    let existing = match args {
        RecordArgs { append: true, .. } => Existing::Append,
        RecordArgs { force: true, .. } => Existing::Overwrite,
        _ => Existing::Refuse,
    };
    RecordingFile::open(&args.file, existing).map_err(io::Error::other)
}

fn standard_output(args: &RecordArgs) -> io::Result<RecordingFile> {
    let out = io::stdout();
    if out.is_terminal() {
        return Err(io::Error::other(
            "a recording is nothing for a terminal; redirect stdout or name a file",
        ));
    }
    if args.show {
        return Err(io::Error::other("--show needs stdout for itself"));
    }
    RecordingFile::from_open(out.as_fd().try_clone_to_owned()?)
}

/// Everything goes to the recorder, and perhaps to stdout.
struct RecordSink<C> {
    recorder: Recorder<C>,
    shown: Option<Box<dyn Sink>>,
    /// Where alerts are told, too.
    alerts: Option<Box<dyn Sink>>,
    progress: Progress<C>,
    /// Whether it is news when there are none.
    probes_expected: bool,
}

impl<C> RecordSink<C> {
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

impl<C: Clock> Sink for RecordSink<C> {
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
