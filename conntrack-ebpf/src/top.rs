//! Counts by source, destination and port, see `conntrack_ebpf::heavy_hitters`. Optional: if `TOP` is 0 the verifier removes all
//! of this from the programs.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel_buf},
    macros::map,
    maps::{Array, PerCpuArray},
};
use conntrack_ebpf::{
    TUPLE_SIZE,
    heavy_hitters::{By, FlowKey, FlowMeasure, Prefixes, SketchSet, half_index, set_index, table},
};

use crate::{
    globals::{TOP, TOP_PREFIX, TOP_PREFIX6, TOP_SEED, TOP_SET_BITS},
    slot::Slot,
};

// User space sets the number of elements when it loads the object.
#[map]
static HEAVY_HITTERS: Array<SketchSet> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// User space increments it, and then reads the sets of the previous generation.
#[map]
static HEAVY_HITTERS_GENERATION: Array<u64> = Array::with_max_entries(1, 0);

/// The tuple that is being counted, one per measure and so per program. It is in a map because the stack of the programs is too
/// small.
#[map]
static TOP_TUPLE: PerCpuArray<[u8; TUPLE_SIZE]> =
    PerCpuArray::with_max_entries(FlowMeasure::ALL.len() as u32, 0);

/// Counts a flow by the source, destination and port of the tuple at a kernel address; 0 if that is unknown. A cell belongs to
/// one CPU, as in `count`.
#[inline(always)]
pub(crate) fn count(slot: Slot, measure: FlowMeasure, tuple: u64) {
    if TOP.load() == 0 {
        return;
    }
    if let (Some(generation), Some(copy)) = (
        HEAVY_HITTERS_GENERATION.get_ptr(0),
        TOP_TUPLE.get_ptr_mut(measure as u32),
    ) {
        // SAFETY: checked map elements, one an aligned word, the other this CPU's own.
        let (generation, copy) = unsafe { (generation.read_volatile(), &mut *copy) };
        count_in(slot, measure, generation, tuple, copy);
    }
}

#[inline(always)]
fn count_in(
    slot: Slot,
    measure: FlowMeasure,
    generation: u64,
    tuple: u64,
    copy: &mut [u8; TUPLE_SIZE],
) {
    // SAFETY: accepts any address, and returns an error if it cannot be read.
    let known =
        tuple != 0 && unsafe { bpf_probe_read_kernel_buf(tuple as *const u8, copy) }.is_ok();
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let half = half_index(cpu, generation);
    let prefixes = Prefixes {
        ipv4: TOP_PREFIX.load(),
        ipv6: TOP_PREFIX6.load(),
    };
    let set_bits = TOP_SET_BITS.load();
    let add = |by| {
        let key = if known {
            FlowKey::of(by, copy, slot.0, prefixes)
        } else {
            FlowKey::unknown(slot.0)
        };
        let set = key.set(TOP_SEED.load(), set_bits);
        let index = set_index(half, table(measure, by), set, set_bits);
        if let Some(set) = HEAVY_HITTERS.get_ptr_mut(index) {
            // SAFETY: a checked map element of this CPU. User space reads it after its generation has ended.
            unsafe { (*set).add(generation, key) };
        }
    };
    add(By::Source);
    add(By::Destination);
    add(By::Port);
}
