//! Counts by source, destination and port, see `conntrack_ebpf::heavy_hitters`. Optional: if `TOP` is 0 the verifier removes all
//! of this from the programs.

use aya_ebpf::{
    bindings::BPF_F_MMAPABLE,
    helpers::bpf_probe_read_kernel_buf,
    macros::map,
    maps::{Array, PerCpuArray},
};
use conntrack_ebpf::{
    TUPLE_SIZE,
    heavy_hitters::{By, FlowKey, FlowMeasure, Prefixes, SketchSet, half_index, set_index, table},
    tuple::TupleBytes,
};

use crate::{
    fields::Typed,
    globals::{TOP, TOP_PREFIX, TOP_PREFIX6, TOP_SEED, TOP_SET_BITS, TUPLE_TYPE},
    slot::{Slot, ThisCpu},
};

// User space sets the number of elements when it loads the object.
#[map]
static HEAVY_HITTERS: Array<SketchSet> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// User space increments it, and then reads the sets of the previous generation.
#[map]
static HEAVY_HITTERS_GENERATION: Array<u64> = Array::with_max_entries(1, 0);

/// The words of a tuple.
type TupleWords = [u32; TUPLE_SIZE / size_of::<u32>()];

/// The tuple that is being counted, one per measure and so per program, where tuples are read by the helper. It is in a map
/// because the stack of the programs is too small.
#[map]
static TOP_TUPLE: PerCpuArray<TupleWords> =
    PerCpuArray::with_max_entries(FlowMeasure::ALL.len() as u32, 0);

/// A tuple in a map.
struct CopiedTuple<'a>(&'a TupleWords);

impl TupleBytes for CopiedTuple<'_> {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.0[at / 4].to_ne_bytes()[at % 4]
    }

    #[inline(always)]
    fn half(&self, at: usize) -> u16 {
        u16::from_ne_bytes([self.byte(at), self.byte(at + 1)])
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u32 {
        self.0[at / 4]
    }
}

/// A tuple where the kernel has it.
impl TupleBytes for Typed {
    #[inline(always)]
    fn byte(&self, at: usize) -> u8 {
        self.load(at as u64)
    }

    #[inline(always)]
    fn half(&self, at: usize) -> u16 {
        self.load(at as u64)
    }

    #[inline(always)]
    fn word(&self, at: usize) -> u32 {
        self.load(at as u64)
    }
}

/// Counts a flow by the source, destination and port of the tuple at a kernel address; 0 if that is unknown. A cell belongs to
/// one CPU, as in `count`.
#[inline(always)]
pub(crate) fn count(slot: Slot, cpu: ThisCpu, measure: FlowMeasure, tuple: u64) {
    if TOP.load() == 0 {
        return;
    }
    let prefixes = Prefixes {
        ipv4: TOP_PREFIX.load(),
        ipv6: TOP_PREFIX6.load(),
    };
    let keys = match (TUPLE_TYPE.load(), tuple) {
        (_, 0) => None,
        (0, _) => copy(measure, tuple).map(|tuple| FlowKey::all(&tuple, slot.0, prefixes)),
        (structure, _) => {
            let tuple = Typed::at(tuple, structure.into());
            Some(FlowKey::all(&tuple, slot.0, prefixes))
        }
    };
    let [source, destination, port] = keys.unwrap_or([FlowKey::unknown(slot.0); By::ALL.len()]);
    let Some(generation) = HEAVY_HITTERS_GENERATION.get_ptr(0) else {
        return;
    };
    // SAFETY: a checked map element of one aligned word.
    let generation = unsafe { generation.read_volatile() };
    let sets = Sets {
        half: half_index(cpu.number(), generation),
        generation,
        seed: TOP_SEED.load(),
        bits: TOP_SET_BITS.load(),
    };
    sets.add(table(measure, By::Source), source);
    sets.add(table(measure, By::Destination), destination);
    sets.add(table(measure, By::Port), port);
}

/// The sets of this CPU in which a generation is counted.
struct Sets {
    half: u32,
    generation: u64,
    seed: u32,
    /// log2 of the sets of a table.
    bits: u32,
}

impl Sets {
    #[inline(always)]
    fn add(&self, table: u32, key: FlowKey) {
        let set = key.set(self.seed, self.bits);
        let index = set_index(self.half, table, set, self.bits);
        if let Some(set) = HEAVY_HITTERS.get_ptr_mut(index) {
            // SAFETY: a checked map element of this CPU. User space reads it after its generation has ended.
            unsafe { (*set).add(self.generation, key) };
        }
    }
}

/// Copies the tuple at a kernel address; `None` if it cannot be read.
#[inline(always)]
fn copy<'a>(measure: FlowMeasure, tuple: u64) -> Option<CopiedTuple<'a>> {
    let copy = TOP_TUPLE.get_ptr_mut(measure as u32)?;
    // SAFETY: a checked map element, this CPU's own.
    let bytes = unsafe { &mut *copy.cast::<[u8; TUPLE_SIZE]>() };
    // SAFETY: accepts any address, and returns an error if it cannot be read.
    unsafe { bpf_probe_read_kernel_buf(tuple as *const u8, bytes) }.ok()?;
    // SAFETY: as above; nothing else refers to it any more.
    Some(CopiedTuple(unsafe { &*copy }))
}
