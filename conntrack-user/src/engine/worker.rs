//! The only place that starts threads.

use std::thread::{self, JoinHandle};

use super::error::EngineError;

/// Starts a thread. Dropping the handle detaches it. `purpose` describes it in the error.
///
/// # Errors
///
/// When the thread cannot be started.
#[expect(
    clippy::disallowed_methods,
    reason = "errors of starting a thread are returned"
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
