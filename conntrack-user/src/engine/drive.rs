//! Drives a run: ticks when they are due, until the run is over or a signal ends it.

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

/// The timeout of the last write to a slow reader.
const LAST_WRITE: Duration = Duration::from_millis(400);

/// How long detaching the probes may take: the kernel waits for an RCU grace period for each.
const DETACH: Duration = Duration::from_secs(60);

/// Why a run failed.
#[derive(Debug, Error)]
pub enum DriveError {
    /// The run cannot continue.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The records cannot be written; [`io::ErrorKind::BrokenPipe`] when the reader has closed the pipe.
    #[error("{0}")]
    Write(#[from] io::Error),
}

/// Runs `work` in an event loop, with signals installed: the first one requests a shutdown through [`Shutdown`], and the process
/// exits at the deadline even if `work` is stuck.
///
/// # Errors
///
/// When the event loop cannot be created, or signals cannot be received.
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

/// Ticks until the run is over or a shutdown is requested, then ends the run. All records go to `deliver`, those of the start
/// (`start`) first. The outlet is drained between ticks: a slow reader delays the run, and memory does not grow.
///
/// # Errors
///
/// When the run cannot continue, or records cannot be delivered.
pub async fn to_end<C: Clock + Clone + Send + 'static>(
    mut run: Run<C>,
    start: Vec<Record>,
    outlet: Option<&Outlet>,
    mut shutdown: Shutdown,
    mut deliver: impl FnMut(Vec<Record>) -> io::Result<()>,
) -> Result<(), DriveError> {
    deliver(start)?;
    while let Some(wait) = run.wait() {
        let waited = async {
            match outlet {
                Some(outlet) => outlet.drained_after(wait).await,
                None => {
                    sleep(wait).await;
                    Ok(())
                }
            }
        };
        tokio::select! {
            () = shutdown.requested() => break,
            waited = waited => waited?,
        }
        if run.is_due() {
            deliver(tick(&mut run, &shutdown)?)?;
        }
    }
    deliver(finish(&mut run, &shutdown)?)?;
    if let Some(outlet) = outlet {
        written(outlet, &mut shutdown).await?;
    }
    let failure = run.take_failure();
    drop_run(run, &shutdown);
    failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Waits until the outlet is drained; after a shutdown was requested, only up to a short timeout.
///
/// # Errors
///
/// Like [`Outlet::drained_within`].
pub async fn written(outlet: &Outlet, shutdown: &mut Shutdown) -> io::Result<()> {
    tokio::select! {
        () = shutdown.requested() => outlet.drained_within(LAST_WRITE).await,
        drained = outlet.drained() => drained,
    }
}

/// Takes a tick, and returns the records to report.
///
/// # Errors
///
/// When the run cannot continue.
pub fn tick<C: Clock + Clone + Send + 'static>(
    run: &mut Run<C>,
    shutdown: &Shutdown,
) -> Result<Vec<Record>, EngineError> {
    let clock = run.clock().clone();
    let longest = run.longest_tick();
    shutdown.during(&clock, longest, || run.tick())
}

/// Ends a run: returns the records of its last interval and of the whole run.
///
/// # Errors
///
/// When the last reading fails.
pub fn finish<C: Clock + Clone + Send + 'static>(
    run: &mut Run<C>,
    shutdown: &Shutdown,
) -> Result<Vec<Record>, EngineError> {
    // The last reading waits for calls in flight and for a listing of entries.
    let clock = run.clock().clone();
    let longest = run.longest_end();
    shutdown.during(&clock, longest, || run.finish())
}

/// Drops the run: waits for `--on-alert` commands, and detaches the probes.
pub fn drop_run<C: Clock + Clone + Send + 'static>(run: Run<C>, shutdown: &Shutdown) {
    let clock = run.clock().clone();
    let commands = match run.has_hook() {
        true => hook::LAST_WAIT,
        false => Duration::ZERO,
    };
    shutdown.during(&clock, DETACH + commands, || drop(run));
}
