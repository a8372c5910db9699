//! `ctpulse record`: a run that goes to a file, block by block.

use std::{
    io::{self, IsTerminal},
    os::fd::AsFd,
    path::Path,
    time::Duration,
};

use super::stdout;
use crate::{
    cli::{StreamArgs, recordings::RecordArgs},
    clock::{Clock, SystemClock},
    commands::{
        Failure, configuration,
        from::{self, Followed},
        stream::{self, ProbesOff},
    },
    engine::{
        diagnostics::Diagnostics,
        drive::{to_end, until_signalled, written},
        outlet::Outlet,
        run::Run,
        worker,
    },
    model::record::Record,
    output::Sink,
    recording::{
        file::{Existing, RecordingFile},
        writer::{Kept, Recorder, recorder},
    },
    text::PlainPath,
};

/// The file that stands for stdout.
pub(super) const STDOUT: &str = "-";

/// How long the end waits for the file after a signal: what is left is given up before the process is ended by force.
const PATIENCE_INTERRUPTED: Duration = Duration::from_millis(400);

/// How long it waits without one. A signal ends that.
const PATIENCE: Duration = Duration::from_secs(60);

/// Bytes that may wait for whoever reads what is shown; of what comes then, nothing is shown.
const UNREAD: usize = 1 << 20;

/// Time between two updates of the line that shows progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// Records until the duration is over or a signal comes.
pub(super) fn run(args: &RecordArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.stream.alerts.config.as_deref())?;
    let settings = args.settings(config);
    let others = match args.stream.from.is_given() {
        true => Some(from::settings(&args.measured())?),
        false => None,
    };
    // Before signals are received: a file that does not open is given up by any of them.
    let file = open(args)?;
    let is_shown = args.show && args.stream.format.reports_probes();
    let probes_off = ProbesOff::new(!is_shown && others.is_none() && settings.wants_probes());
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let shown = match args.show {
                true => Some(Shown::new(&args.stream, Outlet::stdout()?)),
                false => None,
            };
            let (recorder, writer) = recorder(file, SystemClock, settings.interval);
            worker::start("recorder", "writes the recording", move || writer.run())?;
            let mut recording = RecordSink {
                recorder,
                shown,
                progress: Progress::new(SystemClock, diagnostics.clone()),
                probes_off,
                told_left_out: false,
                diagnostics: diagnostics.clone(),
            };
            shutdown.waits_for("the recording to be written");
            let mut ending = shutdown.clone();
            let deliver = |records: Vec<Record>| recording.take(&records);
            let recorded = match others {
                Some(others) => match Followed::start(others, settings.hook, diagnostics) {
                    Ok(followed) => from::to_end(followed, None, shutdown, deliver).await,
                    Err(failure) => Err(failure),
                },
                None => match Run::start(settings, SystemClock, diagnostics.clone()) {
                    Ok((run, start)) => {
                        let ended = to_end(run, start, None, shutdown, deliver).await;
                        ended.map_err(Failure::from)
                    }
                    Err(error) => Err(error.into()),
                },
            };
            let patience = match ending.is_requested() {
                true => PATIENCE_INTERRUPTED,
                false => PATIENCE,
            };
            let shown = recording.shown.take();
            let finished = recording.finish(&args.file, recorded, patience);
            if let Some(shown) = shown
                && let Err(error) = written(&shown.outlet, &mut ending).await
            {
                diagnostics.notify(not_shown(&error));
            }
            finished
        },
    )?
}

fn summary(kept: &Kept) -> String {
    let until = kept
        .until
        .map_or_else(String::new, |until| format!(" up to {until:.6}"));
    format!(
        "{} records kept{until} ({} bytes)",
        kept.records, kept.bytes
    )
}

fn open(args: &RecordArgs) -> Result<RecordingFile, Failure> {
    if args.file == Path::new(STDOUT) {
        return standard_output(args).map_err(|error| Failure::file(&args.file, error));
    }
    let existing = match args {
        RecordArgs { append: true, .. } => Existing::Append,
        RecordArgs { force: true, .. } => Existing::Overwrite,
        _ => Existing::Refuse,
    };
    Ok(RecordingFile::open(&args.file, existing)?)
}

fn standard_output(args: &RecordArgs) -> io::Result<RecordingFile> {
    let out = stdout();
    if out.is_terminal() {
        return Err(io::Error::other(
            "a recording cannot be shown on a terminal; redirect stdout or name a file",
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
    shown: Option<Shown>,
    progress: Progress<C>,
    probes_off: ProbesOff,
    /// Whether it was said that records are left out.
    told_left_out: bool,
    diagnostics: Diagnostics,
}

impl<C: Clock + Clone + Send + 'static> RecordSink<C> {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        self.probes_off.look_for(records, &self.diagnostics);
        for record in records {
            self.recorder.write(record)?;
            self.progress.count(record);
        }
        self.recorder.flush()?;
        if self.recorder.left_out() > 0 && !std::mem::replace(&mut self.told_left_out, true) {
            self.diagnostics
                .notify("writing the recording does not keep up: records are left out");
        }
        match &mut self.shown {
            None => self.progress.show(),
            Some(shown) => {
                if let Err(error) = shown.show(records, &self.diagnostics) {
                    self.shown = None;
                    self.diagnostics
                        .notify(format_args!("{}; recording goes on", not_shown(&error)));
                }
            }
        }
        Ok(())
    }

    /// Ends the recording, and says what is kept.
    fn finish(
        self,
        file: &Path,
        recorded: Result<(), Failure>,
        patience: Duration,
    ) -> Result<(), Failure> {
        self.progress.end();
        let (kept, stored) = self.recorder.finish(patience);
        let kept = summary(&kept);
        let file = file.to_owned();
        match (stored, recorded) {
            (Err(source), _) => {
                let rest = match source.is_final() {
                    true => ", and nothing after that",
                    false => "",
                };
                Err(Failure::NotKept {
                    file,
                    source,
                    kept: format!("{kept}{rest}"),
                })
            }
            (Ok(()), Err(source)) => Err(Failure::Stopped {
                source: Box::new(source),
                file,
                kept,
            }),
            (Ok(()), Ok(())) => {
                self.diagnostics
                    .notify(format_args!("{}: {kept}", PlainPath(&file)));
                Ok(())
            }
        }
    }
}

/// What is streamed of a recording: never waited for, and no reason to end the recording.
struct Shown {
    sink: Box<dyn Sink>,
    /// Where that writes.
    outlet: Outlet,
    told_gaps: bool,
}

impl Shown {
    fn new(args: &StreamArgs, outlet: Outlet) -> Self {
        Self {
            sink: stream::sink(args, outlet.clone()),
            outlet,
            told_gaps: false,
        }
    }

    /// Shows records, unless too much waits to be read. An error is that of writing, of these or earlier ones.
    fn show(&mut self, records: &[Record], diagnostics: &Diagnostics) -> io::Result<()> {
        if self.outlet.pending() <= UNREAD {
            return stream::write(&mut *self.sink, records);
        }
        if !std::mem::replace(&mut self.told_gaps, true) {
            diagnostics.notify(
                "standard output is not being read: what is shown has gaps; recording goes on",
            );
        }
        Ok(())
    }
}

/// Why not everything is shown.
fn not_shown(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::BrokenPipe => "standard output is not read any more".to_owned(),
        io::ErrorKind::TimedOut => error.to_string(),
        _ => format!("cannot write to standard output: {error}"),
    }
}

/// A line on stderr, where that is a terminal, that is written over and over.
struct Progress<C> {
    clock: C,
    diagnostics: Diagnostics,
    terminal: bool,
    start: Duration,
    shown: Option<Duration>,
    samples: u64,
    events: u64,
}

impl<C: Clock> Progress<C> {
    fn new(clock: C, diagnostics: Diagnostics) -> Self {
        Self {
            start: clock.now().monotonic,
            clock,
            terminal: diagnostics.is_terminal(),
            diagnostics,
            shown: None,
            samples: 0,
            events: 0,
        }
    }

    fn count(&mut self, record: &Record) {
        match record {
            Record::Sample(_) => self.samples += 1,
            Record::Event(_) => self.events += 1,
            _ => {}
        }
    }

    fn show(&mut self) {
        let now = self.clock.now().monotonic;
        if !self.terminal || self.shown.is_some_and(|shown| now < shown + PROGRESS) {
            return;
        }
        self.shown = Some(now);
        self.diagnostics.progress(&format!(
            "recording: {:.0} s, {} samples, {} events; Ctrl-C ends it",
            now.saturating_sub(self.start).as_secs_f64(),
            self.samples,
            self.events
        ));
    }

    fn end(&self) {
        self.diagnostics.end_progress();
    }
}
