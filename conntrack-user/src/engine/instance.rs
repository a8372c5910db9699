//! A watched instance: its namespace, and how it is read.

use std::{rc::Rc, thread::sleep, time::Duration};

use crate::{
    clock::Clock,
    engine::{
        diagnostics::{Diagnostics, PersistingErrors},
        error::EngineError,
    },
    reading::{InstanceInfo, InstanceReading, Purpose},
    source::{
        instance::{Extent, InstanceSource, ProbeFeed, Remarks},
        maps::counters::CounterMaps,
        namespaces::{Namespace, NamespaceError},
    },
};

/// How often an instance is read again when its probes disagree with the kernel. Most calls in flight have ended by then; what
/// remains is given a grace period.
const RETRIES: u32 = 3;

/// The same for the last reading of a run, which no later reading can correct.
const LAST_RETRIES: u32 = 500;

/// Time between two of these readings.
const RETRY_INTERVAL: Duration = Duration::from_millis(2);

/// The longest that the last reading of an instance waits for calls in flight.
pub(super) const LAST_READING_WAIT: Duration = Duration::from_millis(1_000);

pub(super) struct WatchedInstance {
    pub(super) info: Rc<InstanceInfo>,
    /// Its namespace; `None` for a directory laid out like /proc.
    pub(super) namespace: Option<Namespace>,
    source: InstanceSource,
    diagnostics: Diagnostics,
    errors: PersistingErrors,
}

impl WatchedInstance {
    pub(super) fn new(
        info: InstanceInfo,
        namespace: Option<Namespace>,
        source: InstanceSource,
        diagnostics: Diagnostics,
    ) -> Self {
        Self {
            info: Rc::new(info),
            namespace,
            source,
            errors: PersistingErrors::new(diagnostics.clone()),
            diagnostics,
        }
    }

    /// Sets or removes the probes' counters to read.
    pub(super) fn set_maps(&mut self, maps: Option<&Rc<CounterMaps>>, clock: &impl Clock) {
        let feed = maps.zip(self.info.slot);
        self.source
            .set_feed(feed.map(|(maps, slot)| ProbeFeed::new(Rc::clone(maps), slot, clock)));
    }

    /// Reads the instance. `missed` returns how many probe hits the kernel has missed; while `disagrees` returns true, the
    /// instance is read again.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Gone`] when its namespace is gone; other errors when it cannot be entered, or our own cannot be returned
    /// to.
    pub(super) fn read(
        &mut self,
        clock: &impl Clock,
        purpose: Purpose,
        missed: &dyn Fn() -> Option<u64>,
        disagrees: &dyn Fn(&InstanceReading) -> bool,
    ) -> Result<InstanceReading, NamespaceError> {
        let (extent, retries) = match purpose {
            Purpose::Baseline => (Extent::All, 0),
            Purpose::Interval => (Extent::Settled, RETRIES),
            Purpose::Last => (Extent::All, LAST_RETRIES),
        };
        let source = &mut self.source;
        let (mut reading, remarks) = within(self.namespace.as_ref(), || {
            source.read(clock, missed(), extent)
        })?;
        for _ in 0..retries {
            if !disagrees(&reading) {
                break;
            }
            sleep(RETRY_INTERVAL);
            let source = &mut self.source;
            within(self.namespace.as_ref(), || {
                source.read_again(&mut reading, clock, missed, extent);
            })?;
        }
        self.notify(&remarks);
        Ok(reading)
    }

    fn notify(&mut self, remarks: &Remarks) {
        self.errors.update(&remarks.errors);
        if let Some(source) = &remarks.source {
            self.diagnostics.notify(source);
        }
    }
}

fn within<T>(namespace: Option<&Namespace>, work: impl FnOnce() -> T) -> Result<T, NamespaceError> {
    match namespace {
        Some(namespace) => namespace.within(work),
        None => Ok(work()),
    }
}

/// Passes on an error, unless the namespace is merely gone.
pub(super) fn unless_gone(error: NamespaceError) -> Result<(), EngineError> {
    if error.is_gone() {
        return Ok(());
    }
    Err(error.into())
}
