//! Sizes of the maps for a number of CPU ids: rings and tables are as large as a fixed budget of memory allows.

use conntrack_ebpf::{
    cells::{Bucket, CounterShape},
    heavy_hitters::{SketchSet, SketchShape},
};

#[cfg(test)]
mod tests;

/// Bytes that the buckets of all cells may take: 64 MiB, for up to 8192 CPU ids (`CONFIG_NR_CPUS` of x86-64
/// can be no higher).
const BUCKET_MEMORY: u64 = 64 << 20;

/// The most slots when several instances may be watched. One slot is shared by namespaces without their own.
const SLOTS: u32 = 64;

/// The longest ring: 2^12 buckets are 4.3 s.
const MAX_RING_BITS: u32 = 12;

/// Limits that are tried in this order when memory is short: the least number of slots, and log2 of the shortest ring. First
/// slots beyond eight (for seven namespaces and the shared slot) are given up, then half of the 1.07 s of ring that a reading
/// once a second needs, then all slots but two.
///
/// If that is not enough, the ring gets as short as necessary: at least 2^4 buckets, 16.8 ms, for two slots on 8192 CPU ids
/// (2^5 buckets, 33.6 ms, for one slot). A reader that is held up for longer loses buckets, and reports how many.
const CONCESSIONS: [(u32, u32); 3] = [(8, 10), (8, 9), (2, 9)];

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
    counter_shape_of(cpus, if netns.is_some() { 1 } else { SLOTS })
}

/// The shape for up to `slots` slots. More than one slot never becomes a single one, because the last is shared by namespaces
/// without their own.
fn counter_shape_of(cpus: u32, slots: u32) -> CounterShape {
    let fits = |slots: u32, ring_bits: u32| bucket_bytes(cpus, slots, ring_bits) <= BUCKET_MEMORY;
    let halves = || {
        let halved = |&slots: &u32| Some(slots / 2).filter(|&half| half > 0);
        std::iter::successors(Some(slots), halved)
    };
    let fitting = CONCESSIONS.iter().find_map(|&(least_slots, shortest)| {
        let mut enough = halves().take_while(|&half| half >= least_slots.min(slots));
        Some((enough.find(|&half| fits(half, shortest))?, shortest))
    });
    let (slots, shortest) = fitting.unwrap_or((slots.min(2), 0));
    let longest = (shortest..=MAX_RING_BITS)
        .rev()
        .find(|&bits| fits(slots, bits));
    CounterShape {
        cpus,
        slots,
        ring_bits: longest.unwrap_or(shortest),
    }
}

fn bucket_bytes(cpus: u32, slots: u32, ring_bits: u32) -> u64 {
    (u64::from(cpus) * u64::from(slots) * size_of::<Bucket>() as u64) << ring_bits
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
