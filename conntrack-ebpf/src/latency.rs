//! The time spent in functions, from entry to return. Optional: if `LATENCY` is 0 the verifier removes all of this from the
//! programs.

use aya_ebpf::{bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use conntrack_ebpf::loglinear::Histogram;

use crate::{entry_context::EntryContext, globals::LATENCY, histogram};

// User space sets the number of elements when it loads the object. Each function has its own map, which only its return program
// writes.
#[map]
static CONFIRM_TIMES: Array<Histogram> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static EARLY_DROP_TIMES: Array<Histogram> = Array::with_max_entries(1, BPF_F_MMAPABLE);

/// The time (`bpf_ktime_get_ns`) that an entry saves and a return compares; 0 if latency is not measured.
#[inline(always)]
pub(crate) fn now() -> u64 {
    if LATENCY.load() == 0 {
        return 0;
    }
    // SAFETY: a helper without arguments.
    unsafe { bpf_ktime_get_ns() }
}

/// Adds a call of `__nf_conntrack_confirm` that has returned.
#[inline(always)]
pub(crate) fn confirmed(call: &EntryContext, now: u64) {
    took(&CONFIRM_TIMES, call, now);
}

/// Adds a call of `early_drop` that has returned.
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
