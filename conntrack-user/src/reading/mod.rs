//! What is measured: the data types that the way in ([`crate::source`], [`crate::probes`]) hands to the model. No IO.

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
pub mod probes;
pub mod proc_stat;
pub mod selector;
pub mod sockets;
pub mod usage;

use crate::{
    clock::Instant,
    reading::{cpus::CpuReading, kernel::KernelReading, probes::ProbeReading},
};

/// One look at one instance.
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
}
