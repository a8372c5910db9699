//! The one way to have an event loop.

use std::{io, os::unix::net::UnixStream};

use tokio::runtime::{Builder, Runtime};

use super::error::EngineError;

/// Pairs of descriptors that an event loop opens: an epoll instance twice, an eventfd, and for signals a pair and one end
/// of it twice.
const DESCRIPTORS: usize = 3;

/// An event loop for the calling thread. It must be dropped outside of any.
///
/// # Errors
///
/// When there is none to be had.
pub(super) fn start() -> Result<Runtime, EngineError> {
    room().map_err(EngineError::EventLoop)?;
    Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(EngineError::EventLoop)
}

/// Whether there are the descriptors for it: tokio panics where there are none for signals.
fn room() -> io::Result<()> {
    let opened: io::Result<Vec<_>> = (0..DESCRIPTORS).map(|_| UnixStream::pair()).collect();
    opened.map(drop)
}
