//! What takes long to look up, in a thread of its own: the entries of the table, and the processes behind local sockets.
//! Seldom, so that it costs little, and beside the readings, so that they wait for nothing.

use std::{
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

use conntrack_ebpf::heavy_hitters::Prefixes;
use thiserror::Error;

use super::worker;
use crate::{
    clock::Clock,
    engine::{error::EngineError, pace::period},
    reading::{
        entries::GroupBy,
        heavy_hitters::SketchBuilder,
        owners::{OwnerVotes, Owners},
        top::EntryListing,
    },
    source::{
        ctnetlink::Ctnetlink,
        namespaces::{Namespace, NamespaceError},
        nfnetlink::socket::NetlinkError,
        proc_fs::{PROC, ProcRoot},
        processes,
        sockets::{self, SocketsError},
    },
};

/// Entries are listed no more often than this.
const ENTRIES_EVERY: Duration = Duration::from_secs(10);

/// Sockets are looked at no more often than this.
const SOCKETS_EVERY: Duration = Duration::from_secs(5);

/// Sockets counted of a namespace. Of those beyond, the processes stay unknown.
const SOCKETS: usize = 100_000;

/// log2 of the sets entries are counted in: 7,168 keys of each kind.
const SET_BITS: u32 = 10;

/// A namespace to survey.
#[derive(Debug)]
pub(super) struct SurveyTarget {
    /// The instance's number.
    pub(super) id: u64,
    /// Its slot in the keys.
    pub(super) slot: u32,
    pub(super) namespace: Namespace,
}

/// How to survey.
#[derive(Clone, Copy, Debug)]
pub(super) struct SurveySettings {
    /// Rows of a table.
    pub(super) rows: usize,
    /// How much of an address is told apart.
    pub(super) prefixes: Prefixes,
    /// Which keys share a set.
    pub(super) seed: u32,
}

/// What was found in an instance.
#[derive(Debug)]
pub(super) struct SurveyResult {
    pub(super) id: u64,
    pub(super) what: Surveyed,
}

#[derive(Debug)]
pub(super) enum Surveyed {
    /// The entries of its table.
    Entries(EntryListing),
    /// The processes behind its local sockets.
    Owners(Owners),
    /// Nothing.
    Failed(SurveyError),
}

/// Why an instance could not be surveyed.
#[derive(Debug, Error)]
pub(super) enum SurveyError {
    /// Its entries could not be listed.
    #[error("entries held are not known: {0}")]
    Entries(#[from] NetlinkError),
    /// Its sockets could not be read.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// It could not be entered.
    #[error(transparent)]
    Enter(#[from] NamespaceError),
}

/// What the thread is asked.
enum Request {
    /// To survey these from now on.
    Watch(Vec<SurveyTarget>),
    /// To list their entries now, and drop this when that is done.
    ListEntries(Sender<Over>),
}

/// The thread. It ends, after what it is doing, when this is dropped.
pub(super) struct Surveyor {
    requests: Sender<Request>,
    found: Receiver<SurveyResult>,
}

impl Surveyor {
    /// Starts it. Call it in the network namespace that [`Namespace::own`] means.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub(super) fn start(
        settings: SurveySettings,
        clock: impl Clock + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (sender, found) = channel();
        let (requests, receiver) = channel();
        worker::start("survey", "lists entries for --top", move || {
            SurveyThread::new(settings, clock, sender).run(&receiver);
        })?;
        Ok(Self { requests, found })
    }

    /// From now on these are surveyed, at once at first.
    pub(super) fn watch(&self, targets: Vec<SurveyTarget>) {
        // It only ends when we do.
        let _ = self.requests.send(Request::Watch(targets));
    }

    /// Has the entries listed once more, and waits for that, but no longer than this.
    pub(super) fn list_entries(&self, patience: Duration) {
        let (sender, done) = channel();
        if self.requests.send(Request::ListEntries(sender)).is_ok() {
            // Nothing is ever sent: the sender is dropped, or we have waited long enough.
            let _ = done.recv_timeout(patience);
        }
    }

    /// What was found since last time.
    pub(super) fn found(&self) -> impl Iterator<Item = SurveyResult> {
        self.found.try_iter()
    }
}

struct SurveyThread<C> {
    settings: SurveySettings,
    clock: C,
    found: Sender<SurveyResult>,
    targets: Vec<SurveyTarget>,
    entries_due: Duration,
    sockets_due: Duration,
}

/// Nobody listens any more.
struct Over;

impl<C: Clock> SurveyThread<C> {
    fn new(settings: SurveySettings, clock: C, found: Sender<SurveyResult>) -> Self {
        let now = clock.now().monotonic;
        Self {
            settings,
            clock,
            found,
            targets: Vec::new(),
            entries_due: now,
            sockets_due: now,
        }
    }

    fn run(mut self, requests: &Receiver<Request>) {
        loop {
            let due = self.entries_due.min(self.sockets_due);
            let wait = if self.targets.is_empty() {
                Duration::MAX
            } else {
                due.saturating_sub(self.clock.now().monotonic)
            };
            let done = match requests.recv_timeout(wait) {
                Ok(Request::Watch(targets)) => {
                    self.targets = targets;
                    Ok(())
                }
                Ok(Request::ListEntries(_dropped_when_done)) => self.survey_entries(),
                Err(RecvTimeoutError::Timeout) => self.survey_what_is_due(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn survey_what_is_due(&mut self) -> Result<(), Over> {
        // Sockets first: they name those who hold most of the entries.
        let start = self.clock.now().monotonic;
        if self.sockets_due <= start {
            let cost = self.cost(Self::survey_sockets)?;
            self.sockets_due = start + period(SOCKETS_EVERY, cost);
        }
        let start = self.clock.now().monotonic;
        if self.entries_due <= start {
            let cost = self.cost(Self::survey_entries)?;
            self.entries_due = start + period(ENTRIES_EVERY, cost);
        }
        Ok(())
    }

    /// Does something, and gives the CPU time it took.
    fn cost(&self, work: fn(&Self) -> Result<(), Over>) -> Result<Duration, Over> {
        let before = self.clock.thread_cpu_time();
        work(self)?;
        Ok(self.clock.thread_cpu_time().saturating_sub(before))
    }

    fn survey_entries(&self) -> Result<(), Over> {
        for target in &self.targets {
            let what = within(target, || {
                let listing = entries(target.slot, &self.settings)?;
                Ok(listing.map(Surveyed::Entries))
            });
            self.send(target, what)?;
        }
        Ok(())
    }

    fn survey_sockets(&self) -> Result<(), Over> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let processes = processes::by_socket(Path::new(PROC));
        for target in &self.targets {
            let what = within(target, || {
                let mut votes = OwnerVotes::new(target.slot, self.settings.prefixes);
                let mut room = SOCKETS;
                sockets::read(Path::new("/proc/thread-self/net"), |socket| {
                    if let Some(process) = processes.get(&socket.inode)
                        && room > 0
                    {
                        room -= 1;
                        votes.add(&socket, process);
                    }
                })?;
                Ok(Some(Surveyed::Owners(votes.owners())))
            });
            self.send(target, what)?;
        }
        Ok(())
    }

    fn send(&self, target: &SurveyTarget, what: Option<Surveyed>) -> Result<(), Over> {
        let Some(what) = what else { return Ok(()) };
        let found = SurveyResult {
            id: target.id,
            what,
        };
        self.found.send(found).map_err(|_| Over)
    }
}

/// Does something in a namespace; nothing if it is gone.
fn within(
    target: &SurveyTarget,
    work: impl FnOnce() -> Result<Option<Surveyed>, SurveyError>,
) -> Option<Surveyed> {
    match target.namespace.within(work) {
        Ok(Ok(what)) => what,
        Ok(Err(reason)) => Some(Surveyed::Failed(reason)),
        // It ended; the readings say so.
        Err(error) if error.is_gone() => None,
        Err(error) => Some(Surveyed::Failed(error.into())),
    }
}

/// Lists the entries of the calling thread's namespace. Nothing where nf_conntrack is not loaded: asking would load it.
fn entries(slot: u32, settings: &SurveySettings) -> Result<Option<EntryListing>, SurveyError> {
    if ProcRoot::new(PROC).max().is_err() {
        return Ok(None);
    }
    let mut counted = GroupBy::ALL.map(|by| (by, SketchBuilder::new(SET_BITS, settings.seed)));
    let listing = Ctnetlink::default().entries(|entry| {
        for (by, counting) in &mut counted {
            if let Some(key) = entry.key(*by, slot, settings.prefixes) {
                counting.add(key);
            }
        }
    })?;
    let groups = counted
        .iter()
        .map(|(by, counting)| (*by, counting.sketch().heavy_hitters(slot, settings.rows)))
        .collect();
    Ok(Some(EntryListing { groups, listing }))
}
