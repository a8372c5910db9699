//! Threads for work of other rooms, which have none of their own.

use std::thread;

use super::error::EngineError;

/// Starts a thread that is not waited for. `purpose` says what it does, for errors.
///
/// # Errors
///
/// When there can be no more threads.
pub fn start(
    name: &'static str,
    purpose: &'static str,
    work: impl FnOnce() + Send + 'static,
) -> Result<(), EngineError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map(drop)
        .map_err(|source| EngineError::Thread { purpose, source })
}
