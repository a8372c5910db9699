//! Why a run cannot start, or go on.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{
    files::Remedied, probes::error::AttachError, source::namespaces::NamespaceError,
    text::PlainPath,
};

/// Why a run cannot start, or go on.
#[derive(Debug, Error)]
pub enum EngineError {
    /// A namespace that was asked for cannot be had, the only one cannot be entered any more, or our own cannot be returned to.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The file with eBPF programs cannot be read.
    #[error("{}: {}", PlainPath(path), Remedied(source))]
    Object {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A namespace cannot be given to the probes.
    #[error(transparent)]
    Assign(#[from] AttachError),
    /// There are no more threads to be had.
    #[error("cannot start the thread that {purpose}: {}", Remedied(source))]
    Thread {
        /// What it is for.
        purpose: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals: {}", Remedied(.0))]
    Signals(#[source] io::Error),
    /// There is no event loop to be had.
    #[error("cannot start the event loop: {}", Remedied(.0))]
    EventLoop(#[source] io::Error),
}
