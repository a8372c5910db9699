//! How long connections live: from the table's insertion to their destruction. Only on request: while
//! `LIFETIMES` is 0 the verifier leaves all of it out of the programs.

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
/// When each connection in the table was inserted, by its address.
#[map]
static INSERTED_AT: HashMap<u64, u64> = HashMap::with_max_entries(1, 0);

/// Remembers when a connection was inserted. If there is no room, its destruction counts it as unknown.
#[inline(always)]
pub(crate) fn start(ct: Conn) {
    if LIFETIMES.load() == 0 {
        return;
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let _ = INSERTED_AT.insert(&ct.address(), &now, u64::from(BPF_ANY));
}

/// Counts how long a connection lived that ends now. One that was never in the table did not.
#[inline(always)]
pub(crate) fn end(slot: Slot, ct: Conn, status: ConnStatus) {
    if LIFETIMES.load() == 0 || !status.is_confirmed() {
        return;
    }
    let Some(lived) = LIFETIME_COUNTS.get_ptr_mut(slot.cell()) else {
        return;
    };
    // SAFETY: a map element of one word; the only its destruction takes it out.
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
