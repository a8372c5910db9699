//! The HTTP server: metrics, health and the stream, for whoever reads them over the network.
//!
//! It runs in a thread of its own and never holds up the run: records come in by [`Server::publish`], which does not wait. What
//! clients do, or do not do, costs a bounded number of connections, and each of them bounded time and memory ([`limits`]).

mod broadcast;
mod connections;
mod credentials;
mod descriptors;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod latecomers;
pub mod limits;
mod listener;
mod patient;
mod readers;
mod routes;
mod shared;
mod systemd;
mod tls;
mod tokens;

use std::{
    io,
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use thiserror::Error;
use tokio::{sync::watch, time::timeout};

pub use self::tls::TlsFiles;
use self::{
    credentials::{CredentialsError, Reread},
    shared::Shared,
    tokens::TokenFile,
};
use crate::{
    clock::Clock,
    engine::{diagnostics::Diagnostics, error::EngineError, event_loop, worker},
    model::record::Record,
    output::metrics::{NodeColumns, OwnUse, RemoteWriteMetrics},
};

/// How a server serves.
#[derive(Clone, Debug)]
pub struct ServerSettings {
    /// Where it listens; port 0 is one of the system's choice.
    pub listen: SocketAddr,
    /// How long the run may go without a tick before the server says that it is stuck.
    pub longest_tick: Duration,
    /// Answers are encrypted with these.
    pub tls: Option<TlsFiles>,
    /// Only who has a token of this file is answered.
    pub token_file: Option<PathBuf>,
}

/// Why it cannot serve.
#[derive(Debug, Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {}", advice(.source))]
    Listen {
        address: SocketAddr,
        source: io::Error,
    },
    /// Its certificate, key or tokens cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// Its thread or its event loop cannot be started.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What went wrong, and what to do.
fn advice(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => {
            "another program listens there, perhaps another ctpulse serve; --listen ADDRESS:PORT takes another"
        }
        io::ErrorKind::PermissionDenied => "ports below 1024 are for root; --listen takes another",
        io::ErrorKind::AddrNotAvailable => "this host does not have that address",
        _ => return error.to_string(),
    };
    format!("{error}; {advice}")
}

/// A server that runs.
pub struct Server {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    end: watch::Sender<bool>,
    ended: watch::Receiver<()>,
}

/// What encrypts, and whom it answers.
#[derive(Default)]
struct Credentials {
    tls: Option<Arc<Reread<TlsFiles>>>,
    tokens: Option<Arc<Reread<TokenFile>>>,
}

/// What ctpulse itself knows besides the records.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides {
    /// What it has used.
    pub own: Option<OwnUse>,
    /// How samples are sent.
    pub remote_write: Option<RemoteWriteMetrics>,
    /// The kernel's own values under the names of node_exporter.
    pub node: Option<NodeColumns>,
}

impl Server {
    /// Listens, and answers from now on.
    ///
    /// # Errors
    ///
    /// When the address cannot be listened on, the credentials cannot be used, or the thread cannot be started.
    pub fn start(
        settings: ServerSettings,
        clock: impl Clock + Send + Sync + 'static,
        diagnostics: Diagnostics,
    ) -> Result<Self, ServerError> {
        let address = settings.listen;
        let failed = |source| ServerError::Listen { address, source };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let tls = settings.tls.clone().map(Reread::new).transpose()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let tokens = settings.token_file.clone().map(TokenFile);
        let tokens = tokens.map(Reread::new).transpose()?;
        let credentials = Credentials {
            tls: tls.map(Arc::new),
            tokens: tokens.map(Arc::new),
        };
        let shared = Shared::new(settings, credentials, Arc::new(clock), diagnostics);
        let shared = Arc::new(shared);
        let (end, ending) = watch::channel(false);
        let (alive, ended) = watch::channel(());
        let served = Arc::clone(&shared);
        // Detached: it ends when it is told to, and with the process in any case.
        worker::start("http", "answers requests", move || {
            let runtime = event_loop::start()?;
            runtime.block_on(listener::serve(listener, served, ending));
            drop(alive);
            Ok::<(), EngineError>(())
        })?;
        Ok(Self {
            address,
            scheme,
            shared,
            end,
            ended,
        })
    }

    /// Where it is for a browser.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", self.scheme, self.address)
    }

    /// Gives records to whoever reads, now or later. It does not wait.
    pub fn publish(&self, records: &[Record], besides: Besides) {
        self.shared.publish(records, besides);
    }

    /// Says that the run has started.
    pub fn ready(&self) {
        systemd::ready();
    }

    /// Ends it. Readers of the stream get what is left of it, for a short time.
    pub async fn end(mut self) {
        systemd::stopping();
        self.shared.broadcast.close();
        // There may be no receiver left.
        let _ = self.end.send(true);
        // Changes only by the end of the thread, which is an error here.
        let _ = timeout(limits::LAST_WRITE * 2, self.ended.changed()).await;
    }
}

#[cfg(test)]
mod tests;
