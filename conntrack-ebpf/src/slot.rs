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
        // SAFETY: a helper without arguments.
        let cpu = unsafe { bpf_get_smp_processor_id() };
        cell_index(self.0, cpu, CPUS.load())
    }
}
