//! Why a run of other hosts cannot start, and why a host is lost.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    client::{AuthoritiesError, ClientError},
    engine::error::EngineError,
    files::Remedied,
    model::fleet::HOSTS,
    text::{PlainPath, Text},
};

/// Why records of other hosts cannot be read.
#[derive(Debug, Error)]
pub enum RemoteError {
    /// A thread cannot be started.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A file cannot be opened.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Open { path: PathBuf, source: io::Error },
    #[error("{0}; --ca FILE names authorities")]
    Authorities(#[from] AuthoritiesError),
    #[error("--from: {0} sources are more than {HOSTS}")]
    TooMany(usize),
    #[error("--from: two sources are called {0}; NAME=SRC names one otherwise")]
    SameName(Text),
    #[error("--from: standard input can be read once")]
    StdinTwice,
    /// Nothing could be used of any source.
    #[error("{0}")]
    Refused(String),
}

/// Why a connection has ended, or was not made.
#[derive(Debug, Error)]
pub(super) enum ConnectionError {
    #[error("{what}: {source}")]
    Io {
        what: &'static str,
        source: io::Error,
    },
    #[error("{what} took longer than {seconds} s")]
    Timeout { what: &'static str, seconds: u64 },
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("the server answered {status}{advice}")]
    Status {
        status: u16,
        advice: &'static str,
        is_final: bool,
    },
    /// ssh, or what it started, has ended.
    #[error("{0}")]
    Ssh(String),
    /// Nothing could be started, and that does not heal by itself.
    #[error("{0}")]
    NotStarted(String),
    #[error("the connection was closed")]
    Closed,
    #[error("nothing has come for {0} s")]
    Silent(u64),
}

impl ConnectionError {
    /// Whether another attempt cannot be a success before something is changed.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Status { is_final: true, .. } | Self::NotStarted(_)
        )
    }
}
