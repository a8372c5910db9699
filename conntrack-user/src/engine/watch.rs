//! Which instances are watched: the chosen namespaces, those that appear later, and the slots in which they are counted.

use std::{collections::HashSet, time::Duration};

use crate::{
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        instance::WatchedInstance,
        scanner::Scanner,
        settings::{NamespaceChoice, Target},
    },
    reading::InstanceInfo,
    source::{
        cpus::CpuDir,
        instance::InstanceSource,
        kernel::KernelSource,
        namespaces::{KnownNamespaces, Namespace},
        proc_fs::{PROC, ProcRoot},
    },
};

/// How often the namespaces that a scan has found are taken, and those that are watched are looked for, when all are watched.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(250);

/// The watched instances.
pub(super) struct WatchList {
    target: Target,
    per_cpu: bool,
    pub(super) instances: Vec<WatchedInstance>,
    /// The number of slots; `None` without probes: then their number is not limited.
    slots: Option<u32>,
    next_id: u64,
    /// Finds namespaces that appear; `None` if not all are watched.
    scanner: Option<Scanner>,
    /// When [`Self::take_gone`] and [`Self::appeared`] are due.
    due: Duration,
    /// Namespaces that cannot be watched yet.
    waiting: Vec<Namespace>,
    reported_too_many: bool,
    /// Namespaces that could not be entered when they appeared, of which each is reported once.
    refused: HashSet<u32>,
    diagnostics: Diagnostics,
}

/// Namespaces to watch; `None` is the directory that is watched instead.
pub(super) type Found = Vec<Option<Namespace>>;

/// Finds the chosen namespaces, without duplicates. If all are chosen, returns what a scan for more need not find again.
///
/// # Errors
///
/// When one of them cannot be found or opened.
pub(super) fn find(target: &Target) -> Result<(Found, Option<KnownNamespaces>), EngineError> {
    let Target::Namespaces { choices, .. } = target else {
        return Ok((vec![None], None));
    };
    let mut found: Vec<Namespace> = Vec::new();
    let mut known = None;
    for choice in choices {
        let more = match choice {
            NamespaceChoice::Own => Namespace::own().map(|own| vec![own]),
            NamespaceChoice::All => Namespace::all().map(|(all, of_all)| {
                known = Some(of_all);
                all
            }),
            NamespaceChoice::Named(name) => Namespace::named(name).map(|named| vec![named]),
        };
        for namespace in more? {
            if !found.iter().any(|known| known.inode == namespace.inode) {
                found.push(namespace);
            }
        }
    }
    Ok((found.into_iter().map(Some).collect(), known))
}

/// The inode number of the only namespace, if there can never be more than one.
pub(super) fn single(target: &Target, found: &Found) -> Option<u32> {
    match (target, &found[..]) {
        (Target::Namespaces { choices, .. }, [Some(only)])
            if *choices != [NamespaceChoice::All] =>
        {
            Some(only.inode)
        }
        _ => None,
    }
}

impl WatchList {
    pub(super) fn new(
        target: Target,
        per_cpu: bool,
        scanner: Option<Scanner>,
        now: Duration,
        diagnostics: Diagnostics,
    ) -> Self {
        Self {
            target,
            per_cpu,
            instances: Vec::new(),
            slots: None,
            next_id: 0,
            scanner,
            due: now + FOLLOW_INTERVAL,
            waiting: Vec::new(),
            reported_too_many: false,
            refused: HashSet::new(),
            diagnostics,
        }
    }

    /// Sets the number of slots. With several, the last one is shared by all namespaces that have none of their own.
    pub(super) fn set_slots(&mut self, slots: Option<u32>) {
        self.slots = slots;
    }

    /// The most instances that can be watched.
    pub(super) fn capacity(&self) -> u32 {
        match self.slots {
            Some(slots) => slots.saturating_sub(1).max(1),
            None => u32::MAX,
        }
    }

    /// Whether namespaces that appear and disappear are followed.
    pub(super) fn follows_all(&self) -> bool {
        self.scanner.is_some()
    }

    /// Time until [`Self::take_gone`] and [`Self::appeared`] are due; `None` if they never are.
    pub(super) fn wait(&self, now: Duration) -> Option<Duration> {
        self.scanner.as_ref().map(|_| self.due.saturating_sub(now))
    }

    /// Schedules the next time after one that ended at `now`.
    pub(super) fn followed(&mut self, now: Duration) {
        self.due = now + FOLLOW_INTERVAL;
    }

    /// Takes out the instances whose namespace is not where it was found.
    pub(super) fn take_gone(&mut self) -> Vec<WatchedInstance> {
        let gone = |instance: &mut WatchedInstance| {
            let namespace = instance.namespace.as_ref();
            namespace.is_some_and(|namespace| !namespace.is_there())
        };
        self.instances.extract_if(.., gone).collect()
    }

    /// The namespaces that have appeared, and those that had to wait. One that is gone already is among them, so that it is reported.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be read.
    pub(super) fn appeared(&mut self) -> Result<Found, EngineError> {
        let Some(scanner) = &self.scanner else {
            return Ok(Vec::new());
        };
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let waiting = waiting.filter(Namespace::is_there);
        let mut appeared: Vec<Namespace> = Vec::new();
        for namespace in waiting.chain(scanner.found()?) {
            let mut watched = self.instances.iter_mut();
            let watched =
                watched.find_map(|i| i.namespace.as_mut().filter(|n| n.inode == namespace.inode));
            match watched {
                // It has another name or process.
                Some(watched) if watched.is_there() => watched.move_to(namespace),
                // Of a namespace that is gone, as the next call of `take_gone` finds.
                Some(_) => self.waiting.push(namespace),
                None => {
                    appeared.retain(|other| other.inode != namespace.inode);
                    appeared.push(namespace);
                }
            }
        }
        Ok(appeared.into_iter().map(Some).collect())
    }

    /// Keeps a namespace that cannot be watched, to try again later.
    pub(super) fn postpone(&mut self, mut namespace: Namespace) {
        namespace.let_go();
        if self.follows_all() {
            self.waiting.push(namespace);
        }
    }

    /// Whether it is the first time that a namespace could not be entered.
    pub(super) fn is_first_refusal(&mut self, netns: Option<u32>) -> bool {
        netns.is_none_or(|netns| self.refused.insert(netns))
    }

    /// The instance that is counted in a slot.
    pub(super) fn in_slot(&mut self, slot: u32) -> Option<&mut WatchedInstance> {
        let mut instances = self.instances.iter_mut();
        instances.find(|instance| instance.info.slot == Some(slot))
    }

    /// Prepares to watch a namespace (`None`: the directory) in a free slot; `None` if no slot is free.
    pub(super) fn prepare(&mut self, namespace: Option<Namespace>) -> Option<WatchedInstance> {
        let taken: HashSet<u32> = self.instances.iter().filter_map(|i| i.info.slot).collect();
        let Some(slot) = (0..self.capacity()).find(|slot| !taken.contains(slot)) else {
            if !std::mem::replace(&mut self.reported_too_many, true) {
                self.diagnostics.notify(format_args!(
                    "there are more network namespaces than the {} that can be watched; the others are counted together and \
                     not shown",
                    self.capacity()
                ));
            }
            namespace.into_iter().for_each(|n| self.postpone(n));
            return None;
        };
        let info = InstanceInfo {
            id: self.next_id,
            name: match &namespace {
                Some(namespace) => namespace.name.clone(),
                None => "self".into(),
            },
            netns: namespace.as_ref().map(|namespace| namespace.inode),
            slot: Some(slot),
        };
        self.next_id += 1;
        Some(WatchedInstance::new(info, namespace, self.source()))
    }

    fn source(&self) -> InstanceSource {
        let (proc, choice, cpus) = match &self.target {
            Target::Namespaces { source, .. } => {
                (ProcRoot::new(PROC), *source, CpuDir::of_this_machine())
            }
            Target::ProcRoot(root) => {
                (ProcRoot::new(root), KernelSource::Procfs, CpuDir::unknown())
            }
        };
        InstanceSource::new(proc, choice, self.per_cpu.then_some(cpus))
    }
}
