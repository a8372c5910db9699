//! The probes that are attached to the kernel, and what they have counted.

use crate::text::Text;
use conntrack_ebpf::COUNTER_SLOTS;
use serde::{Deserialize, Serialize};

use crate::reading::{buckets::BucketBatch, coverage::Coverage, unavailable::Unavailable};

/// Running totals by [`conntrack_ebpf::ProbeCounter`] index, summed over CPUs.
pub type ProbeTotals = [u64; COUNTER_SLOTS];

/// The probes' counts, read before and after the kernel's own so as to bracket them.
#[derive(Clone, Debug)]
pub struct ProbeReading {
    /// Totals before the kernel's counters were read.
    pub before: ProbeTotals,
    /// Totals after.
    pub after: ProbeTotals,
    /// The buckets that were completed since the reading before.
    pub buckets: BucketBatch,
    /// Why these are not all that was counted since then; `None` if they are.
    pub buckets_missing: Option<Unavailable>,
    /// Probe hits the kernel missed, since attach; `None` where the kernel does not report them.
    pub missed: Option<u64>,
    /// Events lost because kernel memory could not be read, since attach.
    pub faults: u64,
    /// The most calls of a probed function that can be in flight at once: counted by its probe and not yet by the kernel,
    /// or the reverse.
    pub in_flight: u64,
}

/// Which probes are attached, and which counters that makes available.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeStatus {
    /// How often probes were attached or lost before: with each new number counts start again from 0.
    pub number: u32,
    pub report: Probes,
    /// Which probe counters are available.
    pub coverage: Coverage,
}

/// Which probes are attached, as `hello` reports it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probes {
    /// `kprobe`, `fentry` or `off`.
    pub mode: Text,
    /// `flow`, `all` or `off`.
    pub group: Text,
    /// Why no probe is attached; `None` when some are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text>,
    /// Kernel functions with a probe on them.
    pub attached: Vec<Text>,
    /// Functions in `attached` that have a kprobe although the mode is `fentry`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_kprobe: Vec<Text>,
    /// Kernel functions without a probe, and why.
    pub missing: Vec<Missing>,
    /// The functions in `attached`, and how each is probed. Recordings of before have none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<ProbedFunction>,
}

impl Probes {
    /// No probe is attached, and none was tried.
    #[must_use]
    pub fn off(reason: &'static str) -> Self {
        Self {
            mode: "off".into(),
            group: "off".into(),
            reason: Some(reason.into()),
            attached: Vec::new(),
            by_kprobe: Vec::new(),
            missing: Vec::new(),
            functions: Vec::new(),
        }
    }
}

/// How a function is probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbedFunction {
    /// Name of the kernel function.
    pub function: Text,
    /// `fentry` or `kprobe`.
    pub by: Text,
    /// Why it is not probed by fentry, and instead of which function it is probed; `None` where neither is so.
    pub reason: Option<Text>,
}

/// A function that could not be probed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Name of the kernel function.
    pub function: Text,
    /// Why not.
    pub reason: Text,
}
