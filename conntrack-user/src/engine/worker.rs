//! The only place that starts threads. Each holds only the capabilities that its work needs, whatever its starter holds.

use std::thread::{self, JoinHandle};

use super::error::EngineError;
use crate::privileges::{CapabilitySet, thread::keep_only};

/// The capabilities of a thread.
#[derive(Clone, Copy, Debug)]
pub enum Holds {
    /// These, as far as its starter holds them.
    Only(CapabilitySet),
    /// What its starter holds.
    AsStarter,
}

/// Starts a thread that holds no capability. Dropping the handle detaches it. `purpose` describes it in the error.
///
/// # Errors
///
/// When the thread cannot be started.
pub fn start<T: Send + 'static>(
    name: &'static str,
    purpose: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    start_holding(Holds::Only(CapabilitySet::empty()), name, purpose, work)
}

/// Starts a thread that holds some.
///
/// # Errors
///
/// Like [`start`].
#[expect(
    clippy::disallowed_methods,
    reason = "errors of starting a thread are returned"
)]
pub fn start_holding<T: Send + 'static>(
    holds: Holds,
    name: &'static str,
    purpose: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, EngineError> {
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if let Holds::Only(keep) = holds
                && let Err(error) = keep_only(keep)
            {
                log::warn!("the thread that {purpose} keeps its capabilities: {error}");
            }
            work()
        })
        .map_err(|source| EngineError::Thread { purpose, source })
}
