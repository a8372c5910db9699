//! What the run writes and requests read.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Bytes;

use super::{Besides, Credentials, ServerSettings, broadcast::Broadcast, connections::Connections};
use crate::{
    clock::Clock,
    engine::diagnostics::Diagnostics,
    model::{exposition::Exposition, record::Record},
    output::metrics::{Metrics, MetricsError, MetricsFormat, ServingMetrics},
};

/// What the run writes and requests read.
pub(super) struct Shared {
    settings: ServerSettings,
    pub(super) credentials: Credentials,
    clock: Arc<dyn Clock + Send + Sync>,
    pub(super) diagnostics: Diagnostics,
    pub(super) connections: Arc<Connections>,
    pub(super) broadcast: Broadcast,
    published: Mutex<Published>,
}

#[derive(Default)]
struct Published {
    exposition: Exposition,
    besides: Besides,
    /// When the run last ticked; `None` before it has started.
    ticked: Option<Duration>,
    /// What scrapers were answered since then, by format.
    answers: [Option<Bytes>; 3],
}

/// The state of the run.
pub(super) enum Health {
    Alive,
    /// It has not ticked for so long.
    Stuck(Duration),
}

impl Shared {
    pub(super) fn new(
        settings: ServerSettings,
        credentials: Credentials,
        clock: Arc<dyn Clock + Send + Sync>,
        diagnostics: Diagnostics,
    ) -> Self {
        Self {
            settings,
            credentials,
            clock,
            diagnostics,
            connections: Arc::default(),
            broadcast: Broadcast::default(),
            published: Mutex::default(),
        }
    }

    pub(super) fn publish(&self, records: &[Record], besides: Besides) {
        if let Err(error) = self.broadcast.add(records) {
            let message = format_args!("the stream has no lines of this interval: {error}");
            self.diagnostics.notify(message);
        }
        let mut published = self.published();
        for record in records {
            published.exposition.take(record);
        }
        published.besides = besides;
        published.ticked = Some(self.clock.now().monotonic);
        published.answers = Default::default();
    }

    /// The metrics in a format. Scrapers that ask between two ticks get the same bytes.
    ///
    /// # Errors
    ///
    /// When they cannot be written in this format.
    pub(super) fn metrics(&self, format: MetricsFormat) -> Result<Bytes, MetricsError> {
        let (readout, besides, ticked) = {
            let published = self.published();
            if let Some(answer) = &published.answers[format as usize] {
                return Ok(answer.clone());
            }
            let readout = published.exposition.readout();
            (readout, published.besides, published.ticked)
        };
        let (connections, evicted) = self.connections.count();
        let (stream_clients, stream_dropped, stream_lost_bytes) = self.broadcast.count();
        let metrics = Metrics {
            readout,
            own: besides.own,
            serving: ServingMetrics {
                connections,
                evicted,
                stream_clients,
                stream_dropped,
                stream_lost_bytes,
            },
            remote_write: besides.remote_write,
            node: besides.node,
        };
        let answer = Bytes::from(metrics.encode(format)?);
        let mut published = self.published();
        if published.ticked == ticked {
            published.answers[format as usize] = Some(answer.clone());
        }
        Ok(answer)
    }

    /// Whether the run ticks.
    pub(super) fn health(&self) -> Health {
        let ticked = self.published().ticked;
        // Attaching the probes, before the first tick, takes as long as it takes.
        let since = ticked.map(|at| self.clock.now().monotonic.saturating_sub(at));
        match since {
            Some(since) if since > self.settings.longest_tick => Health::Stuck(since),
            _ => Health::Alive,
        }
    }

    /// The names of instances of which there is no sample yet, safe to show; `None` before the run has started.
    pub(super) fn awaited(&self) -> Option<Vec<String>> {
        let readout = self.published().exposition.readout();
        let awaited = readout.awaited()?;
        Some(awaited.into_iter().map(ToString::to_string).collect())
    }

    fn published(&self) -> MutexGuard<'_, Published> {
        // Every update of the state is complete.
        self.published
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
