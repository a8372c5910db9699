//! The only place that creates event loops.

use std::{io, os::unix::net::UnixStream};

use tokio::runtime::{Builder, Runtime};

use super::error::EngineError;

/// Pairs of file descriptors that an event loop opens: an epoll instance and its duplicate, an eventfd, and a socket pair for
/// signals with a duplicate of one end.
const DESCRIPTORS: usize = 3;

/// Creates an event loop for the calling thread. It must not be dropped inside another event loop.
///
/// # Errors
///
/// When it cannot be created.
pub fn start() -> Result<Runtime, EngineError> {
    check_descriptors().map_err(EngineError::EventLoop)?;
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::EventLoop)
}

/// Checks that enough file descriptors are left: tokio panics when it cannot open those for signals.
fn check_descriptors() -> io::Result<()> {
    let opened: io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| UnixStream::pair()).collect();
    opened.map(drop)
}
