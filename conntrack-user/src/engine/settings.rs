//! What a run is asked to do, in plain values: where they come from is for the rooms above to know.

use std::{path::PathBuf, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    config::HookLimits,
    model::{alert::AlertSettings, burst, top::talkers::TopSettings},
    probes::plan::ProbeRequest,
    source::kernel::KernelSource,
};

/// What a run is asked to do.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Time between readings.
    pub interval: Duration,
    /// How long it runs; `None`: until it is ended.
    pub duration: Option<Duration>,
    /// What is watched.
    pub target: Target,
    pub probes: ProbeSettings,
    /// Whether samples carry their buckets.
    pub buckets: bool,
    /// Whether each CPU is told apart.
    pub per_cpu: bool,
    /// What counts as a burst.
    pub bursts: burst::BurstSettings,
    /// How alerts are judged.
    pub alerts: AlertSettings,
    /// The command that is run for notifications.
    pub hook: Option<HookSettings>,
    /// What is reported of top talkers.
    pub top: Option<TopSettings>,
    /// Whether lifetimes are counted.
    pub lifetimes: bool,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
    /// Whether what watching costs is looked at.
    pub own_cost: bool,
}

/// What is watched.
#[derive(Clone, Debug)]
pub enum Target {
    /// Network namespaces of this kernel.
    Namespaces {
        /// Which.
        choices: Vec<NamespaceChoice>,
        /// Where the kernel's own counters are read from.
        source: KernelSource,
    },
    /// A directory laid out like /proc.
    ProcRoot(PathBuf),
}

/// A choice of network namespaces: `self`, `all`, or one by its name, process id or path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NamespaceChoice {
    /// The one ctpulse runs in.
    Own,
    /// All that have a name or a process, and those that come.
    All,
    /// One by its name, process id or path.
    Named(String),
}

/// How probes are attached.
#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// Which.
    pub request: ProbeRequest,
    /// The eBPF object to load; `None`: the embedded one.
    pub object: Option<PathBuf>,
    /// Functions to do without, as if the kernel did not have them.
    pub without_functions: Vec<String>,
    /// Functions to probe without fentry; empty: all; `None`: fentry where it can be had.
    pub no_fentry: Option<Vec<String>>,
    /// Events of one kind sent in a second, at most.
    pub event_rate: u32,
}

impl RunSettings {
    /// Whether probes were asked for at all.
    #[must_use]
    pub fn wants_probes(&self) -> bool {
        matches!(self.probes.request, ProbeRequest::Group(_))
    }
}

/// The command that is run for notifications.
#[derive(Clone, Debug)]
pub struct HookSettings {
    /// For `sh -c`.
    pub command: String,
    /// Its bounds.
    pub limits: HookLimits,
}

/// Why a text chooses no network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected self, all, a name, a process id or a path")]
pub struct NoChoice;

impl FromStr for NamespaceChoice {
    type Err = NoChoice;

    fn from_str(text: &str) -> Result<Self, NoChoice> {
        match text {
            "" => Err(NoChoice),
            "self" => Ok(Self::Own),
            "all" => Ok(Self::All),
            _ => Ok(Self::Named(text.to_owned())),
        }
    }
}
