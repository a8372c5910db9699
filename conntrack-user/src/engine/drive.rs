//! The event loop: ticks when they are due, until the run is over or a signal ends it.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::time::sleep;

use crate::{
    clock::Clock,
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        event_loop, hook,
        outlet::Outlet,
        run::Run,
        signals::{LastResort, Shutdown},
    },
    model::record::Record,
};

/// How long the end waits for what was written to be read.
const LAST_WRITE: Duration = Duration::from_millis(400);

/// How long the kernel may take to let go of the probes: it waits for an RCU grace period for each, and nobody else is waited
/// for by then.
const DETACH: Duration = Duration::from_secs(60);

/// Why a run ended before its end.
#[derive(Debug, Error)]
pub enum DriveError {
    /// It could not go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What it reports could not be written; [`io::ErrorKind::BrokenPipe`] when nobody reads any more.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Runs something with an event loop that signals end: the first one through the [`Shutdown`] it is given, and whatever it
/// waits for, soon after.
///
/// # Errors
///
/// When there is no event loop, or no way to receive signals.
pub fn until_signalled<T>(
    clock: impl Clock + Send + 'static,
    diagnostics: &Diagnostics,
    last_resort: LastResort,
    work: impl AsyncFnOnce(Shutdown) -> T,
) -> Result<T, EngineError> {
    let runtime = event_loop::start()?;
    let shutdown = Shutdown::on_signals(clock, diagnostics.clone(), last_resort)?;
    Ok(runtime.block_on(work(shutdown)))
}

/// Ticks until the run is over or its end is asked for, then ends it. Everything that is reported goes to `deliver`, what
/// starts the run (`start`) first; `outlet` is waited for between ticks, so that a slow reader slows the run down and nothing
/// piles up.
///
/// # Errors
///
/// What keeps the run from going on, or from being reported.
pub async fn to_end<C: Clock + Clone + Send + 'static>(
    mut run: Run<C>,
    start: Vec<Record>,
    outlet: Option<&Outlet>,
    mut shutdown: Shutdown,
    mut deliver: impl FnMut(Vec<Record>) -> io::Result<()>,
) -> Result<(), DriveError> {
    deliver(start)?;
    while let Some(wait) = run.wait() {
        let drained = async {
            match outlet {
                Some(outlet) => outlet.drained().await,
                None => Ok(()),
            }
        };
        tokio::select! {
            () = shutdown.requested() => break,
            read = async { drained.await?; sleep(wait).await; Ok::<_, io::Error>(()) } => read?,
        }
        if run.is_due() {
            deliver(tick(&mut run, &shutdown)?)?;
        }
    }
    deliver(finish(&mut run, &shutdown)?)?;
    if let Some(outlet) = outlet {
        written(outlet, &mut shutdown).await?;
    }
    drop_run(run, &shutdown);
    Ok(())
}

/// Waits until all is written; when the end is asked for, only a moment longer.
///
/// # Errors
///
/// As [`Outlet::drained_within`].
pub async fn written(outlet: &Outlet, shutdown: &mut Shutdown) -> io::Result<()> {
    tokio::select! {
        () = shutdown.requested() => outlet.drained_within(LAST_WRITE).await,
        drained = outlet.drained() => drained,
    }
}

/// Takes a reading, and gives what is to be reported.
///
/// # Errors
///
/// When the run cannot go on.
pub fn tick<C: Clock + Clone + Send + 'static>(
    run: &mut Run<C>,
    shutdown: &Shutdown,
) -> Result<Vec<Record>, EngineError> {
    let clock = run.clock().clone();
    let longest = run.longest_tick();
    shutdown.during(&clock, longest, || run.tick())
}

/// Ends a run: what is to be reported of its last interval and of the whole of it.
///
/// # Errors
///
/// When the last reading cannot be taken.
pub fn finish<C: Clock + Clone + Send + 'static>(
    run: &mut Run<C>,
    shutdown: &Shutdown,
) -> Result<Vec<Record>, EngineError> {
    // It waits for calls in flight and for a listing.
    let clock = run.clock().clone();
    let longest = run.longest_end();
    shutdown.during(&clock, longest, || run.finish())
}

/// Lets go of everything: commands that were started for alerts end, and the kernel detaches the probes.
pub fn drop_run<C: Clock + Clone + Send + 'static>(run: Run<C>, shutdown: &Shutdown) {
    let clock = run.clock().clone();
    let commands = match run.has_hook() {
        true => hook::LAST_WAIT,
        false => Duration::ZERO,
    };
    shutdown.during(&clock, DETACH + commands, || drop(run));
}
