//! `ctpulse replay --live`: a recording in the live view.

use std::time::Duration;

use crate::{
    cli::recordings::ReplayArgs,
    clock::{Clock, SystemClock},
    commands::{
        Failure, configuration,
        live::{Feed, show, sleep_for},
        look::Look,
        replay::{Opened, RecordedRecord},
        screen::{Screen, is_interactive, restore},
    },
    engine::{diagnostics::Diagnostics, drive::until_signalled, outlet::Outlet},
    keyboard::actions::Action,
    model::record::Record,
    output::live::Input,
    recording::pace::{Pace, Speed},
    text::Text,
};

/// The most records read at once, so that keys are handled in between.
const AT_ONCE: usize = 500;

/// The recording that is played.
struct Playing {
    opened: Opened,
    speed: Speed,
    pace: Pace,
    clock: SystemClock,
    /// When playback started at the current speed.
    start: Duration,
    /// The next record and when it is due; `None` at the end.
    next: Option<(RecordedRecord, Duration)>,
    /// Whether playback is paused.
    paused: bool,
    /// Intervals to show although playback is paused.
    steps: usize,
    ended: bool,
}

impl Playing {
    fn new(opened: Opened, speed: Speed) -> Self {
        Self {
            opened,
            speed,
            pace: Pace::new(speed),
            clock: SystemClock,
            start: SystemClock.now().monotonic,
            next: None,
            paused: false,
            steps: 0,
            ended: false,
        }
    }

    fn now(&self) -> Duration {
        self.clock.now().monotonic
    }

    /// Reads the next record.
    fn read_ahead(&mut self) -> Result<(), Failure> {
        if self.next.is_none() && !self.ended {
            self.next = match self.opened.next_entry()? {
                Some(entry) => {
                    let due = self.due_of(&entry);
                    Some((entry, due))
                }
                None => {
                    self.ended = true;
                    None
                }
            };
        }
        Ok(())
    }

    /// When a record is due: samples have a time of their own, the records after them are due with them.
    fn due_of(&mut self, entry: &RecordedRecord) -> Duration {
        match &entry.record {
            Some(Record::Sample(sample)) => self.start + self.pace.due(sample.time.0),
            _ => self.start,
        }
    }

    /// Plays at another speed from here on.
    fn set_speed(&mut self, speed: Speed) {
        self.speed = speed;
        self.pace = Pace::new(speed);
        self.start = self.now();
        if let Some((entry, _)) = self.next.take() {
            let due = self.due_of(&entry);
            self.next = Some((entry, due));
        }
    }

    fn multiply_speed(&mut self, factor: f64) {
        if let Speed::Times(times) = self.speed {
            self.set_speed(Speed::Times((times * factor).clamp(1.0 / 64.0, 1024.0)));
        } else {
            self.set_speed(Speed::Times(1.0));
        }
    }
}

impl Feed for Playing {
    async fn ready(&mut self) {
        let wait = (!self.ended && (!self.paused || self.steps > 0)).then(|| {
            let due = self.next.as_ref().map(|(_, due)| *due);
            due.map_or(Duration::ZERO, |due| due.saturating_sub(self.now()))
        });
        sleep_for(wait).await;
    }

    fn read(&mut self) -> Result<Vec<Input>, Failure> {
        let mut inputs = Vec::new();
        while inputs.len() < AT_ONCE {
            self.read_ahead()?;
            let Some((entry, due)) = self.next.take() else {
                let remarks = self.opened.remarks();
                inputs.extend(remarks.into_iter().map(|r| Input::Diagnostic(r.into())));
                break;
            };
            let sample = matches!(entry.record, Some(Record::Sample(_)));
            if sample && self.paused && self.steps == 0 || !self.paused && due > self.now() {
                self.next = Some((entry, due));
                break;
            }
            if sample && self.paused {
                self.steps -= 1;
            }
            inputs.extend(entry.record.map(Input::Record));
        }
        Ok(inputs)
    }

    fn play(&mut self, how: Action) {
        match how {
            Action::Step => {
                self.paused = true;
                self.steps += 1;
            }
            Action::Resume => {
                self.paused = false;
                self.steps = 0;
                self.set_speed(self.speed);
            }
            Action::Faster => self.multiply_speed(2.0),
            Action::Slower => self.multiply_speed(0.5),
            _ => {}
        }
    }

    fn playback(&self) -> Option<Text> {
        let speed = match self.speed {
            Speed::Max => "at once".to_owned(),
            Speed::Times(times) => format!("×{times}"),
        };
        Some(match (self.ended, self.paused) {
            (true, _) => "all read".into(),
            (false, true) => "waits".into(),
            (false, false) => speed.into(),
        })
    }
}

/// Shows a part of a recording until the user quits or a signal comes.
pub(super) fn run(args: &ReplayArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    if !is_interactive() {
        return Err(Failure::NoTerminal {
            without: "without --live, replay does not",
        });
    }
    let config = configuration(args.config.as_deref())?.live;
    let look = Look {
        ascii: args.ascii,
        theme: args.theme,
        mouse: args.mouse,
    };
    let opened = Opened::open(&args.file, &args.part, None)?;
    until_signalled(SystemClock, diagnostics, restore, async |shutdown| {
        let mut playing = Playing::new(opened, args.speed);
        let outlet = Outlet::stdout()?;
        let screen = Screen::enter(outlet, look.mouse(&config)).map_err(Failure::Output)?;
        show(
            &mut look.app(&config),
            &mut playing,
            screen,
            shutdown,
            diagnostics,
        )
        .await?;
        playing.opened.tell_ending(diagnostics);
        Ok(())
    })?
}
