//! One watched instance: its namespace, and how it is read there.

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
const SECOND_LOOKS: u32 = 3;

/// The same at the end of a run, when no later reading can tell: for as long as a difference has to persist otherwise.
const LAST_LOOKS: u32 = 500;

/// Time between those.
const BETWEEN_LOOKS: Duration = Duration::from_millis(2);

/// The longest that the last reading of an instance waits for calls in flight.
pub(super) const LONGEST_LAST_LOOK: Duration = Duration::from_millis(1_000);

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

    /// The probes' counters from now on are these, or none.
    pub(super) fn set_maps(&mut self, maps: Option<&Rc<CounterMaps>>, clock: &impl Clock) {
        let feed = maps.zip(self.info.slot);
        self.source
            .set_feed(feed.map(|(maps, slot)| ProbeFeed::new(Rc::clone(maps), slot, clock)));
    }

    /// Reads it. `missed` asks how many probe hits the kernel has missed; `disagrees` tells whether a reading is worth another
    /// look.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Gone`] when its namespace is gone; others when that cannot be entered, or our own not be returned to.
    pub(super) fn read(
        &mut self,
        clock: &impl Clock,
        purpose: Purpose,
        missed: &dyn Fn() -> Option<u64>,
        disagrees: &dyn Fn(&InstanceReading) -> bool,
    ) -> Result<InstanceReading, NamespaceError> {
        let (extent, looks) = match purpose {
            Purpose::Baseline => (Extent::All, 0),
            Purpose::Interval => (Extent::Settled, SECOND_LOOKS),
            Purpose::Last => (Extent::All, LAST_LOOKS),
        };
        let source = &mut self.source;
        let (mut reading, remarks) = within(self.namespace.as_ref(), || {
            source.read(clock, missed(), extent)
        })?;
        for _ in 0..looks {
            if !disagrees(&reading) {
                break;
            }
            sleep(BETWEEN_LOOKS);
            let source = &mut self.source;
            within(self.namespace.as_ref(), || {
                source.read_again(&mut reading, clock, missed, extent);
            })?;
        }
        self.tell(&remarks);
        Ok(reading)
    }

    fn tell(&mut self, remarks: &Remarks) {
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

/// The error of an instance that cannot be read, unless it is merely gone.
pub(super) fn unless_gone(error: NamespaceError) -> Result<(), EngineError> {
    if error.is_gone() {
        return Ok(());
    }
    Err(error.into())
}
