//! How long the parts of a run may take.

use std::time::Duration;

use super::Run;
use crate::{
    clock::Clock,
    engine::{instance::LAST_READING_WAIT, top},
};

/// How long a tick may take on a slow kernel before it counts as stuck.
const SLOW_KERNEL: Duration = Duration::from_secs(10);

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// The deadline of a tick: a kernel under load is slow, but answers. Files of a directory may never answer; they get no extra
    /// time.
    #[must_use]
    pub fn longest_tick(&self) -> Duration {
        match self.proc_root {
            None => SLOW_KERNEL,
            Some(_) => Duration::ZERO,
        }
    }

    /// The deadline of the run's end, without the wait for `--on-alert` commands.
    #[must_use]
    pub fn longest_end(&self) -> Duration {
        let listing = self
            .top
            .as_ref()
            .map_or(Duration::ZERO, |_| top::LAST_LISTING);
        self.longest_tick() + LAST_READING_WAIT + listing
    }

    /// Whether the end may have to wait for `--on-alert` commands.
    #[must_use]
    pub fn has_hook(&self) -> bool {
        self.hook.is_some()
    }
}
