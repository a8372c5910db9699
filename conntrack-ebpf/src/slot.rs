//! Instances by number, and the cells of this CPU.

use aya_ebpf::helpers::bpf_get_smp_processor_id;
use conntrack_ebpf::cells::cell_index;

use crate::globals::CPUS;

/// Number of an instance (network namespace), from 0.
#[derive(Clone, Copy)]
pub(crate) struct Slot(pub(crate) u32);

impl Slot {
    /// Index of the cell in which this CPU counts for the instance.
    #[inline(always)]
    pub(crate) fn cell(self) -> u32 {
        this_cpu().cell(self.0)
    }
}

/// The CPU that a program runs on.
#[derive(Clone, Copy)]
pub(crate) struct ThisCpu(u32);

/// The CPU that this program runs on. Ask once: it is a call.
#[inline(always)]
pub(crate) fn this_cpu() -> ThisCpu {
    // SAFETY: a helper without arguments.
    ThisCpu(unsafe { bpf_get_smp_processor_id() })
}

impl ThisCpu {
    /// Its id.
    #[inline(always)]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// Index of what it has of a slot or of a ring.
    #[inline(always)]
    pub(crate) fn cell(self, number: u32) -> u32 {
        cell_index(number, self.0, CPUS.load())
    }
}
