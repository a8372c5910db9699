//! The kernel's own counters, as they were read at one moment.

use crate::reading::proc_stat::ProcStat;

/// The kernel's own counters; each is `None` where it could not be read.
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
