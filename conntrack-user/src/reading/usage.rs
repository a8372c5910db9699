//! What this process itself uses.

use std::time::Duration;

/// What this process has used by a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The moment, on the monotonic clock.
    pub at: Duration,
    /// CPU time, of user and system, of all its threads.
    pub cpu: Duration,
    /// Memory it occupies, in bytes.
    pub memory: Option<u64>,
}
