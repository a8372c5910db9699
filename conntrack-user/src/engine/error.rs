//! Why a run cannot start, or go on.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    files::Remedied,
    probes::error::AttachError,
    source::{foreign_proc::ForeignProc, namespaces::NamespaceError},
    text::PlainPath,
};

/// Why a run cannot start, or go on.
#[derive(Debug, Error)]
pub enum EngineError {
    /// The directory in place of /proc would show our own namespace for another.
    #[error(transparent)]
    ForeignProc(#[from] ForeignProc),
    /// A namespace cannot be opened or entered, or our own cannot be returned to.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The file with eBPF programs cannot be read.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Object { path: PathBuf, source: io::Error },
    /// A namespace cannot be assigned to a slot.
    #[error(transparent)]
    Assign(#[from] AttachError),
    /// A thread cannot be started.
    #[error("cannot start the thread that {purpose}: {}", Remedied(source))]
    Thread {
        /// What the thread is for.
        purpose: &'static str,
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals: {}", Remedied(.0))]
    Signals(#[source] io::Error),
    /// The event loop cannot be created.
    #[error("cannot start the event loop: {}", Remedied(.0))]
    EventLoop(#[source] io::Error),
}
