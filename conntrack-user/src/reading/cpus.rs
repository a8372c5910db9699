//! The machine's CPUs, and the probes' counts of each.

use crate::reading::{probes::ProbeTotals, unavailable::Unavailable};

/// Per-CPU counts of one reading.
#[derive(Clone, Debug)]
pub struct CpuReading {
    /// The ids of the CPUs.
    pub ids: Result<CpuIds, Unavailable>,
    /// What the probes counted, indexed by CPU id, with zeros for ids that do not exist; `None` without probes.
    pub probes: Option<Vec<ProbeTotals>>,
}

/// The CPUs of this machine by their ids, which may have gaps. Ascending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuIds {
    /// Possible CPUs: the kernel's statistics have a row for each, in this order.
    pub possible: Vec<u32>,
    /// Online CPUs.
    pub online: Vec<u32>,
}

/// The ids in a list like `0-3,8`, as in `/sys/devices/system/cpu/possible`; `None` for anything else.
#[must_use]
pub fn cpu_list(text: &str) -> Option<Vec<u32>> {
    let mut ids = Vec::new();
    for part in text.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.parse().ok()?, last.parse().ok()?);
        let above = ids.last().is_none_or(|&before| before < first);
        // The bound keeps a hostile list short; no kernel supports as many CPUs.
        if !above || last < first || last >= 1 << 16 {
            return None;
        }
        ids.extend(first..=last);
    }
    Some(ids)
}

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
