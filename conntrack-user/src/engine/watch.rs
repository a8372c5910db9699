//! Which instances are watched: the chosen namespaces, those that appear later, and the slots in which they are counted.

use std::time::Duration;

use crate::{
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        instance::WatchedInstance,
        others,
        settings::{NamespaceChoice, Target},
    },
    reading::InstanceInfo,
    source::{
        cpus::CpuDir,
        instance::InstanceSource,
        kernel::KernelSource,
        namespaces::Namespace,
        proc_fs::{PROC, ProcRoot},
    },
};

/// How often the host is scanned for new namespaces when all are watched.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// The watched instances.
pub(super) struct WatchList {
    target: Target,
    per_cpu: bool,
    pub(super) instances: Vec<WatchedInstance>,
    /// The number of slots; `None` without probes: then their number is not limited.
    slots: Option<u32>,
    next_id: u64,
    last_scan: Duration,
    reported_too_many: bool,
    diagnostics: Diagnostics,
}

/// Namespaces to watch; `None` is the directory that is watched instead.
pub(super) type Found = Vec<Option<Namespace>>;

/// Finds the chosen namespaces, without duplicates.
///
/// # Errors
///
/// When one of them cannot be found or opened.
pub(super) fn find(target: &Target) -> Result<Found, EngineError> {
    let Target::Namespaces { choices, .. } = target else {
        return Ok(vec![None]);
    };
    let mut found: Vec<Namespace> = Vec::new();
    for choice in choices {
        let more = match choice {
            NamespaceChoice::Own => Namespace::own().map(|own| vec![own]),
            NamespaceChoice::All => Namespace::all(),
            NamespaceChoice::Named(name) => Namespace::named(name).map(|named| vec![named]),
        };
        for namespace in more? {
            if !found.iter().any(|known| known.inode == namespace.inode) {
                found.push(namespace);
            }
        }
    }
    Ok(found.into_iter().map(Some).collect())
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
        now: Duration,
        diagnostics: Diagnostics,
    ) -> Self {
        others::notify(&target, &diagnostics);
        Self {
            target,
            per_cpu,
            instances: Vec::new(),
            slots: None,
            next_id: 0,
            last_scan: now,
            reported_too_many: false,
            diagnostics,
        }
    }

    /// Sets the number of slots. With several, the last one is shared by all namespaces that have none of their own.
    pub(super) fn set_slots(&mut self, slots: Option<u32>) {
        self.slots = slots;
    }

    /// Whether namespaces are assigned slots; a single slot counts everything.
    pub(super) fn assigns_slots(&self) -> bool {
        self.slots.is_some_and(|slots| slots > 1)
    }

    /// The most instances that can be watched.
    pub(super) fn capacity(&self) -> u32 {
        match self.slots {
            Some(slots) => slots.saturating_sub(1).max(1),
            None => u32::MAX,
        }
    }

    /// The namespaces that have appeared since the last scan, if all are watched and a scan is due.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be opened.
    pub(super) fn appeared(&mut self, now: Duration) -> Result<Found, EngineError> {
        let Target::Namespaces { choices, .. } = &self.target else {
            return Ok(Vec::new());
        };
        if !choices.contains(&NamespaceChoice::All)
            || now.saturating_sub(self.last_scan) < SCAN_INTERVAL
        {
            return Ok(Vec::new());
        }
        self.last_scan = now;
        let known = |namespace: &Namespace| {
            let mut watched = self.instances.iter().filter_map(|i| i.namespace.as_ref());
            watched.any(|n| n.inode == namespace.inode)
        };
        let all = Namespace::all()?;
        Ok(all
            .into_iter()
            .filter(|namespace| !known(namespace))
            .map(Some)
            .collect())
    }

    /// Prepares to watch a namespace (`None`: the directory) in a free slot; `None` if no slot is free.
    pub(super) fn prepare(&mut self, namespace: Option<Namespace>) -> Option<WatchedInstance> {
        let taken = |slot: u32| self.instances.iter().any(|i| i.info.slot == Some(slot));
        let Some(slot) = (0..self.capacity()).find(|slot| !taken(*slot)) else {
            if !std::mem::replace(&mut self.reported_too_many, true) {
                self.diagnostics.notify(format_args!(
                    "there are more network namespaces than the {} that can be watched; the others are counted together and \
                     not shown",
                    self.capacity()
                ));
            }
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
        Some(WatchedInstance::new(
            info,
            namespace,
            self.source(),
            self.diagnostics.clone(),
        ))
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
