//! Which CPUs there are, and what each of them counted.

use crate::reading::{probes::ProbeTotals, unavailable::Unavailable};

/// What is counted per CPU.
#[derive(Clone, Debug)]
pub struct CpuReading {
    /// Which there are.
    pub ids: Result<CpuIds, Unavailable>,
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
