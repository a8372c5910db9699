//! `ctpulse live`: ties what is reported, the keyboard and the screen together.

use std::{future::Future, io, pin::pin, time::Duration};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent};
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use crate::{
    cli::{Format, LiveArgs, StreamArgs},
    clock::Clock,
    commands::{
        stream::{self, after},
        terminal::{Screen, Whom, is_interactive, keyboard},
    },
    engine::{notices::Voice, session::Session},
    model::{overhead::Meter, record::Record},
    output::{
        Sink,
        live::{App, Input, Theme, ViewRequest},
    },
    probes::diagnostics,
    source::{instance::Extent, own_usage},
};

/// Leaders that are asked for by each measure, unless the user says how many.
const LEADERS: u16 = 10;

/// Where a live view gets what it shows from.
pub trait Feed {
    /// When there will be something to read; `None`: not again until a key is pressed.
    fn due(&self) -> Option<Instant>;

    /// What there is since last time.
    ///
    /// # Errors
    ///
    /// When it cannot be had any more; that ends the view.
    fn read(&mut self) -> io::Result<Vec<Input>>;

    /// A key, before the view gets it. Whether it was for the feed: a recording can be sought in.
    fn key(&mut self, _key: KeyEvent) -> bool {
        false
    }
}

/// A running kernel.
struct Kernel<'a, C> {
    session: Session<C>,
    also: &'a mut dyn Sink,
    voice: Voice,
    clock: C,
    meter: Meter,
    interval: Duration,
    next: Instant,
    panic_on_key: Option<KeyCode>,
}

impl<C: Clock> Feed for Kernel<'_, C> {
    fn due(&self) -> Option<Instant> {
        Some(self.next)
    }

    fn read(&mut self) -> io::Result<Vec<Input>> {
        let records = self.session.tick(Extent::Settled)?;
        write(self.also, &records)?;
        let mut inputs: Vec<Input> = records.into_iter().map(Input::Record).collect();
        inputs.extend(self.said());
        let now = self.clock.now().monotonic;
        if self.meter.is_due(now) {
            let overhead = self.meter.observe(own_usage::read(now));
            inputs.extend(overhead.map(Input::Overhead));
        }
        self.next = after(self.next, self.interval, Instant::now());
        Ok(inputs)
    }

    fn key(&mut self, key: KeyEvent) -> bool {
        assert!(
            self.panic_on_key != Some(key.code),
            "{:?} was pressed, as --panic-on-key asks",
            key.code
        );
        false
    }
}

impl<C> Kernel<'_, C> {
    /// What else was said.
    fn said(&self) -> impl Iterator<Item = Input> {
        let said = self.voice.take().into_iter().chain(diagnostics::take());
        said.map(|line| Input::Diagnostic(line.into()))
    }
}

/// Shows the kernel live until the user, `shutdown` or the duration ends it, then writes the summary.
/// `also` gets all that is shown.
///
/// # Errors
///
/// When there is no terminal, or what is to be watched cannot be had.
pub async fn run(
    args: &LiveArgs,
    clock: impl Clock + Copy,
    also: &mut dyn Sink,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    if !is_interactive() {
        return Err(io::Error::other(
            "the live view needs a terminal; `ctpulse stream` does without",
        ));
    }
    let stream = stream_args(args);
    let voice = Voice::kept();
    let mut session = Session::start_with(&stream, clock, voice.clone())?;
    let mut app = App::new(theme(args));
    let greeting: Vec<Record> = session.greeting().into_iter().collect();
    write(also, &greeting)?;
    app.update_all(greeting.into_iter().map(Input::Record));
    let started = Instant::now();
    let mut kernel = Kernel {
        session,
        also,
        voice,
        clock,
        meter: Meter::default(),
        interval: stream.interval,
        next: started,
        panic_on_key: args.panic_on_key.map(KeyCode::Char),
    };
    let deadline = stream.duration.map(|duration| started + duration);
    let shutdown = async {
        match deadline {
            Some(deadline) => tokio::select! {
                () = shutdown => (),
                () = sleep_until(deadline) => (),
            },
            None => shutdown.await,
        }
    };
    diagnostics::keep(true);
    let shown = show(&mut app, &mut kernel, shutdown).await;
    for line in kernel.voice.take().into_iter().chain(diagnostics::take()) {
        eprintln!("ctpulse: {line}");
    }
    diagnostics::keep(false);
    shown?;
    let mut last = kernel.session.tick(Extent::All)?;
    last.extend(kernel.session.finish());
    last.push(kernel.session.summary());
    write(kernel.also, &last)?;
    summarise(&stream, &last)
}

fn write(sink: &mut dyn Sink, records: &[Record]) -> io::Result<()> {
    for record in records {
        sink.write(record)?;
    }
    sink.flush()
}

/// Everything that the view has a place for.
fn stream_args(args: &LiveArgs) -> StreamArgs {
    let mut stream = StreamArgs {
        buckets: true,
        format: Format::Text,
        ..args.stream.clone()
    };
    // Files have no flows to look at.
    if stream.top.top.is_none() && !args.no_top && stream.proc_root.is_none() {
        stream.top.top = Some(LEADERS);
    }
    stream
}

/// What the terminal can show.
fn theme(args: &LiveArgs) -> Theme {
    Theme::detect(args.ascii, &|name| std::env::var(name).ok())
}

/// What is left on the terminal.
fn summarise(stream: &StreamArgs, last: &[Record]) -> io::Result<()> {
    let mut text = stream::sink(stream);
    for record in last {
        if matches!(record, Record::Top(_) | Record::Summary(_)) {
            text.write(record)?;
        }
    }
    text.flush()
}

/// Runs a view until the user or `shutdown` ends it.
///
/// # Errors
///
/// When the terminal or the feed fails.
pub async fn show(
    app: &mut App,
    feed: &mut impl Feed,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let mut shutdown = pin!(shutdown);
    // SAFETY: an `OwnedFd` stands for one descriptor, which it keeps open as long as it lives.
    let keyboard = unsafe { AsyncFd::register_with_interest(keyboard()?, Interest::READABLE)? };
    let mut resized = signal(SignalKind::window_change())?;
    let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP))?;
    let mut continued = signal(SignalKind::from_raw(libc::SIGCONT))?;
    let mut screen = Screen::enter()?;
    let mut frame = Instant::now();
    let mut dirty = true;
    loop {
        dirty |= app.take_dirty();
        if dirty && frame <= Instant::now() {
            screen.draw(app)?;
            dirty = false;
            frame = Instant::now() + app.frame();
        }
        let due = feed.due();
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            ready = keyboard.readable() => {
                ready?.clear_ready();
                pressed(app, feed)?;
                // A key is answered at once.
                frame = Instant::now();
            }
            _ = resized.recv() => {
                app.update(Input::Resized);
                frame = Instant::now();
            }
            _ = stop.recv() => screen.suspend(Whom::This)?,
            _ = continued.recv() => {
                screen.again()?;
                app.update(Input::Resized);
                frame = Instant::now();
            }
            () = sleep_until(due.unwrap_or(frame)), if due.is_some() => {
                app.update_all(feed.read()?);
            }
            () = sleep_until(frame), if dirty => {}
        }
        match app.take_request() {
            Some(ViewRequest::Quit) => return Ok(()),
            Some(ViewRequest::Suspend) => {
                screen.suspend(Whom::Group)?;
                app.update(Input::Resized);
            }
            Some(ViewRequest::Redraw) => screen.again()?,
            None => {}
        }
    }
}

/// Takes in all keys that were pressed.
fn pressed(app: &mut App, feed: &mut impl Feed) -> io::Result<()> {
    while event::poll(Duration::ZERO)? {
        match event::read()? {
            Event::Key(key) if !app.is_typing() && feed.key(key) => app.update(Input::Resized),
            Event::Key(key) => app.update(Input::Key(key)),
            _ => app.update(Input::Resized),
        }
    }
    Ok(())
}
