//! How long functions take, from entry to return. Only on request: while `LATENCY` is 0 the verifier
//! leaves all of it out of the programs.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use conntrack_ebpf::loglinear::Histogram;

use crate::{entry_context::EntryContext, globals::LATENCY, histogram};

// User space sets the number of elements when it loads the object. One map for each function: only
// the program on its return writes to it.
#[map]
static CONFIRM_TIMES: Array<Histogram> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static EARLY_DROP_TIMES: Array<Histogram> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The time (`bpf_ktime_get_ns`) for an entry to save and a return to compare; 0 when it is not measured.
#[inline(always)]
pub(crate) fn now() -> u64 {
    if LATENCY.load() == 0 {
        return 0;
    }
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// A call of `__nf_conntrack_confirm` returned.
#[inline(always)]
pub(crate) fn confirmed(call: &EntryContext, now: u64) {
    took(&CONFIRM_TIMES, call, now);
}

/// A call of `early_drop` returned.
#[inline(always)]
pub(crate) fn early_dropped(call: &EntryContext, now: u64) {
    took(&EARLY_DROP_TIMES, call, now);
}

#[inline(always)]
fn took(times: &Array<Histogram>, call: &EntryContext, now: u64) {
    if LATENCY.load() == 0 {
        return;
    }
    if let Some(histogram) = times.get_ptr_mut(call.slot().cell()) {
        // SAFETY: a checked map element of this CPU.
        unsafe { histogram::add(histogram, now.saturating_sub(call.entered)) };
    }
}
