//! What one look at the kernel yields: the input of the model.

use conntrack_ebpf::{COUNTER_SLOTS, EventKind};

use super::series::BucketBatch;
use crate::{clock::Instant, source::proc_stat::ProcStat};

/// One look at one instance.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the kernel's own counters were read.
    pub at: Instant,
    /// What the kernel itself says. Each part is absent when it could not be read.
    pub kernel: KernelReading,
    /// What the probes have counted, when they are attached.
    pub probes: Option<ProbeReading>,
}

/// The kernel's own counters.
#[derive(Clone, Debug, Default)]
pub struct KernelReading {
    /// /proc/net/stat/nf_conntrack, or the same counters through ctnetlink.
    pub stat: Option<ProcStat>,
    /// nf_conntrack_count, read where procfs has no statistics.
    pub count: Option<u64>,
    /// nf_conntrack_max.
    pub max: Option<u64>,
}

impl KernelReading {
    /// Entries in the table, confirmed or not, from whichever source has it.
    #[must_use]
    pub fn entries(&self) -> Option<u64> {
        self.stat
            .as_ref()
            .map(|stat| u64::from(stat.entries()))
            .or(self.count)
    }
}

/// Running totals by [`conntrack_ebpf::ProbeCounter`] index, summed over CPUs.
pub type ProbeTotals = [u64; COUNTER_SLOTS];

/// The probes' counts, read before and after the kernel's own so as to bracket them.
#[derive(Clone, Debug)]
pub struct ProbeReading {
    /// Totals before the kernel's counters were read.
    pub before: ProbeTotals,
    /// Totals after.
    pub after: ProbeTotals,
    /// The millisecond buckets that became complete since the last look.
    pub buckets: BucketBatch,
    /// Probe hits the kernel skipped, since attach; `None` where the kernel does not tell.
    pub missed: Option<u64>,
    /// Events lost because kernel memory could not be read, since attach.
    pub faults: u64,
}

/// By kind: events sent, suppressed by the rate limit, and lost because the ring was full.
pub type EventCounts = [(EventKind, [u64; 3]); EventKind::ALL.len()];
