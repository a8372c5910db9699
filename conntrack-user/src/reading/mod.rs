//! What is measured: the data types that [`crate::source`] and [`crate::probes`] hand to the model. No IO, no decisions.
//!
//! Everything that is measured in a tick is one [`Reading`].

pub mod buckets;
pub mod census;
pub mod coverage;
pub mod cpus;
pub mod duration_histogram;
pub mod durations;
pub mod entries;
pub mod events;
pub mod expectations;
pub mod heavy_hitters;
pub mod hooks;
pub mod kernel;
pub mod nat_ports;
pub mod owners;
pub mod probes;
pub mod proc_stat;
pub mod selector;
pub mod sockets;
pub mod table_limits;
pub mod time_classes;
pub mod top;
pub mod unavailable;
pub mod usage;
pub mod workload;

use std::rc::Rc;

use conntrack_ebpf::events::RawEvent;

use self::{
    cpus::CpuReading,
    durations::Durations,
    events::EventCounts,
    hooks::Hooks,
    kernel::KernelReading,
    probes::{ProbeReading, ProbeStatus},
    top::TopReading,
    usage::Usage,
    workload::Workloads,
};
use crate::{clock::Instant, text::Text};

/// Everything that was measured in one tick.
pub struct Reading {
    /// When all of it had been read.
    pub at: Instant,
    /// Whether it ends an interval.
    pub purpose: Purpose,
    /// Release of the kernel that is read; `None` while it is not known.
    pub kernel_release: Option<Text>,
    /// The probes that were attached while it was taken.
    pub probes: Rc<ProbeStatus>,
    /// Each watched namespace that could be read, in the order in which they are reported.
    pub instances: Vec<(Rc<InstanceInfo>, InstanceReading)>,
    /// Namespaces that disappeared since the reading before.
    pub gone: Vec<EndedReading>,
    /// Single events since the reading before, oldest first.
    pub events: Vec<RawEvent>,
    /// Events by kind since the probes were attached: sent, suppressed and lost; `None` without probes.
    pub event_counts: Option<EventCounts>,
    /// What was measured of top talkers since the reading before; `None` when they are not asked for.
    pub top: Option<TopReading>,
    /// What network namespaces and their addresses belong to, where that was looked up since the reading before.
    pub workloads: Option<Rc<Workloads>>,
    /// What this process has used, in ticks in which it is measured.
    pub own: Option<Usage>,
}

/// What a reading is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To count from: of a new namespace, or after probes were attached or lost. It ends no interval.
    Baseline,
    /// To end an interval.
    Interval,
    /// To end the last interval. No reading follows, so what may still change is reported as it is.
    Last,
}

/// A watched instance: a network namespace, or a directory laid out like /proc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Its number; no other instance of the run has or had it.
    pub id: u64,
    /// Its name, as records show it.
    pub name: Text,
    /// Inode number of the namespace; `None` for a directory.
    pub netns: Option<u32>,
    /// Its slot in the probes' maps; `None` where there were more namespaces than slots.
    pub slot: Option<u32>,
}

/// A namespace that has disappeared, and what was measured of it up to then.
pub struct EndedReading {
    pub info: Rc<InstanceInfo>,
    /// What the probes have counted, when they are attached.
    pub probes: Option<ProbeReading>,
    /// Durations that the probes have measured.
    pub durations: Option<Durations>,
}

/// What was read of one instance.
#[derive(Clone, Debug)]
pub struct InstanceReading {
    /// When the kernel's own counters were read.
    pub at: Instant,
    /// The kernel's own counters.
    pub kernel: KernelReading,
    /// What the probes have counted, when they are attached.
    pub probes: Option<ProbeReading>,
    /// Per-CPU counts, when the user asked for them.
    pub cpus: Option<CpuReading>,
    /// Whether conntrack is hooked into the namespace; asked only while the table is empty.
    pub hooks: Option<Hooks>,
    /// Durations that the probes have measured since they were attached; read seldom, as the histograms are large.
    pub durations: Option<Durations>,
}
