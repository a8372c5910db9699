//! A probe: asked for, planned, or missing.

use conntrack_ebpf::{
    ProbeCounter,
    table::{ProbeGroup, ProgramPair},
};

use super::reason::MissingReason;

/// Which probes the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeRequest {
    /// No probes.
    Off,
    /// No probes: the counters shown are those of a directory, not this kernel's.
    OtherRoot,
    /// A group of probes, as far as it can be had.
    Group(ProbeGroup),
}

/// By what a program gets to run on a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// By a breakpoint, or by ftrace where the kernel can: anywhere.
    Kprobe,
    /// By a trampoline: cheaper, but for functions that vmlinux's BTF knows.
    Fentry,
}

/// A program on a function, by a mechanism.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttachPoint {
    pub program: ProgramPair,
    /// The kernel function.
    pub function: &'static str,
    /// By what the program runs.
    pub how: Mechanism,
}

/// A probe to attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedProbe {
    /// Programs and their functions: all are needed.
    pub attachments: Vec<AttachPoint>,
    /// What the programs count.
    pub counters: &'static [ProbeCounter],
}

/// A probe that cannot be attached.
#[derive(Clone, Debug)]
pub struct MissingProbe {
    /// The function it would go on.
    pub function: &'static str,
    /// What is not counted for it.
    pub counters: &'static [ProbeCounter],
    /// Why the probe is missing.
    pub reason: MissingReason,
}
