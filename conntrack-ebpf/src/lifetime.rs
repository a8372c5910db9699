//! How long connections live: from the table's insertion to their destruction. Only on request: while
//! `LIFETIMES` is 0 the verifier leaves all of it out of the programs.

use aya_ebpf::{
    Global,
    bindings::{BPF_ANY, BPF_F_MMAPABLE},
    helpers::bpf_ktime_get_ns,
    macros::map,
    maps::{Array, HashMap},
};
use conntrack_ebpf::loglinear::Lived;

use crate::{
    count::cell,
    histogram,
    instance::Slot,
    kernel::{Conn, Status},
};

// User space sets the number of elements when it loads the object.
#[map]
static LIVED: Array<Lived> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// When each connection in the table was inserted, by its address.
#[map]
static BORN: HashMap<u64, u64> = HashMap::with_max_entries(1, 0);

#[unsafe(no_mangle)]
static LIFETIMES: Global<u32> = Global::new(0);

/// Remembers when a connection was inserted. If there is no room, its end will find that out.
#[inline(always)]
pub(crate) fn begin(ct: Conn) {
    if LIFETIMES.load() == 0 {
        return;
    }
    // SAFETY: a helper without arguments.
    let now = unsafe { bpf_ktime_get_ns() };
    let _ = BORN.insert(&ct.address(), &now, u64::from(BPF_ANY));
}

/// Counts how long a connection lived that ends now. One that was never in the table did not.
#[inline(always)]
pub(crate) fn end(slot: Slot, ct: Conn, status: Status) {
    if LIFETIMES.load() == 0 || !status.is_confirmed() {
        return;
    }
    let Some(lived) = LIVED.get_ptr_mut(cell(slot)) else {
        return;
    };
    // SAFETY: a map element of one word; the connection's end is nobody else's.
    match unsafe { BORN.get(&ct.address()).copied() } {
        Some(born) => {
            let _ = BORN.remove(&ct.address());
            // SAFETY: a helper without arguments.
            let now = unsafe { bpf_ktime_get_ns() };
            // SAFETY: a checked map element of this CPU.
            unsafe { histogram::add(&raw mut (*lived).counts, now.saturating_sub(born)) };
        }
        None => {
            // SAFETY: a checked map element of this CPU.
            unsafe { histogram::increment(&raw mut (*lived).unknown) };
        }
    }
}
