//! How sending goes: for metrics.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::queue::Waiting;
use crate::output::metrics::RemoteWriteMetrics;

/// How sending goes. Clones share their state.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedHealth(Arc<Mutex<SendingHealth>>);

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SendingHealth {
    pub(super) waiting: Waiting,
    pub(super) sent: u64,
    pub(super) failed_requests: u64,
    /// Samples that were dropped because the queue was full, the receiver refused them, or they could not be stored.
    pub(super) overflowed: u64,
    pub(super) refused: u64,
    pub(super) not_stored: u64,
}

impl SharedHealth {
    pub(super) fn change(&self, change: impl FnOnce(&mut SendingHealth)) {
        change(&mut self.lock());
    }

    pub(super) fn get(&self) -> SendingHealth {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, SendingHealth> {
        // Every update is complete.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SendingHealth {
    /// As metrics, at a time in milliseconds since 1970.
    pub(super) fn metrics(&self, now_ms: i64) -> RemoteWriteMetrics {
        let age = self
            .waiting
            .since_ms
            .map(|since| now_ms.saturating_sub(since).max(0));
        RemoteWriteMetrics {
            queue_bytes: self.waiting.bytes,
            waiting: self.waiting.samples,
            oldest_seconds: age.map(|ms| ms as f64 / 1e3),
            sent: self.sent,
            failed_requests: self.failed_requests,
            overflowed: self.overflowed,
            refused: self.refused,
            not_stored: self.not_stored,
        }
    }
}
