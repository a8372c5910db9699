//! The settings of a run as plain values, whatever they come from.

use std::{path::PathBuf, str::FromStr, time::Duration};

use thiserror::Error;

use crate::{
    config::HookLimits,
    model::{alert::AlertSettings, burst, top::talkers::TopSettings},
    privileges::needs::NetworkUse,
    probes::plan::ProbeRequest,
    source::kernel::KernelSource,
};

/// What a run watches and measures, and how.
#[derive(Clone, Debug)]
pub struct RunSettings {
    /// Time between readings.
    pub interval: Duration,
    /// Whether readings are at whole multiples of the interval by the wall clock, as those of other programs are.
    pub aligned: bool,
    /// How long the run lasts; `None`: until it is interrupted.
    pub duration: Option<Duration>,
    pub target: Target,
    pub probes: ProbeSettings,
    /// Whether samples carry their buckets.
    pub buckets: bool,
    /// Whether counters are also reported per CPU.
    pub per_cpu: bool,
    /// What counts as a burst.
    pub bursts: burst::BurstSettings,
    /// Which alerts are evaluated, and their thresholds.
    pub alerts: AlertSettings,
    /// The command that runs for each notification.
    pub hook: Option<HookSettings>,
    /// What is reported of top talkers; `None`: nothing.
    pub top: Option<TopSettings>,
    /// Whether it is looked up what addresses of events belong to; with top talkers it always is.
    pub events_named: bool,
    /// Where the host's files are, which name containers; `None`: where they usually are.
    pub host_root: Option<PathBuf>,
    /// Whether lifetimes are counted.
    pub lifetimes: bool,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
    /// Whether ctpulse's own CPU and memory use is measured.
    pub own_cost: bool,
    pub privileges: PrivilegeSettings,
}

/// What becomes of privileges, and what is done besides that takes some.
#[derive(Clone, Copy, Debug, Default)]
pub struct PrivilegeSettings {
    /// Whether they are given up once the probes are attached, all but what reading takes. They cannot be attached again then.
    pub drop: bool,
    /// Whether files are written whose names are not known at the start.
    pub writes_files: bool,
    pub network: NetworkUse,
}

/// What a run watches.
#[derive(Clone, Debug)]
pub enum Target {
    /// Network namespaces of this kernel.
    Namespaces {
        /// The chosen ones.
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
    /// The one that ctpulse runs in.
    Own,
    /// All that have a name or a process, and those that appear later.
    All,
    /// One by its name, process id or path.
    Named(String),
}

/// Which probes to attach, and how.
#[derive(Clone, Debug)]
pub struct ProbeSettings {
    /// The requested group of probes.
    pub request: ProbeRequest,
    /// The eBPF object to load; `None`: the embedded one.
    pub object: Option<PathBuf>,
    /// Functions to treat as if the kernel did not have them.
    pub without_functions: Vec<String>,
    /// Functions on which fentry is not used; empty: all; `None`: fentry wherever the kernel supports it.
    pub no_fentry: Option<Vec<String>>,
    /// The most events of one kind that are sent per second.
    pub event_rate: u32,
}

impl NamespaceChoice {
    /// As it is chosen.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Own => "self",
            Self::All => "all",
            Self::Named(name) => name,
        }
    }
}

impl RunSettings {
    /// Whether any probes were requested.
    #[must_use]
    pub fn wants_probes(&self) -> bool {
        matches!(self.probes.request, ProbeRequest::Group(_))
    }
}

/// The command that runs for each notification.
#[derive(Clone, Debug)]
pub struct HookSettings {
    /// For `sh -c`.
    pub command: String,
    /// Whom it runs as, by name or number; `None`: as ctpulse.
    pub user: Option<String>,
    /// Limits on its run time and parallelism.
    pub limits: HookLimits,
}

/// The error for an empty choice of network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected self, all, a name, a process id or a path")]
pub struct EmptyChoice;

impl FromStr for NamespaceChoice {
    type Err = EmptyChoice;

    fn from_str(text: &str) -> Result<Self, EmptyChoice> {
        match text {
            "" => Err(EmptyChoice),
            "self" => Ok(Self::Own),
            "all" => Ok(Self::All),
            _ => Ok(Self::Named(text.to_owned())),
        }
    }
}
