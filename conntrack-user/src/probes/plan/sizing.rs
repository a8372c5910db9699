//! Sizes of the maps for a number of CPU ids: rings and tables are as large as a fixed budget of memory allows.
//!
//! Where several network namespaces may be watched, everything that the probes need takes [`MEMORY`] at most, on any host. That is
//! [`map_bytes`] of the counters:
//!
//! ```text
//! totals    slots × CPU ids × 320 bytes
//! rings     rings × CPU ids × 2^ring_bits × 256 bytes
//! slots     slots × 96 bytes
//! the rest  4 MiB
//! ```
//!
//! Each namespace has a slot. The rings are lent to those that are busy. `--top`, `--lifetimes` and `--latency` take more, for
//! which each has a budget of its own.

use conntrack_ebpf::{
    cells::{Bucket, CellTotals, CounterShape},
    heavy_hitters::{SketchSet, SketchShape},
    loglinear::{Histogram, LifetimeCell},
};

#[cfg(test)]
mod tests;

/// Bytes that all maps and programs may take together, when several instances may be watched.
const MEMORY: u64 = 64 << 20;

/// What they take besides counters: the programs, the ring buffer of events, the contexts of calls.
const REST: u64 = 4 << 20;

/// Bytes that a slot takes besides its cells: an element and a bucket of the hash of slots, and its element of the array of rings.
const SLOT_BYTES: u64 = 64 + 16 + 16;

/// Bytes that the totals of all cells may take when several instances may be watched, unless even two slots need more.
const TOTALS_MEMORY: u64 = 16 << 20;

/// The most slots when several instances may be watched. One slot is shared by namespaces without their own.
const SLOTS: u32 = 1024;

/// Bytes that the buckets of a single instance may take: 64 MiB, for up to 8192 CPU ids (`CONFIG_NR_CPUS` of x86-64 can be no
/// higher).
const BUCKET_MEMORY: u64 = 64 << 20;

/// The longest ring: 2^12 buckets are 4.3 s.
const MAX_RING_BITS: u32 = 12;

/// Numbers of rings, and log2 of their length: the first that fits is taken. A reading once a second needs 1.07 s (2^10 buckets);
/// rings are longer only while there are many, and shorter only if there would be less than four.
///
/// If none fits, there is one ring, as short as necessary: at least 2^4 buckets, 16.8 ms, on 8192 CPU ids (2^5 buckets, 33.6 ms,
/// for a single instance). A reader that is held up for longer loses buckets, and reports how many.
const RINGS: [(u32, u32); 4] = [(56, 12), (56, 11), (4, 10), (1, 9)];

/// log2 of the length of the shortest of these.
const SHORTEST: u32 = RINGS[RINGS.len() - 1].1;

/// Bytes that the histograms of `--lifetimes` and `--latency` may take together, unless those of one slot need more.
const DURATION_MEMORY: u64 = 64 << 20;

/// Bytes that the tables of heavy hitters may take on all CPUs together: 64 MiB.
const SKETCH_MEMORY: u64 = 64 << 20;

/// The largest tables: 1,024 sets of 7 entries. (The smallest has one set.)
const MAX_SET_BITS: u32 = 10;

/// The fewest connections whose insertion times there is room for.
const MIN_REMEMBERED: u64 = 65_536;

/// The most connections whose insertion times there is room for.
const MAX_REMEMBERED: u64 = 1_048_576;

/// The shape for a number of CPU ids: of one instance when its namespace is known, else of as many as the
/// memory allows.
pub(super) fn counter_shape(cpus: u32, netns: Option<u32>) -> CounterShape {
    match netns {
        Some(_) => single(cpus),
        None => several(cpus),
    }
}

fn single(cpus: u32) -> CounterShape {
    let fits = |&ring_bits: &u32| ring_bytes(cpus, ring_bits) <= BUCKET_MEMORY;
    CounterShape {
        cpus,
        slots: 1,
        rings: 1,
        ring_bits: (0..=MAX_RING_BITS).rev().find(fits).unwrap_or(0),
    }
}

/// At least two slots, because the last is shared by namespaces without their own.
fn several(cpus: u32) -> CounterShape {
    let of_slot = u64::from(cpus) * size_of::<CellTotals>() as u64;
    let slots = (TOTALS_MEMORY / of_slot).clamp(2, SLOTS.into()) as u32;
    let shape = |rings, ring_bits| CounterShape {
        cpus,
        slots,
        rings,
        ring_bits,
    };
    let room = MEMORY.saturating_sub(map_bytes(shape(0, 0)));
    let fitting = |ring_bits| room / ring_bytes(cpus, ring_bits);
    let shorter = (0..SHORTEST).rev().map(|ring_bits| (1, ring_bits));
    let mut wanted = RINGS.into_iter().chain(shorter);
    let (_, ring_bits) = wanted
        .find(|&(least, ring_bits)| fitting(ring_bits) >= least.into())
        .unwrap_or((1, 0));
    // The shared slot needs none.
    let rings = fitting(ring_bits).clamp(1, u64::from(slots) - 1) as u32;
    shape(rings, ring_bits)
}

/// Bytes of kernel memory that the probes take, when neither top talkers nor durations are counted.
fn map_bytes(shape: CounterShape) -> u64 {
    let totals = u64::from(shape.cells()) * size_of::<CellTotals>() as u64;
    let rings = u64::from(shape.rings) * ring_bytes(shape.cpus, shape.ring_bits);
    totals + rings + u64::from(shape.slots) * SLOT_BYTES + REST
}

/// Bytes of a ring: the parts of all CPUs.
fn ring_bytes(cpus: u32, ring_bits: u32) -> u64 {
    (u64::from(cpus) * size_of::<Bucket>() as u64) << ring_bits
}

/// The number of slots, from the first, that have histograms.
pub(super) fn duration_slots(shape: CounterShape, lifetimes: bool, latency: bool) -> u32 {
    let of_cell = u64::from(lifetimes) * size_of::<LifetimeCell>() as u64
        + u64::from(latency) * 2 * size_of::<Histogram>() as u64;
    let fitting = DURATION_MEMORY / (of_cell * u64::from(shape.cpus)).max(1);
    fitting.clamp(1, shape.slots.into()) as u32
}

/// The shape for a number of CPU ids: tables as large as memory allows.
pub(super) fn sketch_shape(cpus: u32) -> SketchShape {
    let shape = |set_bits| SketchShape { cpus, set_bits };
    let fits = |&set_bits: &u32| sketch_bytes(shape(set_bits)) <= SKETCH_MEMORY;
    shape((0..=MAX_SET_BITS).rev().find(fits).unwrap_or(0))
}

fn sketch_bytes(shape: SketchShape) -> u64 {
    u64::from(shape.elements()) * size_of::<SketchSet>() as u64
}

/// How many connections' insertion times are kept: as many as the table of a namespace may hold, within limits.
#[must_use]
pub fn remembered_connections(table_max: Option<u64>) -> u32 {
    let connections = table_max.unwrap_or(MIN_REMEMBERED);
    connections.clamp(MIN_REMEMBERED, MAX_REMEMBERED) as u32
}
