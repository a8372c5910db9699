//! Lifetimes of connections, from insertion into the table to destruction. Optional: if `LIFETIMES` is 0 the verifier removes all
//! of this from the programs.

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_F_MMAPABLE},
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, HashMap},
};
use conntrack_ebpf::loglinear::LifetimeCell;

use crate::{
    globals::LIFETIMES,
    histogram,
    kernel::{Conn, ConnStatus},
    slot::Slot,
};

// User space sets the number of elements when it loads the object.
#[map]
static LIFETIME_COUNTS: Array<LifetimeCell> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// The insertion time of each connection in the table, by its address.
#[map]
static INSERTED_AT: HashMap<u64, u64> = HashMap::with_max_entries(1, 0);

/// Saves the insertion time of a connection. If the map is full, the connection is later counted as unknown.
#[inline(always)]
pub(crate) fn start(ct: Conn) {
    if LIFETIMES.load() == 0 {
        return;
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let _ = INSERTED_AT.insert(&ct.address(), &now, u64::from(BPF_ANY));
}

/// Adds the lifetime of a connection that is destroyed now. Those that were never in the table are not counted.
#[inline(always)]
pub(crate) fn end(slot: Slot, ct: Conn, status: ConnStatus) {
    if LIFETIMES.load() == 0 || !status.is_confirmed() {
        return;
    }
    let Some(lived) = LIFETIME_COUNTS.get_ptr_mut(slot.cell()) else {
        return;
    };
    // SAFETY: a map element of one word, which only the destruction of its connection removes.
    match unsafe { INSERTED_AT.get(&ct.address()).copied() } {
        Some(inserted) => {
            let _ = INSERTED_AT.remove(&ct.address());
            // SAFETY: a helper without arguments.
            let now = unsafe { bpf_ktime_get_ns() };
            // SAFETY: a checked map element of this CPU.
            unsafe { histogram::add(&raw mut (*lived).counts, now.saturating_sub(inserted)) };
        }
        None => {
            // SAFETY: a checked map element of this CPU.
            unsafe { histogram::increment(&raw mut (*lived).unknown) };
        }
    }
}
