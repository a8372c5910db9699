//! One watched instance: a namespace, its source and its monitor.

use crate::text::Text;
use std::{io, rc::Rc, thread::sleep, time::Duration};

use crate::{
    clock::Clock,
    engine::{notices::Notices, top::Subject},
    model::{
        monitor::{Monitor, Observation},
        record::Instance,
    },
    reading::{coverage::Coverage, durations::Durations},
    source::{
        instance::{Extent, ProbeFeed, Reading, Source},
        maps::counters::CounterMaps,
        namespaces::Namespace,
    },
};

/// How often the kernel is read again when it disagrees with the probes. Most calls under way have
/// ended by then; what remains is weighed.
const SECOND_LOOKS: u32 = 3;

/// How often before that is believed at the end of a run, when no later reading can tell: for as long
/// as a difference has to stand otherwise.
const LAST_LOOKS: u32 = 500;

/// Time between those.
const SECOND_LOOK_AFTER: Duration = Duration::from_millis(2);

/// A watched instance.
pub struct Watched {
    /// Its namespace; `None` for a directory of files.
    pub namespace: Option<Namespace>,
    /// Its slot in the probes' maps.
    pub slot: u32,
    /// What is known of it.
    pub monitor: Monitor,
    /// Lengths of time counted for its slot before it had it.
    pub durations_before: Durations,
    source: Source,
    name: String,
    notices: Notices,
}

/// What a reading found besides its observation.
pub struct Looked {
    /// What is to be reported.
    pub observation: Option<Observation>,
    /// Whether nf_conntrack is there.
    pub conntrack: bool,
    /// When.
    pub at: crate::clock::Instant,
}

impl Watched {
    /// An instance that nothing is known of yet.
    pub fn new(
        name: String,
        namespace: Option<Namespace>,
        slot: u32,
        source: Source,
        monitor: Monitor,
        notices: Notices,
    ) -> Self {
        Self {
            namespace,
            slot,
            monitor,
            durations_before: Durations::default(),
            source,
            name,
            notices,
        }
    }

    /// For the report.
    #[must_use]
    pub fn instance(&self) -> Instance {
        Instance {
            name: self.name.clone().into(),
            netns: self.namespace.as_ref().map(|namespace| namespace.inode),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// For who leads in it; `None` for a directory of files.
    #[must_use]
    pub fn subject(&self) -> Option<Subject<'_>> {
        self.namespace.as_ref().map(|namespace| Subject {
            name: &self.name,
            slot: self.slot,
            namespace,
        })
    }

    /// Takes the first reading: differences count from it on. Its buckets are all those that were
    /// counted before it, and go with it.
    pub fn begin(
        &mut self,
        maps: Option<Rc<CounterMaps>>,
        missed: Option<u64>,
        clock: &impl Clock,
    ) -> io::Result<Looked> {
        self.set_feed(maps, clock);
        let reading = self.read(clock, missed, Extent::All)?;
        self.take(&reading)
    }

    fn set_feed(&mut self, maps: Option<Rc<CounterMaps>>, clock: &impl Clock) {
        self.source
            .set_feed(maps.map(|maps| ProbeFeed::new(maps, self.slot, clock)));
    }

    /// Probes were attached (`maps`) or lost. Reads where their counts start from.
    pub fn set_probes(
        &mut self,
        maps: Option<Rc<CounterMaps>>,
        coverage: Coverage,
        missed: Option<u64>,
        clock: &impl Clock,
    ) -> io::Result<()> {
        let attached = maps.is_some();
        self.set_feed(maps, clock);
        let baseline = if attached {
            Some(self.read(clock, missed, Extent::All)?.snapshot)
        } else {
            None
        };
        self.monitor.set_coverage(coverage, baseline.as_ref());
        Ok(())
    }

    /// Takes a reading in; [`Extent::All`] is the last. `missed` is what the kernel skipped up to now,
    /// `missed_now` asks it again. An error means that the namespace cannot be entered any more.
    pub fn look(
        &mut self,
        clock: &impl Clock,
        missed: Option<u64>,
        missed_now: &dyn Fn() -> Option<u64>,
        extent: Extent,
    ) -> io::Result<Looked> {
        let looks = match extent {
            Extent::Settled => SECOND_LOOKS,
            Extent::All => LAST_LOOKS,
        };
        let mut reading = self.read(clock, missed, extent)?;
        for _ in 0..looks {
            if !self.monitor.disagrees(&reading.snapshot) {
                break;
            }
            sleep(SECOND_LOOK_AFTER);
            let source = &mut self.source;
            within(self.namespace.as_ref(), || {
                source.read_again(&mut reading.snapshot, clock, missed_now, extent);
            })?;
        }
        if extent == Extent::All {
            self.monitor.conclude();
        }
        self.take(&reading)
    }

    fn take(&mut self, reading: &Reading) -> io::Result<Looked> {
        let source = &mut self.source;
        let remarks = within(self.namespace.as_ref(), || source.remarks(reading))?;
        self.notices.errors(&reading.errors);
        for remark in remarks {
            self.notices.say(&remark);
        }
        let mut observation = self.monitor.observe(&reading.snapshot);
        if let Some(observation) = &mut observation {
            observation.sample.untracked = self.source.untracked().map(Text::from);
        }
        Ok(Looked {
            observation,
            conntrack: reading.snapshot.kernel.entries().is_some(),
            at: reading.snapshot.at,
        })
    }

    fn read(
        &mut self,
        clock: &impl Clock,
        missed: Option<u64>,
        extent: Extent,
    ) -> io::Result<Reading> {
        let source = &mut self.source;
        within(self.namespace.as_ref(), || {
            source.read(clock, missed, extent)
        })
    }
}

fn within<T>(namespace: Option<&Namespace>, work: impl FnOnce() -> T) -> io::Result<T> {
    match namespace {
        Some(namespace) => Ok(namespace.within(work)?),
        None => Ok(work()),
    }
}
