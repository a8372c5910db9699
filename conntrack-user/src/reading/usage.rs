//! CPU time and memory of ctpulse itself.

use std::time::Duration;

/// What this process has used up to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The moment, on the monotonic clock.
    pub at: Duration,
    /// CPU time, of user and system, of all its threads.
    pub cpu: Duration,
    /// Resident memory, in bytes; `None` where it could not be read.
    pub memory: Option<u64>,
}
