//! The map of running totals, and the counter of faults.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, macros::map, maps::Array};
use conntrack_ebpf::cells::CellTotals;

use crate::{atomic, slot::Slot};

// User space sets the number of elements when it loads the object.
#[map]
static TOTALS: Array<CellTotals> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The totals of a cell.
#[inline(always)]
pub(crate) fn of_cell(cell: u32) -> Option<*mut CellTotals> {
    TOTALS.get_ptr_mut(cell)
}

/// Counts an event that could not be counted: kernel memory could not be read, or an entry context not saved. Its namespace is
/// unknown, so it is counted in slot 0.
#[inline(always)]
pub(crate) fn count_fault() {
    if let Some(totals) = of_cell(Slot(0).cell()) {
        // SAFETY: a checked map element.
        unsafe {
            // All programs share this word.
            atomic::add(&raw mut (*totals).faults, 1);
        }
    }
}
