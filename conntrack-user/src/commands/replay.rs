//! `ctpulse replay`: a recording, shown as the stream it was.

use std::{
    fs::File,
    future::Future,
    io::{self, BufRead, Read, Write},
    path::Path,
    pin::pin,
};

use jiff::Timestamp;
use tokio::time::{Instant, sleep_until};

use crate::{
    cli::{
        Format,
        recordings::{PartArgs, ReplayArgs},
    },
    commands::stream,
    model::record::Record,
    output::Sink,
    recording::{
        pace::Pace,
        player::{Player, PlayerItem, RecordedLine},
        reader::{Ending, ReadError},
    },
};

/// The file that stands for stdin.
const STDIN: &str = "-";

/// A recording that was opened, and how to call it.
pub struct Opened {
    /// Goes through the wanted part.
    pub player: Player<Box<dyn Read>>,
    name: String,
    damages: Vec<String>,
    /// Whether damages are told on stderr as they are met.
    tells: bool,
}

impl Opened {
    /// Opens the wanted part of a recording.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, with its name.
    pub fn open(file: &Path, part: &PartArgs) -> io::Result<Self> {
        let name = file.display().to_string();
        let input: Box<dyn Read> = if file == Path::new(STDIN) {
            Box::new(io::stdin().lock())
        } else {
            Box::new(File::open(file).map_err(|e| io::Error::other(format!("{name}: {e}")))?)
        };
        Ok(Self {
            player: Player::new(input, part.from, part.to),
            name,
            damages: Vec::new(),
            tells: true,
        })
    }

    /// The next line. What cannot be read is told on stderr, and left out.
    ///
    /// # Errors
    ///
    /// When there is no telling what comes next, with the file's name.
    pub fn next_entry(&mut self) -> io::Result<Option<RecordedLine>> {
        loop {
            match self.player.next_item() {
                Ok(Some(PlayerItem::Line(entry))) => return Ok(Some(*entry)),
                Ok(Some(PlayerItem::Damage(damage))) => {
                    if self.tells {
                        eprintln!("ctpulse: {}: {damage}", self.name);
                    }
                    self.damages.push(damage.to_string());
                }
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.error(&error)),
            }
        }
    }

    fn error(&self, error: &ReadError) -> io::Error {
        io::Error::other(format!("{}: {error}", self.name))
    }

    /// Keeps damages for [`Opened::remarks`]: stderr's terminal shows something else.
    #[must_use]
    pub fn silent(self) -> Self {
        Self {
            tells: false,
            ..self
        }
    }

    /// What is to be known of the recording, once it was gone through: what could not be read, how it ends
    /// unless as it should, and what is not understood.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        self.damages.iter().cloned().chain(self.ending()).collect()
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
                "ends at {last}, without a summary: its recorder was stopped short, or is still at it"
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

    /// Tells on stderr how it ends, unless as it should.
    pub fn tell_ending(&self) {
        for remark in self.ending() {
            eprintln!("ctpulse: {}: {remark}", self.name);
        }
    }
}

/// Shows the wanted part, until its end or until `shutdown` completes.
///
/// # Errors
///
/// When the recording cannot be read, or the output not be written.
pub async fn run(args: &ReplayArgs, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    if args.step && args.file == Path::new(STDIN) {
        return Err(io::Error::other(
            "--step asks stdin, which the recording comes from; name a file",
        ));
    }
    let mut opened = Opened::open(&args.file, &args.part)?;
    let mut out = Shown::new(args);
    let mut pace = Pace::new(args.speed);
    let mut stepper = args.step.then(Stepper::default);
    let begin = Instant::now();
    let mut interval: Option<Timestamp> = None;
    while let Some(entry) = opened.next_entry()? {
        if let Some(Record::Sample(sample)) = &entry.record
            && interval != Some(sample.time.0)
        {
            // What belongs together is shown together.
            let first = interval.replace(sample.time.0).is_none();
            let due = begin + pace.due(sample.time.0);
            if due > Instant::now() {
                out.flush()?;
                tokio::select! {
                    () = &mut shutdown => return out.flush(),
                    () = sleep_until(due) => {}
                }
            }
            if let Some(stepper) = stepper.as_mut().filter(|_| !first) {
                out.flush()?;
                if !stepper.go_on()? {
                    return Ok(());
                }
            }
        }
        out.write(&entry)?;
    }
    out.flush()?;
    opened.tell_ending();
    Ok(())
}

/// Where lines are shown.
enum Shown {
    /// As they were written.
    Lines(io::BufWriter<io::Stdout>),
    /// As another form has them.
    Sink(Box<dyn Sink>),
}

impl Shown {
    fn new(args: &ReplayArgs) -> Self {
        let args = args.shown();
        match args.format {
            Format::Json => Self::Lines(io::BufWriter::new(io::stdout())),
            Format::Text | Format::Csv => Self::Sink(stream::sink(&args)),
        }
    }

    fn write(&mut self, entry: &RecordedLine) -> io::Result<()> {
        match self {
            Self::Lines(out) => writeln!(out, "{}", entry.text),
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
#[derive(Default)]
struct Stepper {
    /// Intervals that may go by without asking.
    granted: u64,
}

impl Stepper {
    /// Waits for Enter; false when it is over.
    fn go_on(&mut self) -> io::Result<bool> {
        while self.granted == 0 {
            let mut line = String::new();
            if io::stdin().lock().read_line(&mut line)? == 0 {
                return Ok(false);
            }
            match line.trim() {
                "" => self.granted = 1,
                "q" => return Ok(false),
                number => match number.parse() {
                    Ok(intervals) => self.granted = intervals,
                    Err(_) => eprintln!("ctpulse: Enter, a number and Enter, or q and Enter"),
                },
            }
        }
        self.granted -= 1;
        Ok(true)
    }
}
