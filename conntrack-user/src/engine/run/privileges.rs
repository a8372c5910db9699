//! A run gives up its privileges, and is over when it would need them again.

use super::Run;
use crate::{clock::Clock, engine::error::EngineError};

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Why the run was over before its time, if it was.
    pub fn take_failure(&mut self) -> Option<EngineError> {
        self.failure.take()
    }

    /// Keeps only the privileges that reading takes, if that was asked for, unless probes are still to be attached.
    pub(super) fn give_up_privileges(&mut self) -> Result<(), EngineError> {
        if self.probes.is_waiting() {
            return Ok(());
        }
        self.privileges.give_up(self.probes.maps().is_some())
    }
}
