//! The types of a plan: probes that are asked for, planned, and missing.

use conntrack_ebpf::{
    ProbeCounter,
    table::{ProbeGroup, ProgramPair},
};

use super::reason::MissingReason;
use crate::probes::{
    facts::{Disproved, NoFentry},
    offsets::FentryTarget,
};

/// Which probes the user asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeRequest {
    /// No probes.
    Off,
    /// No probes, because the counters are read from a directory (`--proc-root`), and are not this kernel's.
    OtherRoot,
    /// A group of probes, as far as they can be attached.
    Group(ProbeGroup),
}

impl ProbeRequest {
    /// Why no probes are attached, whatever the host; `None` if they are as far as they can.
    #[must_use]
    pub const fn refusal(self) -> Option<MissingReason> {
        match self {
            Self::Off => Some(MissingReason::TurnedOff),
            Self::OtherRoot => Some(MissingReason::OtherRoot),
            Self::Group(_) => None,
        }
    }
}

/// How a program is attached to a function.
#[derive(Clone, Debug)]
pub enum Mechanism {
    /// By a kprobe: a breakpoint, or ftrace where the kernel can. Works on any function; here because a trampoline cannot be had.
    Kprobe(NoFentry),
    /// By a trampoline. Cheaper, counts what it misses, and no other tool's probes hold it up; but only for functions in the
    /// kernel's types, whose module cannot be unloaded meanwhile.
    Fentry(FentryTarget),
}

impl Mechanism {
    /// Whether it is a trampoline.
    #[must_use]
    pub const fn is_fentry(&self) -> bool {
        matches!(self, Self::Fentry(_))
    }
}

/// A program that is, or will be, attached to a function.
#[derive(Clone, Debug)]
pub struct AttachPoint {
    pub program: ProgramPair,
    /// The kernel function.
    pub function: &'static str,
    /// Its symbol, which is more than the name where clang's ThinLTO has appended a hash.
    pub symbol: String,
    /// How it is attached.
    pub how: Mechanism,
    /// The function that it replaces, because that was disproved.
    pub instead_of: Option<Disproved>,
}

/// A probe to attach.
#[derive(Clone, Debug)]
pub struct PlannedProbe {
    /// Programs and their functions; the probe counts only if all of them are attached.
    pub attachments: Vec<AttachPoint>,
    /// The counters that the programs count.
    pub counters: &'static [ProbeCounter],
}

/// A probe that cannot be attached.
#[derive(Clone, Debug)]
pub struct MissingProbe {
    /// The function it would probe.
    pub function: &'static str,
    /// The counters that are unavailable without it.
    pub counters: &'static [ProbeCounter],
    /// Why the probe is missing.
    pub reason: MissingReason,
}

impl MissingProbe {
    /// Whether it is missing although it belongs to the group that was asked for.
    #[must_use]
    pub const fn is_asked_for(&self) -> bool {
        !matches!(self.reason, MissingReason::NotAsked)
    }
}
