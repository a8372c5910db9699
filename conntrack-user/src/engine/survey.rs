//! What takes long to look up, in a thread of its own: the entries of the table, and the processes
//! behind local sockets. Seldom, so that it costs little, and beside the readings, so that they wait
//! for nothing.

use std::{
    io,
    path::Path,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant},
};

use conntrack_ebpf::leaders::Prefixes;

use crate::{
    clock::thread_cpu_time,
    engine::pace::period,
    model::top::owners::{Finding, Owners},
    reading::{
        entries::{GroupBy, Listing},
        heavy_hitters::{Counting, Leaders},
    },
    source::{ctnetlink::Ctnetlink, namespaces::Namespace, processes, sockets},
};

/// Entries are listed no more often than this.
const ENTRIES_EVERY: Duration = Duration::from_secs(10);

/// Sockets are looked at no more often than this.
const SOCKETS_EVERY: Duration = Duration::from_secs(5);

/// Sockets counted of a namespace. Of those beyond, the processes stay unknown.
const SOCKETS: usize = 100_000;

/// log2 of the sets entries are counted in: 7,168 keys of each kind.
const SET_BITS: u32 = 10;

/// Which namespace to survey.
#[derive(Debug)]
pub struct Target {
    /// Its slot.
    pub slot: u32,
    /// It.
    pub namespace: Namespace,
}

/// What is wanted of it.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Rows of a table.
    pub rows: usize,
    /// How much of an address is told apart.
    pub prefixes: Prefixes,
    /// Which keys share a set.
    pub seed: u32,
}

/// What was found in a namespace, by its inode number.
#[derive(Debug)]
pub struct Found {
    /// The namespace.
    pub inode: u32,
    /// In it.
    pub what: What,
}

/// What was found.
#[derive(Debug)]
pub enum What {
    /// The entries of the table.
    Entries {
        /// The leaders of each kind.
        leaders: Vec<(GroupBy, Leaders)>,
        /// How well they were listed.
        listing: Listing,
    },
    /// The processes behind local sockets.
    Owners(Owners),
    /// Nothing, and why.
    Failed(String),
}

/// What the thread is told.
enum Command {
    /// Survey these from now on.
    Watch(Vec<Target>),
    /// List their entries now, and drop this when that is done.
    ListEntries(Sender<Over>),
}

/// The thread. It ends, after what it is at, when this is dropped.
pub struct Survey {
    commands: Sender<Command>,
    found: Receiver<Found>,
}

impl Survey {
    /// Starts it. Call it in the network namespace that `self` means.
    ///
    /// # Errors
    ///
    /// When there can be no more threads.
    pub fn start(wanted: Wanted) -> io::Result<Self> {
        let (sender, found) = channel();
        let (commands, receiver) = channel();
        thread::Builder::new()
            .name("survey".to_owned())
            .spawn(move || Surveyor::new(wanted, sender).run(&receiver))?;
        Ok(Self { commands, found })
    }

    /// From now on these are surveyed, at once at first.
    pub fn watch(&self, targets: Vec<Target>) {
        // It only ends when we do.
        let _ = self.commands.send(Command::Watch(targets));
    }

    /// Has the entries listed once more, and waits for that, but no longer than this.
    pub fn list_entries(&self, patience: Duration) {
        let (sender, done) = channel();
        if self.commands.send(Command::ListEntries(sender)).is_ok() {
            // Nothing is ever sent: the sender is dropped, or we have waited long enough.
            let _ = done.recv_timeout(patience);
        }
    }

    /// What was found since last time.
    pub fn found(&self) -> impl Iterator<Item = Found> {
        self.found.try_iter()
    }
}

struct Surveyor {
    wanted: Wanted,
    found: Sender<Found>,
    targets: Vec<Target>,
    entries_due: Instant,
    sockets_due: Instant,
}

/// Nobody listens any more.
struct Over;

impl Surveyor {
    fn new(wanted: Wanted, found: Sender<Found>) -> Self {
        let now = Instant::now();
        Self {
            wanted,
            found,
            targets: Vec::new(),
            entries_due: now,
            sockets_due: now,
        }
    }

    fn run(mut self, commands: &Receiver<Command>) {
        loop {
            let due = self.entries_due.min(self.sockets_due);
            let wait = if self.targets.is_empty() {
                Duration::MAX
            } else {
                due.saturating_duration_since(Instant::now())
            };
            let done = match commands.recv_timeout(wait) {
                Ok(Command::Watch(targets)) => {
                    self.targets = targets;
                    Ok(())
                }
                Ok(Command::ListEntries(_dropped_when_done)) => self.survey_entries(),
                Err(RecvTimeoutError::Timeout) => self.turn(),
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if done.is_err() {
                return;
            }
        }
    }

    fn turn(&mut self) -> Result<(), Over> {
        // Sockets first: they name those who lead among the entries.
        let begin = (Instant::now(), thread_cpu_time());
        if self.sockets_due <= begin.0 {
            self.survey_sockets()?;
            self.sockets_due = begin.0 + period(SOCKETS_EVERY, thread_cpu_time() - begin.1);
        }
        let begin = (Instant::now(), thread_cpu_time());
        if self.entries_due <= begin.0 {
            self.survey_entries()?;
            self.entries_due = begin.0 + period(ENTRIES_EVERY, thread_cpu_time() - begin.1);
        }
        Ok(())
    }

    fn survey_entries(&self) -> Result<(), Over> {
        for target in &self.targets {
            let what = within(target, || entries(target.slot, &self.wanted));
            self.tell(target, what)?;
        }
        Ok(())
    }

    fn survey_sockets(&self) -> Result<(), Over> {
        if self.targets.is_empty() {
            return Ok(());
        }
        let processes = processes::by_socket(Path::new("/proc"));
        for target in &self.targets {
            let what = within(target, || {
                let mut finding = Finding::new(target.slot, self.wanted.prefixes);
                let mut room = SOCKETS;
                sockets::read(Path::new("/proc/thread-self/net"), |socket| {
                    if let Some(process) = processes.get(&socket.inode)
                        && room > 0
                    {
                        room -= 1;
                        finding.add(&socket, process);
                    }
                })
                .map_err(|e| e.to_string())?;
                Ok(Some(What::Owners(finding.owners())))
            });
            self.tell(target, what)?;
        }
        Ok(())
    }

    fn tell(&self, target: &Target, what: Option<What>) -> Result<(), Over> {
        let Some(what) = what else { return Ok(()) };
        let inode = target.namespace.inode;
        self.found.send(Found { inode, what }).map_err(|_| Over)
    }
}

/// Does something in a namespace; nothing if it is gone.
fn within(target: &Target, work: impl FnOnce() -> Result<Option<What>, String>) -> Option<What> {
    match target.namespace.within(work) {
        Ok(Ok(what)) => what,
        Ok(Err(reason)) => Some(What::Failed(reason)),
        // It ended; the readings say so.
        Err(error) if error.is_gone() => None,
        Err(error) => Some(What::Failed(error.to_string())),
    }
}

/// Lists the entries of the calling thread's namespace. Nothing where nf_conntrack is not loaded: asking
/// would load it.
fn entries(slot: u32, wanted: &Wanted) -> Result<Option<What>, String> {
    if !Path::new("/proc/sys/net/netfilter/nf_conntrack_max").exists() {
        return Ok(None);
    }
    let mut counted = GroupBy::ALL.map(|of| (of, Counting::new(SET_BITS, wanted.seed)));
    let listing = Ctnetlink::default()
        .entries(|entry| {
            for (of, counting) in &mut counted {
                if let Some(key) = entry.key(*of, slot, wanted.prefixes) {
                    counting.add(key);
                }
            }
        })
        .map_err(|e| format!("entries held are not known: {e}"))?;
    let leaders = counted
        .iter()
        .map(|(of, counting)| (*of, counting.tally().leaders(slot, wanted.rows)))
        .collect();
    Ok(Some(What::Entries { leaders, listing }))
}
