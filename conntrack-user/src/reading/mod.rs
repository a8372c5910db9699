//! What is measured: the data types that the way in ([`crate::source`], [`crate::probes`]) hands to the model. No IO, no
//! decisions.
//!
//! Everything that is measured in a tick is one [`Reading`].

pub mod buckets;
pub mod coverage;
pub mod cpus;
pub mod durations;
pub mod entries;
pub mod events;
pub mod heavy_hitters;
pub mod hooks;
pub mod kernel;
pub mod lengths;
pub mod owners;
pub mod probes;
pub mod proc_stat;
pub mod selector;
pub mod sockets;
pub mod top;
pub mod unavailable;
pub mod usage;

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
};
use crate::{clock::Instant, text::Text};

/// Everything that was measured in one tick.
pub struct Reading {
    /// When it was complete.
    pub at: Instant,
    /// What it is taken for.
    pub purpose: Purpose,
    /// Release of the kernel that is read; `None` while it is not known.
    pub kernel_release: Option<Text>,
    /// What was attached while it was taken.
    pub probes: Rc<ProbeStatus>,
    /// Each watched namespace that could be read, in the order in which they are reported.
    pub instances: Vec<(Rc<InstanceInfo>, InstanceReading)>,
    /// Namespaces that are gone since the reading before, with the lengths of time counted for them.
    pub gone: Vec<(Rc<InstanceInfo>, Option<Durations>)>,
    /// Single events since the reading before, oldest first.
    pub events: Vec<RawEvent>,
    /// What became of all events since the probes were attached; `None` without probes.
    pub event_counts: Option<EventCounts>,
    /// What was found out about top talkers since the reading before; `None` when nobody asked.
    pub top: Option<TopReading>,
    /// What this process has used, when that was looked at.
    pub own: Option<Usage>,
}

/// What a reading is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To count from: of a namespace that is new, or of probes that were just attached or lost. It ends no interval.
    Baseline,
    /// To end an interval.
    Interval,
    /// To end the last interval: no reading follows, and nothing is left out because it may change.
    Last,
}

/// A watched instance: a network namespace, or a directory laid out like /proc.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceInfo {
    /// Its number, given once in a run.
    pub id: u64,
    /// What it is called.
    pub name: Text,
    /// Inode number of the namespace; `None` for a directory.
    pub netns: Option<u32>,
    /// Its slot in the probes' maps; `None` where there were more namespaces than slots.
    pub slot: Option<u32>,
}

/// What was read of one instance.
#[derive(Clone, Debug)]
pub struct InstanceReading {
    /// When the kernel's own counters were read.
    pub at: Instant,
    /// What the kernel itself says. Each part is absent when it could not be read.
    pub kernel: KernelReading,
    /// What the probes have counted, when they are attached.
    pub probes: Option<ProbeReading>,
    /// What tells CPUs apart, when that is wanted.
    pub cpus: Option<CpuReading>,
    /// Whether conntrack is hooked in here: asked only while the table is empty.
    pub hooks: Option<Hooks>,
    /// Lengths of time that the probes have counted since they were attached; read seldom, as the histograms are long.
    pub durations: Option<Durations>,
}
