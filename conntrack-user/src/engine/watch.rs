//! Which instances are watched: the namespaces that were asked for, those that appear, and the slots they are counted in.

use std::time::Duration;

use crate::{
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        instance::WatchedInstance,
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

/// How often namespaces are looked for where all are watched.
const LOOK_FOR_NAMESPACES: Duration = Duration::from_secs(1);

/// Which instances are watched.
pub(super) struct WatchList {
    target: Target,
    per_cpu: bool,
    pub(super) instances: Vec<WatchedInstance>,
    /// Instances that are counted apart; `None`: as many as there are, for nothing is counted in slots.
    slots: Option<u32>,
    next_id: u64,
    looked: Duration,
    told_too_many: bool,
    diagnostics: Diagnostics,
}

/// Namespaces to watch, or the directory that is watched instead.
pub(super) type Found = Vec<Option<Namespace>>;

/// What was asked for, each namespace once.
///
/// # Errors
///
/// When one that was named cannot be had.
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

/// The inode number of the only namespace there will ever be; `None` where there may be several.
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
        Self {
            target,
            per_cpu,
            instances: Vec::new(),
            slots: None,
            next_id: 0,
            looked: now,
            told_too_many: false,
            diagnostics,
        }
    }

    /// From now on instances are counted in `slots` slots, of which the last is for all that have none; or not in slots.
    pub(super) fn set_slots(&mut self, slots: Option<u32>) {
        self.slots = slots;
    }

    /// Whether instances are told apart by assigning them slots, which takes more than one.
    pub(super) fn assigns_slots(&self) -> bool {
        self.slots.is_some_and(|slots| slots > 1)
    }

    /// How many instances are counted apart.
    pub(super) fn room(&self) -> u32 {
        match self.slots {
            Some(slots) => slots.saturating_sub(1).max(1),
            None => u32::MAX,
        }
    }

    /// Where all namespaces are watched: those that have appeared, if it is time to look.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be looked at.
    pub(super) fn appeared(&mut self, now: Duration) -> Result<Found, EngineError> {
        let Target::Namespaces { choices, .. } = &self.target else {
            return Ok(Vec::new());
        };
        if !choices.contains(&NamespaceChoice::All)
            || now.saturating_sub(self.looked) < LOOK_FOR_NAMESPACES
        {
            return Ok(Vec::new());
        }
        self.looked = now;
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

    /// Makes ready to watch a namespace (`None`: the directory) in a free slot; `None` where there is none.
    pub(super) fn prepare(&mut self, namespace: Option<Namespace>) -> Option<WatchedInstance> {
        let taken = |slot: u32| self.instances.iter().any(|i| i.info.slot == Some(slot));
        let Some(slot) = (0..self.room()).find(|slot| !taken(*slot)) else {
            if !std::mem::replace(&mut self.told_too_many, true) {
                self.diagnostics.notify(format_args!(
                    "there are more network namespaces than the {} that can be watched; the others are counted together and \
                     not shown",
                    self.room()
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
