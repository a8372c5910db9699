//! Slow lookups in a thread of their own: the entries of the table, and the processes behind local sockets. They are done seldom,
//! to limit their cost, and never delay a reading.

use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::Duration,
};

use conntrack_ebpf::heavy_hitters::Prefixes;
use thiserror::Error;

mod listing;

use super::worker::{self, Holds};
use crate::{
    clock::Clock,
    engine::{error::EngineError, pace::period},
    privileges::CapabilitySet,
    reading::{
        owners::{OwnerVotes, Owners},
        table_limits::LimitsReading,
        top::EntryListing,
    },
    source::{
        namespaces::{Namespace, NamespaceError},
        nfnetlink::socket::NetlinkError,
        proc_fs::{PROC, ProcRoot},
        processes,
        sockets::{self, SocketsError},
        table_limits,
        workloads::WorkloadReader,
    },
};

/// The least time between two listings of the entries.
const ENTRIES_EVERY: Duration = Duration::from_secs(10);

/// The least time between two listings of sockets.
const SOCKETS_EVERY: Duration = Duration::from_secs(5);

/// The most sockets read per namespace. The processes behind further sockets stay unknown.
const SOCKETS: usize = 100_000;

/// A namespace to survey.
#[derive(Debug)]
pub(super) struct SurveyTarget {
    pub(super) id: u64,
    /// Its slot, as in the keys.
    pub(super) slot: u32,
    pub(super) namespace: Namespace,
}

/// How to survey.
#[derive(Clone, Debug)]
pub(super) struct SurveySettings {
    /// Rows of a top table.
    pub(super) rows: usize,
    /// The prefix lengths by which addresses are grouped.
    pub(super) prefixes: Prefixes,
    /// The hash seed of the sketches.
    pub(super) seed: u32,
    /// Where the host's files are, if a user has said so.
    pub(super) host_root: Option<PathBuf>,
}

/// The result of surveying an instance.
#[derive(Debug)]
pub(super) struct SurveyResult {
    pub(super) id: u64,
    pub(super) what: Surveyed,
}

#[derive(Debug)]
pub(super) enum Surveyed {
    /// The entries of its table.
    Entries(Box<EntryListing>),
    /// What limits its table.
    Limits(Box<LimitsReading>),
    /// The processes behind its local sockets.
    Owners(Owners),
    /// The survey failed.
    Failed(SurveyError),
}

/// Why an instance could not be surveyed.
#[derive(Debug, Error)]
pub(super) enum SurveyError {
    /// Its entries could not be listed.
    #[error("cannot list the entries of the table: {0}")]
    Entries(#[from] NetlinkError),
    /// Its sockets could not be read.
    #[error(transparent)]
    Sockets(#[from] SocketsError),
    /// Its namespace could not be entered.
    #[error(transparent)]
    Enter(#[from] NamespaceError),
}

/// Requests to the thread.
enum Request {
    /// Survey these from now on.
    Watch(Vec<SurveyTarget>),
    /// List their entries now; the sender is dropped when that is done.
    ListEntries(Sender<Disconnected>),
}

/// Handle of the thread. When it is dropped, the thread ends after its current work.
pub(super) struct Surveyor {
    requests: Sender<Request>,
    found: Receiver<SurveyResult>,
}

impl Surveyor {
    /// Starts the thread, with these capabilities. Must be called in the network namespace that [`Namespace::own`] returns.
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub(super) fn start(
        settings: SurveySettings,
        holds: CapabilitySet,
        clock: impl Clock + Send + 'static,
    ) -> Result<Self, EngineError> {
        let (sender, found) = channel();
        let (requests, receiver) = channel();
        worker::start_holding(
            Holds::Only(holds),
            "survey",
            "lists entries for --top",
            move || {
                SurveyThread::new(settings, clock, sender).run(&receiver);
            },
        )?;
        Ok(Self { requests, found })
    }

    /// Surveys these from now on, the first time at once.
    pub(super) fn watch(&self, targets: Vec<SurveyTarget>) {
        // The thread only ends when this handle is dropped.
        let _ = self.requests.send(Request::Watch(targets));
    }

    /// Lists the entries once more, and waits for the result until the timeout.
    pub(super) fn list_entries(&self, limit: Duration) {
        let (sender, done) = channel();
        if self.requests.send(Request::ListEntries(sender)).is_ok() {
            // Nothing is ever sent: the call returns when the sender is dropped, or at the timeout.
            let _ = done.recv_timeout(limit);
        }
    }

    /// The results since the last call.
    pub(super) fn found(&self) -> impl Iterator<Item = SurveyResult> {
        self.found.try_iter()
    }
}

struct SurveyThread<C> {
    settings: SurveySettings,
    clock: C,
    found: Sender<SurveyResult>,
    targets: Vec<SurveyTarget>,
    workloads: WorkloadReader,
    entries_due: Duration,
    sockets_due: Duration,
}

/// The other side of a channel is gone.
struct Disconnected;

impl<C: Clock> SurveyThread<C> {
    fn new(settings: SurveySettings, clock: C, found: Sender<SurveyResult>) -> Self {
        let now = clock.now().monotonic;
        Self {
            workloads: WorkloadReader::new(settings.host_root.as_deref()),
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
                Err(RecvTimeoutError::Timeout) => self.survey_due(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn survey_due(&mut self) -> Result<(), Disconnected> {
        // Sockets first: they name the owners of the heaviest entries.
        let start = self.clock.now().monotonic;
        if self.sockets_due <= start {
            let cpu_time = self.cpu_time(Self::survey_sockets)?;
            self.sockets_due = start + period(SOCKETS_EVERY, cpu_time);
        }
        let start = self.clock.now().monotonic;
        if self.entries_due <= start {
            let cpu_time = self.cpu_time(Self::survey_entries)?;
            self.entries_due = start + period(ENTRIES_EVERY, cpu_time);
        }
        Ok(())
    }

    /// Runs `work` and returns the CPU time that it took.
    fn cpu_time(
        &mut self,
        work: fn(&mut Self) -> Result<(), Disconnected>,
    ) -> Result<Duration, Disconnected> {
        let before = self.clock.thread_cpu_time();
        work(self)?;
        Ok(self.clock.thread_cpu_time().saturating_sub(before))
    }

    fn survey_entries(&mut self) -> Result<(), Disconnected> {
        for target in &self.targets {
            let what = within(target, || {
                let listing = listing::entries(target.slot, &self.settings, &self.clock)?;
                Ok(listing.map(|listing| Surveyed::Entries(Box::new(listing))))
            });
            self.send(target, what)?;
            let what = within(target, || {
                let limits = is_loaded().then(table_limits::read);
                Ok(limits.map(|limits| Surveyed::Limits(Box::new(limits))))
            });
            self.send(target, what)?;
        }
        Ok(())
    }

    fn survey_sockets(&mut self) -> Result<(), Disconnected> {
        if self.targets.is_empty() {
            return Ok(());
        }
        self.workloads.start_round(self.clock.now().monotonic);
        let processes = processes::by_socket(Path::new(PROC), &mut self.workloads);
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

    fn send(&self, target: &SurveyTarget, what: Option<Surveyed>) -> Result<(), Disconnected> {
        let Some(what) = what else { return Ok(()) };
        let found = SurveyResult {
            id: target.id,
            what,
        };
        self.found.send(found).map_err(|_| Disconnected)
    }
}

/// Runs `work` in the target's namespace; returns `None` if that is gone.
fn within(
    target: &SurveyTarget,
    work: impl FnOnce() -> Result<Option<Surveyed>, SurveyError>,
) -> Option<Surveyed> {
    match target.namespace.within(work) {
        Ok(Ok(what)) => what,
        Ok(Err(reason)) => Some(Surveyed::Failed(reason)),
        // The namespace ended; the readings report that.
        Err(error) if error.is_gone() => None,
        Err(error) => Some(Surveyed::Failed(error.into())),
    }
}

/// Whether the calling thread's namespace has nf_conntrack: where it is not loaded, a request would load it.
fn is_loaded() -> bool {
    ProcRoot::new(PROC).max().is_ok()
}
