//! The prepared guest: runs rounds under a condition, timed or with every hit counted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    probes::{self, Probe},
    programs::{self, ByTag, Counting},
    table,
    traffic::Flood,
    watcher::{Condition, Watcher},
};

/// What all rounds have in common.
pub(crate) struct Lab {
    flood: Flood,
    /// Flows in a round.
    pub(crate) flows: u32,
    /// ctpulse's flow group, and bpftrace's probes.
    pub(crate) flow: Group,
    /// ctpulse's all group, or why it is unavailable.
    pub(crate) all: Result<Group, String>,
}

/// Where the probes of a group are attached.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    /// The kprobes.
    pub(crate) probes: BTreeSet<Probe>,
}

/// A timed round.
pub(crate) struct Timed {
    /// From the first packet to the last.
    pub(crate) making: Duration,
    /// From the request to remove all flows until they are removed.
    pub(crate) removing: Duration,
    /// New flows that the watcher counted, if it counts them.
    pub(crate) seen: Option<u64>,
    /// Events that the kernel could not deliver to the watcher, if it receives events.
    pub(crate) lost: Option<u64>,
}

/// The activity of BPF programs in a round.
pub(crate) struct Counted {
    /// While flows were created.
    pub(crate) made: ByTag,
    /// While they were removed.
    pub(crate) removed: ByTag,
    /// The programs' names by tag.
    pub(crate) names: BTreeMap<String, Vec<String>>,
}

impl Lab {
    /// Prepares the table, and finds out where ctpulse attaches probes.
    pub(crate) fn prepare(flows: u32) -> Result<Self> {
        probes::require_none()?;
        table::prepare(flows)?;
        Ok(Self {
            flood: Flood::new()?,
            flows,
            flow: Group::of(Condition::Flow)?,
            all: Group::of(Condition::All).map_err(|error| format!("{error:#}")),
        })
    }

    /// The number of CPUs that create flows.
    pub(crate) fn cpus(&self) -> usize {
        self.flood.cpus()
    }

    /// Those of the conditions that are available.
    pub(crate) fn available(&self, conditions: &[Condition]) -> Vec<Condition> {
        let can = |&condition: &Condition| condition != Condition::All || self.all.is_ok();
        conditions.iter().copied().filter(can).collect()
    }

    /// Runs a timed round.
    pub(crate) fn timed(&self, condition: Condition) -> Result<Timed> {
        let round = || -> Result<_> {
            let watcher = self.watcher(condition)?;
            let making = self.make()?;
            let lost = watcher.lost_events()?;
            let removing = table::empty()?;
            let seen = watcher.stop()?;
            Ok(Timed {
                making,
                removing,
                seen,
                lost,
            })
        };
        round().with_context(|| format!("a round with {}", condition.name()))
    }

    /// Runs a round in which the kernel counts and times BPF programs.
    pub(crate) fn counted(&self, condition: Condition) -> Result<Counted> {
        let round = || -> Result<_> {
            let _counting = Counting::start()?;
            let watcher = self.watcher(condition)?;
            let before = watcher.programs()?;
            self.make()?;
            let full = watcher.programs()?;
            table::empty()?;
            let counted = Counted {
                made: programs::since(&full, &before),
                removed: programs::since(&watcher.programs()?, &full),
                names: programs::names()?,
            };
            watcher.stop()?;
            Ok(counted)
        };
        round().with_context(|| format!("a counted round with {}", condition.name()))
    }

    fn watcher(&self, condition: Condition) -> Result<Watcher> {
        Watcher::start(condition, &self.flow.probes)
    }

    fn make(&self) -> Result<Duration> {
        let elapsed = self.flood.make(self.flows)?;
        table::holds(self.flows)?;
        Ok(elapsed)
    }
}

impl Group {
    /// The probes that the kernel lists while ctpulse runs with kprobes only.
    fn of(condition: Condition) -> Result<Self> {
        let watcher = Watcher::by_kprobe(condition)?;
        let probes = probes::attached()?;
        watcher.stop()?;
        Ok(Self { probes })
    }
}
