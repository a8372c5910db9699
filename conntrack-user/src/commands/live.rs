//! `ctpulse live`: connects a feed, the keyboard and the screen.

use std::{io, time::Duration};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent};
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::{
    cli::LiveArgs,
    clock::{Clock, SystemClock},
    commands::{
        Failure, configuration,
        keeper::Keeper,
        look::Look,
        screen::{Screen, StopTarget, is_interactive, keyboard, restore},
        stream,
    },
    engine::{
        diagnostics::Diagnostics,
        drive::{self, drop_run, finish, until_signalled},
        outlet::Outlet,
        run::Run,
        signals::Shutdown,
    },
    keyboard::actions::Action,
    model::{overhead::Overhead, record::Record},
    output::{
        Sink,
        live::{App, Input, ViewRequest},
    },
    text::Text,
};

/// The source of a live view: a run, or a recording.
pub(super) trait Feed {
    /// Waits until there is something to read; for ever, if there is nothing before a key is pressed.
    async fn ready(&mut self);

    /// Whether there is nothing more to read, so that the view ends.
    fn is_over(&self) -> bool {
        false
    }

    /// The new input since the last call. An error ends the view.
    fn read(&mut self) -> Result<Vec<Input>, Failure>;

    /// Sees a key before the view does.
    fn key(&mut self, _key: KeyEvent) {}

    /// Plays a recording otherwise.
    fn play(&mut self, _how: Action) {}

    /// How a recording is played.
    fn playback(&self) -> Option<Text> {
        None
    }
}

/// A running kernel.
struct Kernel {
    run: Run<SystemClock>,
    /// The records of the start, until they were read.
    start: Vec<Record>,
    shutdown: Shutdown,
    diagnostics: Diagnostics,
    overhead: Option<Overhead>,
    panic_on_key: Option<KeyCode>,
}

impl Feed for Kernel {
    async fn ready(&mut self) {
        if self.start.is_empty() {
            sleep_for(self.run.wait()).await;
        }
    }

    fn is_over(&self) -> bool {
        self.run.wait().is_none()
    }

    fn read(&mut self) -> Result<Vec<Input>, Failure> {
        let mut records = std::mem::take(&mut self.start);
        if self.run.is_due() {
            records.extend(drive::tick(&mut self.run, &self.shutdown)?);
        }
        let mut inputs: Vec<Input> = records.into_iter().map(Input::Record).collect();
        let diagnostics = self.diagnostics.take().into_iter();
        inputs.extend(diagnostics.map(|line| Input::Diagnostic(line.into())));
        let overhead = self.run.overhead();
        if overhead != self.overhead {
            self.overhead = overhead;
            inputs.extend(overhead.map(Input::Overhead));
        }
        Ok(inputs)
    }

    fn key(&mut self, key: KeyEvent) {
        assert!(
            self.panic_on_key != Some(key.code),
            "{:?} was pressed, as --panic-on-key asks",
            key.code
        );
    }
}

/// Sleeps; without a time, for ever.
pub(super) async fn sleep_for(time: Option<Duration>) {
    match time {
        Some(time) => sleep(time).await,
        None => std::future::pending().await,
    }
}

/// Shows the kernel live until the user quits, a signal comes or the duration is over, then writes the summary.
pub(super) fn run(args: &LiveArgs, diagnostics: &Diagnostics) -> Result<(), Failure> {
    let config = configuration(args.stream.alerts.config.as_deref())?;
    if !is_interactive() {
        return Err(Failure::NoTerminal {
            without: "`ctpulse stream` does without",
        });
    }
    until_signalled(SystemClock, diagnostics, restore, async |shutdown| {
        let look = Look {
            ascii: args.ascii,
            theme: args.theme,
            mouse: args.mouse,
        };
        let mut app = look.app(&config.live);
        let mouse = look.mouse(&config.live);
        let settings = args.settings(config);
        let (run, start) = Run::start(settings, SystemClock, diagnostics.clone())?;
        let mut kernel = Kernel {
            run,
            start,
            shutdown: shutdown.clone(),
            diagnostics: diagnostics.clone(),
            overhead: None,
            panic_on_key: args.panic_on_key.map(KeyCode::Char),
        };
        let outlet = Outlet::stdout()?;
        diagnostics.keep();
        let shown = show(
            &mut app,
            &mut kernel,
            Screen::enter(outlet.clone(), mouse).map_err(Failure::Output)?,
            shutdown.clone(),
            diagnostics,
        )
        .await;
        diagnostics.release();
        shown?;
        let last = finish(&mut kernel.run, &shutdown)?;
        let mut text = stream::sink(&args.shown(), outlet.clone());
        summarise(&last, &mut *text).map_err(Failure::Output)?;
        outlet
            .drained_within(LAST_WRITE)
            .await
            .map_err(Failure::Output)?;
        let failure = kernel.run.take_failure();
        drop_run(kernel.run, &shutdown);
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    })?
}

/// The timeout of the summary.
pub(super) const LAST_WRITE: Duration = Duration::from_secs(5);

/// Writes the summary and the top talkers of the run, which stay on the terminal after the view has ended.
pub(super) fn summarise(last: &[Record], text: &mut dyn Sink) -> io::Result<()> {
    for record in last {
        match record {
            Record::Summary(_) => text.write(record)?,
            // Tables of the whole run only: those of the last window are one of many.
            Record::Top(top) if top.closing => text.write(record)?,
            _ => {}
        }
    }
    text.flush()
}

/// Runs a view until the user quits, a signal comes or its feed ends.
pub(super) async fn show(
    app: &mut App,
    feed: &mut impl Feed,
    mut screen: Screen,
    mut shutdown: Shutdown,
    diagnostics: &Diagnostics,
) -> Result<(), Failure> {
    let mut keeper = Keeper::new();
    let shown = watch(app, feed, &mut screen, &mut keeper, &mut shutdown).await;
    screen.leave().await;
    keeper.finish(&mut shutdown, diagnostics).await;
    shown
}

async fn watch(
    app: &mut App,
    feed: &mut impl Feed,
    screen: &mut Screen,
    keeper: &mut Keeper,
    shutdown: &mut Shutdown,
) -> Result<(), Failure> {
    let clock = SystemClock;
    let now = || clock.now().monotonic;
    let on_terminal = |error: io::Error| Failure::Output(error);
    // SAFETY: an `OwnedFd` owns one open descriptor, and keeps it open as long as it lives.
    let keyboard = unsafe {
        AsyncFd::register_with_interest(keyboard().map_err(on_terminal)?, Interest::READABLE)
            .map_err(|error| on_terminal(error.into_parts().1))?
    };
    let mut resized = signal(SignalKind::window_change()).map_err(on_terminal)?;
    let mut stop = signal(SignalKind::from_raw(libc::SIGTSTP)).map_err(on_terminal)?;
    let mut continued = signal(SignalKind::from_raw(libc::SIGCONT)).map_err(on_terminal)?;
    let mut frame = now();
    let mut dirty = true;
    while !feed.is_over() {
        app.update_all(feed.playback().map(Input::Playback));
        dirty |= app.take_dirty();
        if dirty && frame <= now() {
            dirty = !screen.draw(app).map_err(on_terminal)?;
            frame = now() + app.frame();
        }
        tokio::select! {
            () = shutdown.requested() => return Ok(()),
            ready = keyboard.readable() => {
                ready.map_err(on_terminal)?.clear_ready();
                pressed(app, feed, screen).map_err(on_terminal)?;
                // Redraw at once after a key.
                frame = now();
            }
            _ = resized.recv() => {
                app.update(Input::Resized);
                frame = now();
            }
            _ = stop.recv() => screen.suspend(StopTarget::Process).await.map_err(on_terminal)?,
            _ = continued.recv() => {
                screen.reacquire().map_err(on_terminal)?;
                app.update(Input::Resized);
                frame = now();
            }
            () = feed.ready() => {
                let inputs = feed.read()?;
                keeper.keep(&inputs);
                app.update_all(inputs);
            }
            outcome = keeper.outcome() => app.update(Input::Told(outcome.into())),
            () = sleep(frame.saturating_sub(now())), if dirty => {}
        }
        while let Some(request) = app.take_request() {
            match request {
                ViewRequest::Quit => return Ok(()),
                ViewRequest::Suspend => {
                    screen
                        .suspend(StopTarget::Group)
                        .await
                        .map_err(on_terminal)?;
                    app.update(Input::Resized);
                }
                ViewRequest::Redraw => screen.reacquire().map_err(on_terminal)?,
                ViewRequest::Play(how) => feed.play(how),
                ViewRequest::Copy(text) => screen.copy(&text).map_err(on_terminal)?,
                ViewRequest::Write => app.update(Input::Hint(keeper.write().into())),
            }
        }
    }
    Ok(())
}

/// Handles all pending keys.
fn pressed(app: &mut App, feed: &mut impl Feed, screen: &Screen) -> io::Result<()> {
    while event::poll(Duration::ZERO)? {
        match event::read()? {
            Event::Key(key) => {
                feed.key(key);
                app.update(Input::Key(key));
            }
            Event::Mouse(event) => app.update(Input::Mouse(event, screen.area()?)),
            _ => app.update(Input::Resized),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        model::record::{Summary, Time, Top, TopRow, TopTable},
        output::{
            terminal::Size,
            text::{TextSink, View},
        },
    };

    fn top(closing: bool, leader: &'static str) -> Record {
        let row = TopRow {
            key: leader.into(),
            count: 31_020,
            share: 64.3,
            ..TopRow::default()
        };
        Record::Top(Top {
            time: Time(Timestamp::UNIX_EPOCH),
            instance: "self".into(),
            window_s: 5.0,
            closing,
            tables: vec![TopTable {
                by: "new".into(),
                of: "src".into(),
                total: 48_213,
                error: 0,
                certain: true,
                sampled: false,
                rows: vec![row],
            }],
            remark: None,
        })
    }

    #[test]
    fn the_top_tables_of_the_run_stay_on_the_terminal() -> Result<(), Box<dyn Error>> {
        let mut out = Vec::new();
        let terminal = Some(Size {
            columns: 100,
            rows: 30,
        });
        let summary = Record::Summary(Box::new(Summary {
            duration_s: 5.0,
            events: None,
            instances: Vec::new(),
            instances_left_out: 0,
        }));
        let last = [top(false, "10.0.0.8"), top(true, "10.0.0.7"), summary];
        let mut text = TextSink::new(&mut out, terminal, View::default());
        summarise(&last, &mut text)?;
        drop(text);
        let out = String::from_utf8(out)?;
        assert!(out.contains("10.0.0.7"), "{out}");
        assert!(out.contains("31020") || out.contains("31,020"), "{out}");
        assert!(!out.contains("10.0.0.8"), "that of a window: {out}");
        Ok(())
    }
}
