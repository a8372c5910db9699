//! What one look at the kernel yields: the input of the model.

use conntrack_ebpf::{COUNTER_SLOTS, EventKind};

use crate::{clock::Instant, model::rates::series::BucketBatch, reading::proc_stat::ProcStat};

/// One look at one instance.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When the kernel's own counters were read.
    pub at: Instant,
    /// What the kernel itself says. Each part is absent when it could not be read.
    pub kernel: KernelReading,
    /// What the probes have counted, when they are attached.
    pub probes: Option<ProbeReading>,
    /// What tells CPUs apart, when that is wanted.
    pub cpus: Option<CpuReading>,
}

/// What tells CPUs apart.
#[derive(Clone, Debug)]
pub struct CpuReading {
    /// Which there are; else why that is not known.
    pub ids: Result<CpuIds, String>,
    /// What the probes counted, by CPU id, ids that do not exist included; `None` without probes.
    pub probes: Option<Vec<ProbeTotals>>,
}

/// The CPUs of this machine by their ids, which may have gaps. Ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuIds {
    /// Those there may ever be: the kernel's statistics have a row for each, in this order.
    pub possible: Vec<u32>,
    /// Those that run now.
    pub online: Vec<u32>,
}

/// The ids in a list like `0-3,8`; `None` for anything else.
#[must_use]
pub fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let above = ids.last().is_none_or(|&before| before < first);
        // No kernel has more.
        if !above || last < first || last >= 1 << 16 {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
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
    /// Calls of a probed function that may be under way at once: counted by its probe and not yet by
    /// the kernel, or the reverse.
    pub under_way: u64,
}

/// By kind: events sent, suppressed by the rate limit, and lost because the ring was full.
pub type EventCounts = [(EventKind, [u64; 3]); EventKind::ALL.len()];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lists_of_cpus() {
        assert_eq!(cpu_list("0\n"), Some(vec![0]));
        assert_eq!(cpu_list("0-2,4,8-9\n"), Some(vec![0, 1, 2, 4, 8, 9]));
        for wrong in ["", "\n", "0-", "3-1", "1,1", "x", "0,,2", "0-4294967295"] {
            assert_eq!(cpu_list(wrong), None, "{wrong:?}");
        }
    }

    proptest! {
        #[test]
        fn any_list_is_read_as_it_is_written(ids in prop::collection::btree_set(0_u32..4096, 1..100)) {
            let text: Vec<String> = ids.iter().map(u32::to_string).collect();
            prop_assert_eq!(cpu_list(&text.join(",")), Some(Vec::from_iter(ids)));
        }
    }
}
