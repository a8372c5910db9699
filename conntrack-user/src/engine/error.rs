//! Why a run cannot start, or go on.

use std::{io, path::PathBuf};

use thiserror::Error;

use super::account::AccountError;
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
    /// The commands of `--on-alert` cannot run as the user that was asked for.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The process that runs the commands of `--on-alert` cannot be started, or was not started by ctpulse.
    #[error("cannot start the process that runs the commands of --on-alert: {}", Remedied(.0))]
    Helper(#[source] io::Error),
    /// Privileges cannot be given up.
    #[error("cannot give up privileges: {}", Remedied(.0))]
    Privileges(#[source] io::Error),
    /// The probes are gone, and no privileges are left to attach them again.
    #[error(
        "nf_conntrack was unloaded, and its probes with it; the privileges to attach them again were given up: \
         start ctpulse again, or with --privileges keep"
    )]
    ProbesGone,
    /// Signals cannot be received.
    #[error("cannot receive signals: {}", Remedied(.0))]
    Signals(#[source] io::Error),
    /// The event loop cannot be created.
    #[error("cannot start the event loop: {}", Remedied(.0))]
    EventLoop(#[source] io::Error),
}
