//! Why samples cannot be sent at all.

use std::{io, path::PathBuf};

use thiserror::Error;

use crate::{client::AuthoritiesError, engine::error::EngineError, text::PlainPath};

/// Why it cannot start.
#[derive(Debug, Error)]
pub enum RemoteWriteError {
    #[error("the queue {}: {}", PlainPath(dir), advice(.source))]
    Queue { dir: PathBuf, source: io::Error },
    #[error("cannot read {}: {source}", PlainPath(path))]
    Secret { path: PathBuf, source: io::Error },
    #[error("{}: {why}", PlainPath(path))]
    NoSecret { path: PathBuf, why: &'static str },
    #[error(transparent)]
    Authorities(#[from] AuthoritiesError),
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// What went wrong, and what to do.
fn advice(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            "another ctpulse uses it; --remote-write-queue names another directory".to_owned()
        }
        _ => error.to_string(),
    }
}
