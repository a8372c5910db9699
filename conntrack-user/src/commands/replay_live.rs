//! `ctpulse replay --live`: a recording in the live view.

use std::{future::Future, io};

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use tokio::time::Instant;

use crate::{
    cli::recordings::ReplayArgs,
    commands::{
        live::{Feed, show},
        replay::Opened,
        terminal::is_interactive,
    },
    model::record::Record,
    output::live::{App, Input, Theme},
    recording::player::{Entry, Pace, Speed},
};

/// Records read at once, at most: keys are answered in between.
const AT_ONCE: usize = 500;

/// A recording that is played.
struct Playing {
    opened: Opened,
    speed: Speed,
    pace: Pace,
    /// When the pace began.
    begin: Instant,
    /// What comes next, and when it is due; `None` at the end.
    next: Option<(Entry, Instant)>,
    /// Whether it waits for a key.
    held: bool,
    /// Intervals to show although it waits.
    granted: usize,
    ended: bool,
}

impl Playing {
    fn new(opened: Opened, speed: Speed) -> Self {
        Self {
            opened,
            speed,
            pace: Pace::new(speed),
            begin: Instant::now(),
            next: None,
            held: false,
            granted: 0,
            ended: false,
        }
    }

    /// Reads what comes next.
    fn look(&mut self) -> io::Result<()> {
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

    /// Samples are waited for; what follows them belongs to them.
    fn due_of(&mut self, entry: &Entry) -> Instant {
        match &entry.record {
            Some(Record::Sample(sample)) => self.begin + self.pace.due(sample.time.0),
            _ => self.begin,
        }
    }

    /// Plays with another speed from here on.
    fn set_speed(&mut self, speed: Speed) {
        self.speed = speed;
        self.pace = Pace::new(speed);
        self.begin = Instant::now();
        if let Some((entry, _)) = self.next.take() {
            let due = self.due_of(&entry);
            self.next = Some((entry, due));
        }
    }

    fn times(&mut self, factor: f64) {
        if let Speed::Times(times) = self.speed {
            self.set_speed(Speed::Times((times * factor).clamp(1.0 / 64.0, 1024.0)));
        } else {
            self.set_speed(Speed::Times(1.0));
        }
    }
}

impl Feed for Playing {
    fn due(&self) -> Option<Instant> {
        if self.ended || (self.held && self.granted == 0) {
            return None;
        }
        Some(
            self.next
                .as_ref()
                .map_or_else(Instant::now, |(_, due)| *due),
        )
    }

    fn read(&mut self) -> io::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        while inputs.len() < AT_ONCE {
            self.look()?;
            let Some((entry, due)) = self.next.take() else {
                let remarks = self.opened.remarks();
                inputs.extend(remarks.into_iter().map(|r| Input::Diagnostic(r.into())));
                break;
            };
            let sample = matches!(entry.record, Some(Record::Sample(_)));
            if sample && self.held && self.granted == 0 || !self.held && due > Instant::now() {
                self.next = Some((entry, due));
                break;
            }
            if sample && self.held {
                self.granted -= 1;
            }
            inputs.extend(entry.record.map(Input::Record));
        }
        Ok(inputs)
    }

    fn key(&mut self, key: KeyEvent) -> bool {
        match key.code {
            KeyCode::Char('s') => {
                self.held = true;
                self.granted += 1;
            }
            KeyCode::Char('g') => {
                self.held = false;
                self.granted = 0;
                self.set_speed(self.speed);
            }
            KeyCode::Char('>') => self.times(2.0),
            KeyCode::Char('<') => self.times(0.5),
            _ => return false,
        }
        true
    }
}

/// Shows the wanted part until the user or `shutdown` ends it.
///
/// # Errors
///
/// When there is no terminal, or the recording cannot be read.
pub async fn run(args: &ReplayArgs, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    if !is_interactive() {
        return Err(io::Error::other(
            "the live view needs a terminal; without --live, replay does not",
        ));
    }
    let opened = Opened::open(&args.file, &args.part)?.silent();
    let theme = Theme::detect(args.ascii, &|name| std::env::var(name).ok());
    let mut playing = Playing::new(opened, args.speed);
    show(&mut App::new(theme), &mut playing, shutdown).await?;
    playing.opened.tell_ending();
    Ok(())
}
