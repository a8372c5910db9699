//! Finds network namespaces that appear, in a thread of its own: one that exists for a second is found, however long a reading takes.

use std::{
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, TrySendError, channel, sync_channel},
    time::Duration,
};

use super::worker::{self, Holds};
use crate::{
    clock::Clock,
    engine::{error::EngineError, pace::period},
    privileges::CapabilitySet,
    source::namespaces::{KnownNamespaces, Namespace, NamespaceError},
};

/// The time between two scans, if they take little CPU time.
const INTERVAL: Duration = Duration::from_millis(250);

/// The same if they take much.
const LONGEST_INTERVAL: Duration = Duration::from_millis(500);

/// The most namespaces that wait to be taken: each is an open file. More are found by the next scan.
const WAITING: usize = 256;

/// Handle of the thread, which ends when it is dropped.
pub(super) struct Scanner {
    found: Receiver<Result<Namespace, NamespaceError>>,
    /// Nothing is ever sent.
    _stop: Sender<()>,
}

impl Scanner {
    /// Starts the thread, in the network namespace that [`Namespace::own`] returns. It finds what is not known, with these
    /// capabilities.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn start(
        mut known: KnownNamespaces,
        holds: CapabilitySet,
        clock: impl Clock + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (sender, found) = sync_channel(WAITING);
        let (stop, stopped) = channel::<()>();
        worker::start_holding(
            Holds::Only(holds),
            "scan",
            "finds network namespaces",
            move || {
                let mut wait = INTERVAL;
                while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                    let before = clock.thread_cpu_time();
                    let mut over = false;
                    let scanned = known.scan(|new| {
                        let sent = sender.try_send(Ok(new));
                        over |= matches!(sent, Err(TrySendError::Disconnected(_)));
                        sent.is_ok()
                    });
                    if let Err(error) = scanned {
                        over |= sender.send(Err(error)).is_err();
                    }
                    if over {
                        return;
                    }
                    let cpu_time = clock.thread_cpu_time().saturating_sub(before);
                    wait = period(INTERVAL, cpu_time).min(LONGEST_INTERVAL);
                }
            },
        )?;
        Ok(Self { found, _stop: stop })
    }

    /// The namespaces that were found since the last call. They are held open.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be read.
    pub(super) fn found(&self) -> Result<Vec<Namespace>, NamespaceError> {
        self.found.try_iter().collect()
    }
}
