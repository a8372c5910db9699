//! `ctpulse replay`: a recording, shown as the stream it was.

use std::{
    collections::VecDeque,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::Timestamp;
use tokio::time::sleep;

use crate::{
    cli::{
        Format,
        recordings::{PartArgs, ReplayArgs},
    },
    clock::{Clock, SystemClock},
    commands::{
        Failure,
        input::{ReadProgress, RecordingInput, STDIN},
        stdout, stream,
        whole_file::FileId,
    },
    engine::{
        diagnostics::Diagnostics,
        drive::{until_signalled, written},
        outlet::Outlet,
        signals::Shutdown,
    },
    model::{record::Record, verdict::Completion},
    output::Sink,
    recording::{
        RecordingError,
        pace::Pace,
        player::{Player, PlayerItem, RecordedLine},
        reader::Ending,
    },
    text::PlainPath,
};

/// Parts that cannot be read which are named one by one.
const DAMAGES: usize = 100;

/// A recording that was opened, and what is known of it.
pub(super) struct Opened {
    /// Goes through the part that was asked for.
    player: Player<RecordingInput>,
    file_id: Option<FileId>,
    /// How much of it was read, if it has a length.
    progress: Option<ReadProgress>,
    file: PathBuf,
    /// The first of what could not be read.
    damages: Vec<String>,
    /// How many there were besides.
    more_damages: u64,
    is_part: bool,
    /// Where damages are told as they are met.
    diagnostics: Option<Diagnostics>,
    /// Makes the verdicts that an old recording lacks.
    completion: Completion,
    /// Records that come before the rest of the recording.
    ahead: VecDeque<RecordedRecord>,
    ended: bool,
}

/// A record of a recording.
pub(super) struct RecordedRecord {
    /// The line as it was written; `None` of what it lacks.
    pub(super) text: Option<String>,
    /// The record; `None` when this version does not know such records.
    pub(super) record: Option<Record>,
}

impl Opened {
    /// Opens a part of a recording. What of it cannot be read is told to `diagnostics` as it is met, or only kept for
    /// [`Self::remarks`].
    pub(super) fn open(
        file: &Path,
        part: &PartArgs,
        diagnostics: Option<Diagnostics>,
    ) -> Result<Self, Failure> {
        let input = RecordingInput::open(file)?;
        Ok(Self {
            file_id: input.id(),
            progress: input.progress(file),
            player: Player::new(input, part.from, part.to),
            file: file.to_owned(),
            damages: Vec::new(),
            more_damages: 0,
            is_part: part.from.or(part.to).is_some(),
            diagnostics,
            completion: Completion::default(),
            ahead: VecDeque::new(),
            ended: false,
        })
    }

    /// Whether only a part of the recording was asked for.
    pub(super) fn is_part(&self) -> bool {
        self.is_part
    }

    /// Which file it is.
    pub(super) const fn file_id(&self) -> Option<FileId> {
        self.file_id
    }

    /// Shows on a terminal how much was read, until the end.
    pub(super) fn show_progress(&mut self, diagnostics: &Diagnostics) {
        if let Some(progress) = &mut self.progress {
            progress.show_on(diagnostics);
        }
    }

    /// The next record, with the verdicts that the recording lacks; what cannot be read is left out.
    pub(super) fn next_entry(&mut self) -> Result<Option<RecordedRecord>, Failure> {
        if self.ahead.is_empty() && !self.ended {
            let line = self.next_line()?;
            self.ended = line.is_none();
            match &mut self.progress {
                Some(progress) if !self.ended => progress.update(),
                _ => self.progress = None,
            }
            let record = line.as_ref().and_then(|line| line.record.as_ref());
            // What this version does not know changes no verdict.
            let made = match (&line, record) {
                (Some(_), None) => Vec::new(),
                (_, next) => self.completion.before(next),
            };
            self.ahead
                .extend(made.into_iter().map(|record| RecordedRecord {
                    text: None,
                    record: Some(record),
                }));
            self.ahead.extend(line.map(|line| RecordedRecord {
                text: Some(line.text),
                record: line.record,
            }));
        }
        Ok(self.ahead.pop_front())
    }

    fn next_line(&mut self) -> Result<Option<RecordedLine>, Failure> {
        loop {
            match self.player.next_item() {
                Ok(Some(PlayerItem::Line(entry))) => return Ok(Some(*entry)),
                Ok(Some(PlayerItem::Damage(damage))) => {
                    if let Some(diagnostics) = &self.diagnostics {
                        diagnostics.notify(format_args!("{}: {damage}", PlainPath(&self.file)));
                    }
                    if self.damages.len() < DAMAGES {
                        self.damages.push(damage.to_string());
                    } else {
                        self.more_damages += 1;
                    }
                }
                Ok(None) => return Ok(None),
                Err(source) => {
                    return Err(RecordingError::Read {
                        path: self.file.clone(),
                        source,
                    }
                    .into());
                }
            }
        }
    }

    /// What a user should know of the recording, once it was gone through: what could not be read, how it ends unless as it
    /// should, and what this version does not know.
    pub(super) fn remarks(&self) -> Vec<String> {
        let more = match self.more_damages {
            0 => None,
            n => Some(format!("{n} more parts cannot be read")),
        };
        let damages = self.damages.iter().cloned();
        damages.chain(more).chain(self.ending()).collect()
    }

    fn ending(&self) -> Vec<String> {
        let last = self
            .player
            .latest()
            .map_or_else(|| "nothing".to_owned(), |time| format!("{time:.6}"));
        let mut remarks = Vec::new();
        match self.player.ending() {
            Ending::Complete => {}
            Ending::Open => remarks.push(format!(
                "ends at {last}, without a summary: its recorder was stopped short, or is still recording"
            )),
            Ending::Damaged => remarks.push(format!("what can be read ends at {last}")),
        }
        match self.player.unknown() {
            0 => {}
            n => remarks.push(format!(
                "{n} records are of kinds this version does not know; replay --format json has them"
            )),
        }
        remarks
    }

    /// Tells how it ends, unless as it should.
    pub(super) fn tell_ending(&self, diagnostics: &Diagnostics) {
        for remark in self.ending() {
            diagnostics.notify(format_args!("{}: {remark}", PlainPath(&self.file)));
        }
    }
}

/// Shows a part of a recording, until its end or until a signal comes.
pub(super) fn run(args: &ReplayArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    if args.step && args.file == Path::new(STDIN) {
        return Err(Failure::StepOfStdin);
    }
    // Before signals are received: a file that does not open is given up by any of them.
    let mut opened = Opened::open(&args.file, &args.part, Some(diagnostics.clone()))?;
    // Elsewhere it would be among what is shown, or among the questions.
    if !args.step && !stdout().is_terminal() {
        opened.show_progress(diagnostics);
    }
    until_signalled(
        SystemClock,
        diagnostics,
        || {},
        async |shutdown| {
            shutdown.waits_for("the recording to be read, or what is shown of it");
            show(args, opened, diagnostics, shutdown).await
        },
    )?
}

async fn show(
    args: &ReplayArgs,
    mut opened: Opened,
    diagnostics: &Diagnostics,
    mut shutdown: Shutdown,
) -> Result<(), Failure> {
    let clock = SystemClock;
    let outlet = Outlet::stdout()?;
    let mut out = ReplaySink::new(args, outlet.clone());
    let mut pace = Pace::new(args.speed);
    let mut stepper = args.step.then(|| Stepper::new(diagnostics.clone()));
    let start = clock.now().monotonic;
    let mut interval: Option<Timestamp> = None;
    while let Some(entry) = opened.next_entry()? {
        if let Some(Record::Sample(sample)) = &entry.record
            && interval != Some(sample.time.0)
        {
            // What belongs together is shown together.
            let first = interval.replace(sample.time.0).is_none();
            let due = start + pace.due(sample.time.0);
            let wait = due.saturating_sub(clock.now().monotonic);
            out.flush().map_err(Failure::Output)?;
            let shown = async {
                outlet.drained().await?;
                if wait > Duration::ZERO {
                    sleep(wait).await;
                }
                Ok(())
            };
            tokio::select! {
                () = shutdown.requested() => break,
                shown = shown => shown.map_err(Failure::Output)?,
            }
            if let Some(stepper) = stepper.as_mut().filter(|_| !first)
                && !stepper.wants_next().map_err(Failure::Output)?
            {
                return Ok(());
            }
        }
        out.write(&entry).map_err(Failure::Output)?;
    }
    out.flush().map_err(Failure::Output)?;
    written(&outlet, &mut shutdown)
        .await
        .map_err(Failure::Output)?;
    if !shutdown.is_requested() {
        opened.tell_ending(diagnostics);
    }
    Ok(())
}

/// Where lines are shown.
enum ReplaySink {
    /// As they were written.
    Lines(Outlet),
    /// In another form.
    Sink(Box<dyn Sink>),
}

impl ReplaySink {
    fn new(args: &ReplayArgs, out: Outlet) -> Self {
        let args = args.shown();
        match args.format {
            Format::Json => Self::Lines(out),
            Format::Text | Format::Csv => Self::Sink(stream::sink(&args, out)),
        }
    }

    fn write(&mut self, entry: &RecordedRecord) -> io::Result<()> {
        match self {
            Self::Lines(out) => match &entry.text {
                Some(text) => writeln!(out, "{text}"),
                None => Ok(()),
            },
            Self::Sink(sink) => entry
                .record
                .as_ref()
                .map_or(Ok(()), |record| sink.write(record)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Lines(out) => out.flush(),
            Self::Sink(sink) => sink.flush(),
        }
    }
}

/// Asks stdin before each interval.
struct Stepper {
    /// Intervals that may go by without asking.
    granted: u64,
    diagnostics: Diagnostics,
}

/// The longest line that is read as an answer.
const ANSWER: u64 = 64;

impl Stepper {
    fn new(diagnostics: Diagnostics) -> Self {
        Self {
            granted: 0,
            diagnostics,
        }
    }

    /// Waits for Enter; false when it is over.
    fn wants_next(&mut self) -> io::Result<bool> {
        while self.granted == 0 {
            let mut line = String::new();
            if io::stdin().lock().take(ANSWER).read_line(&mut line)? == 0 {
                return Ok(false);
            }
            match line.trim() {
                "" => self.granted = 1,
                "q" => return Ok(false),
                number => match number.parse() {
                    Ok(intervals) => self.granted = intervals,
                    Err(_) => self
                        .diagnostics
                        .notify("Enter, a number and Enter, or q and Enter"),
                },
            }
        }
        self.granted -= 1;
        Ok(true)
    }
}
