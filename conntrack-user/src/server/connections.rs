//! The open connections, and which of them makes room for another.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use tokio::sync::Notify;

use super::limits;

/// All open connections.
#[derive(Debug, Default)]
pub(super) struct Connections(Mutex<OpenConnections>);

#[derive(Debug, Default)]
struct OpenConnections {
    open: HashMap<u64, Arc<Connection>>,
    next: u64,
    evicted: u64,
}

/// An open connection.
#[derive(Debug, Default)]
pub(super) struct Connection {
    /// Requests that have come in whole.
    requests: AtomicU64,
    /// Whether it reads the stream: then it is limited by the number of those.
    streams: AtomicBool,
    /// Whether its client took too long.
    too_slow: AtomicBool,
    evicted: Notify,
}

/// The client of a connection, as its requests know it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) connection: Arc<Connection>,
    pub(super) address: SocketAddr,
}

/// A connection that counts as open until this is dropped.
pub(super) struct Admitted {
    id: u64,
    connections: Arc<Connections>,
    pub(super) connection: Arc<Connection>,
}

impl Connections {
    /// Counts a connection as open, and ends another if there are too many.
    pub(super) fn admit(self: &Arc<Self>) -> Admitted {
        let connection = Arc::new(Connection::default());
        let mut state = self.state();
        if state.open.len() >= limits::CONNECTIONS {
            state.evict();
        }
        let id = state.next;
        state.next += 1;
        state.open.insert(id, Arc::clone(&connection));
        Admitted {
            id,
            connections: Arc::clone(self),
            connection,
        }
    }

    /// Ends a connection to make room, as when there are no file descriptors left.
    pub(super) fn make_room(&self) {
        self.state().evict();
    }

    /// The number of open connections, and how many were ended to make room.
    pub(super) fn count(&self) -> (u64, u64) {
        let state = self.state();
        (state.open.len() as u64, state.evicted)
    }

    fn state(&self) -> MutexGuard<'_, OpenConnections> {
        // Every update of the state is complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenConnections {
    /// Ends the oldest of those that have never asked for anything, or else of the others.
    fn evict(&mut self) {
        let candidates = self.open.iter().filter(|(_, c)| !c.is_stream());
        let oldest = candidates.min_by_key(|(id, c)| (c.requests() > 0, **id));
        if let Some(id) = oldest.map(|(id, _)| *id)
            && let Some(connection) = self.open.remove(&id)
        {
            self.evicted += 1;
            connection.evicted.notify_one();
        }
    }
}

impl Connection {
    /// A request has come in.
    pub(super) fn requested(&self) {
        self.requests.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// It will read the stream.
    pub(super) fn becomes_stream(&self) {
        self.streams.store(true, Ordering::Relaxed);
    }

    fn is_stream(&self) -> bool {
        self.streams.load(Ordering::Relaxed)
    }

    /// Its client took too long.
    pub(super) fn was_too_slow(&self) {
        self.too_slow.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_too_slow(&self) -> bool {
        self.too_slow.load(Ordering::Relaxed)
    }

    /// Waits until it has to make room for another.
    pub(super) async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.connections.state().open.remove(&self.id);
    }
}
