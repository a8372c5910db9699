//! Samples for systems that store them, by Prometheus' remote write 1.0.
//!
//! The run gives its records and never waits. A thread of its own puts the cells made of them into the [`queue`], before any of them
//! is sent, and sends what is in there, the same bytes again until they are taken. Every sample has the end of its cell as its time,
//! so that a receiver that gets it twice can tell.

mod credentials;
mod error;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod health;
mod queue;
mod report;
mod retry;
mod series;
mod settings;
mod task;
mod wire;

use std::{path::Path, sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, watch},
    time::timeout,
};

pub use self::{
    error::RemoteWriteError,
    series::ExternalLabel,
    settings::{CredentialFile, QueueSettings, RemoteWriteSettings},
};
use self::{
    health::SharedHealth,
    queue::{DirStore, MemoryStore, Queue, SegmentStore},
    report::Reports,
    series::SeriesNames,
    task::SendingTask,
};
use crate::{
    client::{Authorities, HttpSender},
    clock::Clock,
    engine::{diagnostics::Diagnostics, error::EngineError, event_loop, worker},
    model::{
        cells::{GridFeed, InstanceCells},
        record::Record,
    },
    output::metrics::RemoteWriteMetrics,
    text::PlainPath,
};

/// What is asked for if an address has no path.
pub const PATH: &str = "/api/v1/write";

/// Batches of cells that wait for the thread, while it waits for a disk.
const ON_THE_WAY: usize = 1_000;

/// How long the end may take: the last request, and the disk.
const END: Duration = Duration::from_millis(600);

const HEADERS: &[(&str, &str)] = &[
    ("content-type", "application/x-protobuf"),
    ("content-encoding", "snappy"),
    ("x-prometheus-remote-write-version", "0.1.0"),
];

/// Sends what a run reports.
pub struct RemoteWriter {
    feed: GridFeed,
    cells: mpsc::Sender<Vec<InstanceCells>>,
    health: SharedHealth,
    clock: Arc<dyn Clock + Send + Sync>,
    diagnostics: Diagnostics,
    /// Whether it was said that the clock is behind.
    is_behind: bool,
    ended: watch::Receiver<()>,
}

impl RemoteWriter {
    /// Opens the queue, and sends what is in it from now on.
    ///
    /// # Errors
    ///
    /// When the queue or a secret cannot be read, or the thread cannot be started.
    pub fn start(
        settings: &RemoteWriteSettings,
        hostname: &str,
        clock: impl Clock + Send + Sync + 'static,
        diagnostics: Diagnostics,
    ) -> Result<Self, RemoteWriteError> {
        match &settings.queue.dir {
            Some(dir) => {
                let store = DirStore::open(dir).map_err(in_dir(dir))?;
                Self::start_with(store, settings, hostname, Arc::new(clock), diagnostics)
            }
            None => {
                let store = MemoryStore::default();
                Self::start_with(store, settings, hostname, Arc::new(clock), diagnostics)
            }
        }
    }

    fn start_with(
        store: impl SegmentStore + Send + 'static,
        settings: &RemoteWriteSettings,
        hostname: &str,
        clock: Arc<dyn Clock + Send + Sync>,
        diagnostics: Diagnostics,
    ) -> Result<Self, RemoteWriteError> {
        let names = SeriesNames::new(hostname, &settings.labels, settings.step);
        let queue = Queue::open(store, settings.queue.limit, names);
        let queue = queue.map_err(in_dir(
            settings.queue.dir.as_deref().unwrap_or(Path::new("")),
        ))?;
        let credentials = settings.credentials.as_ref();
        let authorization = credentials.map(credentials::authorization).transpose()?;
        let authorities = match settings.address.is_encrypted() {
            true => Some(Authorities::of(settings.authorities.as_deref())?),
            false => None,
        };
        let sender = HttpSender::new(
            settings.address.clone(),
            authorities,
            authorization,
            HEADERS,
        );
        let dir = settings.queue.dir.as_deref();
        let dir = dir.map(|dir| PlainPath(dir).to_string());
        let reports = Reports::new(
            settings.address.clone(),
            dir,
            diagnostics.clone(),
            Arc::clone(&clock),
        );
        let feed = GridFeed::after(settings.step, queue.last());
        let health = SharedHealth::default();
        let (cells, waiting) = mpsc::channel(ON_THE_WAY);
        let (alive, ended) = watch::channel(());
        let task = SendingTask {
            queue,
            health: health.clone(),
            clock: Arc::clone(&clock),
            reports,
        };
        // Detached: it ends when there will be no more cells, and with the process in any case.
        worker::start("remote-write", "sends samples", move || {
            let runtime = event_loop::start()?;
            runtime.block_on(task.run(sender, waiting));
            drop(alive);
            Ok::<(), EngineError>(())
        })?;
        Ok(Self {
            feed,
            cells,
            health,
            clock,
            diagnostics,
            is_behind: false,
            ended,
        })
    }

    /// Takes records. It does not wait.
    pub fn take(&mut self, records: &[Record]) {
        let mut cells = Vec::new();
        for record in records {
            cells.extend(self.feed.take(record));
        }
        self.look_at_clock();
        if cells.is_empty() {
            return;
        }
        if let Err(
            mpsc::error::TrySendError::Full(cells) | mpsc::error::TrySendError::Closed(cells),
        ) = self.cells.try_send(cells)
        {
            // The disk takes nothing, for minutes: the metrics say so.
            let cells = cells.iter().flat_map(|of| &of.cells);
            let lost = cells.map(|cell| cell.values.len() as u64).sum::<u64>();
            self.health.change(|health| health.not_stored += lost);
        }
    }

    /// After a restart within a cell it is a part of a cell behind, which is nothing to tell.
    fn look_at_clock(&mut self) {
        let behind = self.feed.seconds_behind();
        if behind > 1 && !self.is_behind {
            self.diagnostics.notify(format_args!(
                "remote write: the wall clock is {behind} s behind the last sample in the queue: nothing is added until it has caught \
                 up, as no sample may be there twice; without the queue's directory, it starts anew"
            ));
        }
        self.is_behind = behind > 1;
    }

    /// How it goes.
    #[must_use]
    pub fn metrics(&self) -> RemoteWriteMetrics {
        let now = self.clock.now().realtime.as_millisecond();
        self.health.get().metrics(now)
    }

    /// Ends it, after a last attempt to send what waits.
    pub async fn end(self) {
        let mut ended = self.ended;
        drop(self.cells);
        // Changes only by the end of the thread, which is an error here.
        let _ = timeout(END, ended.changed()).await;
    }
}

fn in_dir(dir: &Path) -> impl Fn(std::io::Error) -> RemoteWriteError {
    move |source| RemoteWriteError::Queue {
        dir: dir.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
