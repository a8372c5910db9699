//! Counting per source, destination and port: see `conntrack_ebpf::leaders`. Only on request: while
//! `TOP` is 0 the verifier leaves all of it out of the programs.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_get_smp_processor_id, bpf_probe_read_kernel_buf},
    macros::map,
    maps::{Array, PerCpuArray},
};
use conntrack_ebpf::{
    TUPLE_SIZE,
    leaders::{By, Key, Measure, Prefixes, Set, TABLES, table},
};

use crate::instance::Slot;

// User space sets the number of elements when it loads the object.
#[map]
static LEADERS: Array<Set> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// User space raises it, and then reads the sets of the generation before.
#[map]
static LEADERS_GENERATION: Array<u64> = Array::with_max_entries(1, 0);

#[unsafe(no_mangle)]
static TOP: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static TOP_SET_BITS: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static TOP_SEED: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static TOP_PREFIX: Global<u32> = Global::new(32);
#[unsafe(no_mangle)]
static TOP_PREFIX6: Global<u32> = Global::new(64);

/// Tuples being counted, one per measure, and so per program. In a map, because the programs' stacks
/// have no room left for it.
#[map]
static LEADER_TUPLE: PerCpuArray<[u8; TUPLE_SIZE]> =
    PerCpuArray::with_max_entries(Measure::ALL.len() as u32, 0);

/// Counts a flow by the source, destination and port of the tuple at an address of the kernel; 0 where
/// that is not known. A cell belongs to one CPU, as in `count`.
#[inline(always)]
pub(crate) fn count(slot: Slot, measure: Measure, tuple: u64) {
    if TOP.load() == 0 {
        return;
    }
    if let (Some(generation), Some(copy)) = (
        LEADERS_GENERATION.get_ptr(0),
        LEADER_TUPLE.get_ptr_mut(measure as u32),
    ) {
        // SAFETY: checked map elements, one an aligned word, the other this CPU's own.
        let (generation, copy) = unsafe { (generation.read_volatile(), &mut *copy) };
        count_in(slot, measure, generation, tuple, copy);
    }
}

#[inline(always)]
fn count_in(
    slot: Slot,
    measure: Measure,
    generation: u64,
    tuple: u64,
    copy: &mut [u8; TUPLE_SIZE],
) {
    // SAFETY: takes any address and answers an error where it cannot read.
    let known =
        tuple != 0 && unsafe { bpf_probe_read_kernel_buf(tuple as *const u8, copy) }.is_ok();
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    let tables = (cpu * 2 + (generation as u32 & 1)) * TABLES;
    let prefixes = Prefixes {
        ipv4: TOP_PREFIX.load(),
        ipv6: TOP_PREFIX6.load(),
    };
    let set_bits = TOP_SET_BITS.load();
    let add = |by| {
        let key = if known {
            Key::of(by, copy, slot.0, prefixes)
        } else {
            Key::unknown(slot.0)
        };
        let set = key.set(TOP_SEED.load(), set_bits);
        if let Some(set) = LEADERS.get_ptr_mut(((tables + table(measure, by)) << set_bits) | set) {
            // SAFETY: a checked map element of this CPU. User space reads it when its generation is over.
            unsafe { (*set).add(generation, key) };
        }
    };
    add(By::Source);
    add(By::Destination);
    add(By::Port);
}
