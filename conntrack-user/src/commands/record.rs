//! `ctpulse record`: a run that goes to a file, block by block.

use std::{
    fs::{File, OpenOptions},
    io::{self, IsTerminal},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::OpenOptionsExt,
    },
    path::Path,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};

use crate::commands::{
    Failure, configuration,
    stream::{self, ProbesOff},
};
use crate::{
    cli::recordings::RecordArgs,
    clock::{Clock, SystemClock},
    engine::{
        diagnostics::Diagnostics,
        drive::{DriveError, to_end, until_signalled},
        outlet::Outlet,
        run::{Run, wants_probes},
    },
    model::record::Record,
    output::Sink,
    recording::{
        reader::Reader,
        writer::{Appended, Kept, Recorder},
    },
};

/// The file that stands for stdout.
pub(super) const STDOUT: &str = "-";

/// Time between two updates of the line that shows progress.
const PROGRESS: Duration = Duration::from_secs(1);

/// Records until the duration is over or a signal comes.
pub(super) fn run(args: &RecordArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.stream.alerts.config.as_deref())?;
    let settings = args.settings(config);
    // Before signals are received: a file that does not open is given up by any of them.
    let file = open(args).map_err(|error| Failure::file(&args.file, error))?;
    let probes_off = ProbesOff::new(!args.show && wants_probes(&settings));
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            let outlet = match args.show {
                true => Some(Outlet::stdout()?.optional()),
                false => None,
            };
            let mut recording = Recording {
                recorder: Recorder::new(file, SystemClock, settings.interval),
                shown: outlet
                    .as_ref()
                    .map(|outlet| stream::sink(&args.stream, outlet.clone())),
                progress: Progress::new(SystemClock, diagnostics.clone()),
                outlet: outlet.clone(),
                probes_off,
                diagnostics: diagnostics.clone(),
            };
            shutdown.waits_for("the recording to be written");
            let recorded = match Run::start(settings, SystemClock, diagnostics.clone()) {
                Ok((mut run, start)) => {
                    let deliver = |records: Vec<Record>| recording.take(&records);
                    to_end(&mut run, start, outlet.as_ref(), shutdown, deliver).await
                }
                Err(error) => Err(error.into()),
            };
            recording.finish(&args.file, recorded)
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
        // Who talks to whom is nobody else's business.
        .mode(0o600)
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
            "a recording cannot be shown on a terminal; redirect stdout or name a file",
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
    /// Where that goes.
    outlet: Option<Outlet>,
    progress: Progress<C>,
    probes_off: ProbesOff,
    diagnostics: Diagnostics,
}

impl<C: Clock + Clone + Send + 'static> Recording<C> {
    fn take(&mut self, records: &[Record]) -> io::Result<()> {
        self.probes_off.look_for(records, &self.diagnostics);
        for record in records {
            self.recorder.write(record)?;
            self.progress.count(record);
        }
        self.recorder.flush()?;
        match &mut self.shown {
            None => self.progress.show(),
            Some(shown) => stream::write(&mut **shown, records)?,
        }
        if self.outlet.take_if(|outlet| outlet.is_closed()).is_some() {
            self.shown = None;
            self.diagnostics
                .notify("standard output is not read any more; recording goes on");
        }
        Ok(())
    }

    /// Ends the recording, and says what is kept.
    fn finish(self, file: &Path, recorded: Result<(), DriveError>) -> Result<(), Failure> {
        self.progress.end();
        let (kept, stored) = self.recorder.finish();
        let (name, kept) = (file.display(), summary(&kept));
        match (stored, recorded) {
            (Err(error), _) => Err(Failure::Other(format!(
                "{name}: {error}; {kept}, and nothing after that"
            ))),
            (Ok(()), Err(error)) => Err(Failure::Other(format!("{error}; {name}: {kept}"))),
            (Ok(()), Ok(())) => {
                self.diagnostics.notify(format_args!("{name}: {kept}"));
                Ok(())
            }
        }
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
            diagnostics,
            terminal: io::stderr().is_terminal(),
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
