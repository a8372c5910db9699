//! The one way to start a thread.

use std::thread::{self, JoinHandle};

use super::error::EngineError;

/// Starts a thread; dropping the handle lets it run by itself. `purpose` says what it does, for errors.
///
/// # Errors
///
/// When there can be no more threads.
#[expect(
    clippy::disallowed_methods,
    reason = "an error says that there are no more threads"
)]
pub fn start<T: Send + 'static>(
    name: &'static str,
    purpose: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|source| EngineError::Thread { purpose, source })
}
