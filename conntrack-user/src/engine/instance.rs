//! A watched instance: its namespace, and how it is read.

use std::{io, rc::Rc, thread::sleep, time::Duration};

use crate::{
    clock::Clock,
    engine::{error::EngineError, persisting::PersistingErrors},
    files::Remedied,
    reading::{InstanceInfo, InstanceReading, Purpose, probes::ProbeReading},
    source::{
        feed::{Extent, ProbeFeed},
        instance::{InstanceSource, Remarks},
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
    errors: PersistingErrors,
    /// Messages for the user about it.
    messages: Vec<String>,
}

impl WatchedInstance {
    pub(super) fn new(
        info: InstanceInfo,
        namespace: Option<Namespace>,
        mut source: InstanceSource,
    ) -> Self {
        if namespace.as_ref().is_some_and(Namespace::is_to_stay) {
            source.keep_files_open();
        }
        Self {
            info: Rc::new(info),
            namespace,
            source,
            errors: PersistingErrors::default(),
            messages: Vec::new(),
        }
    }

    /// Sets or removes the probes' counters to read, with a ring of buckets if it has one.
    pub(super) fn set_maps(
        &mut self,
        maps: Option<&Rc<CounterMaps>>,
        ring: Option<u32>,
        clock: &impl Clock,
    ) {
        let feed = maps.zip(self.info.slot);
        self.source
            .set_feed(feed.map(|(maps, slot)| ProbeFeed::new(Rc::clone(maps), slot)));
        if let Some(ring) = ring {
            self.follow_ring(ring, clock);
        }
    }

    /// Reads buckets from a ring from now on.
    pub(super) fn follow_ring(&mut self, ring: u32, clock: &impl Clock) {
        if let Some(feed) = self.source.feed_mut() {
            feed.follow(ring, clock);
        }
    }

    /// Reads its ring a last time, for the next reading.
    pub(super) fn leave_ring(&mut self, clock: &impl Clock) {
        if let Some(feed) = self.source.feed_mut() {
            feed.leave_ring(clock);
        }
    }

    /// What the probes have counted up to the end of its namespace.
    pub(super) fn read_ended(
        &mut self,
        clock: &impl Clock,
        missed: Option<u64>,
    ) -> Option<ProbeReading> {
        self.source.read_ended(clock, missed)
    }

    /// Keeps its namespace open no longer, if a scan has found it.
    pub(super) fn let_go(&mut self) {
        if let Some(namespace) = &mut self.namespace {
            namespace.let_go();
        }
    }

    /// The new messages for the user about it.
    pub(super) fn take_messages(&mut self) -> Vec<String> {
        std::mem::take(&mut self.messages)
    }

    /// Notes that its namespace could not be entered.
    pub(super) fn could_not_be_entered(&mut self, reason: &io::Error) {
        let error = format!("cannot be entered: {}", Remedied(reason));
        self.messages.extend(self.errors.update(&[error]));
    }

    /// Reads the instance. `missed` is how many probe hits the kernel has missed; while `disagrees` returns true, the instance is
    /// read again, with the number that `missed_now` returns.
    ///
    /// # Errors
    ///
    /// [`NamespaceError::Gone`] when its namespace is gone; other errors when it cannot be entered, or our own cannot be returned
    /// to.
    pub(super) fn read(
        &mut self,
        clock: &impl Clock,
        purpose: Purpose,
        missed: Option<u64>,
        missed_now: &dyn Fn() -> Option<u64>,
        disagrees: &dyn Fn(&InstanceReading) -> bool,
    ) -> Result<InstanceReading, NamespaceError> {
        let (extent, retries) = match purpose {
            Purpose::Baseline => (Extent::All, 0),
            Purpose::Interval => (Extent::Settled, RETRIES),
            Purpose::Last => (Extent::All, LAST_RETRIES),
        };
        let source = &mut self.source;
        let (mut reading, remarks) = within(self.namespace.as_ref(), || {
            source.read(clock, missed, extent)
        })?;
        for _ in 0..retries {
            if !disagrees(&reading) {
                break;
            }
            sleep(RETRY_INTERVAL);
            let source = &mut self.source;
            within(self.namespace.as_ref(), || {
                source.read_again(&mut reading, clock, missed_now, extent);
            })?;
        }
        self.keep(remarks);
        Ok(reading)
    }

    fn keep(&mut self, remarks: Remarks) {
        self.messages.extend(self.errors.update(&remarks.errors));
        self.messages.extend(remarks.source);
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
