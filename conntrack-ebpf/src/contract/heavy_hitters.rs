//! Heavy hitters: counts per key in bounded memory, with known errors.
//!
//! A [`SketchSet`] is a Space-Saving summary (Metwally, Agrawal, El Abbadi 2005) of the keys that hash to it. A key that it
//! contains is counted. Any other takes a free entry, or replaces the entry with the least count, and inherits that count as its
//! error. So for any stream of keys:
//!
//! - the counts of a set add up to the number of keys it was given;
//! - a key that is held occurred at most `count` and at least `count - error` times;
//! - a key that is not held occurred at most as often as the least count of a full set, and not at
//!   all if the set has room.
//!
//! A *table* consists of the 2^[`TOP_SET_BITS`](crate::globals::TOP_SET_BITS) sets of a CPU for one measure and kind of key. The
//! map [`HEAVY_HITTERS`](crate::maps::HEAVY_HITTERS) has two *halves* of tables per CPU, one that the programs write to and one
//! that user space reads. They are selected by the generation, which user space increments; a set whose generation is older is
//! empty.
//!
//! The programs and user space run the same code, and so do the tests.

mod key;

pub use key::{By, FlowKey, KeyKind, Prefixes};

/// Entries of a set.
pub const WAYS: usize = 7;

/// Tables of a CPU in each half.
pub const TABLES: u32 = (FlowMeasure::ALL.len() * By::ALL.len()) as u32;

/// The flows that are counted.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlowMeasure {
    /// Packets that would start a flow: [`crate::ProbeCounter::AllocCallPacket`].
    New = 0,
    /// Flows rejected because the table is full: [`crate::ProbeCounter::TableFull`].
    Dropped = 1,
    /// Flows evicted for others: [`crate::ProbeCounter::EarlyDrop`].
    Evicted = 2,
}

impl FlowMeasure {
    /// All, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::New, Self::Dropped, Self::Evicted];
}

/// Index of a table in a half, below [`TABLES`].
#[inline(always)]
#[must_use]
pub const fn table(measure: FlowMeasure, by: By) -> u32 {
    measure as u32 * By::ALL.len() as u32 + by as u32
}

/// Index of the first table of the half in which a CPU counts a generation.
#[inline(always)]
#[must_use]
pub const fn half_index(cpu: u32, generation: u64) -> u32 {
    (cpu * 2 + (generation as u32 & 1)) * TABLES
}

/// Index of a set in the map: `half` is a [`half_index`], `table` a [`table`] within it, of 2^`set_bits` sets.
#[inline(always)]
#[must_use]
pub const fn set_index(half: u32, table: u32, set: u32, set_bits: u32) -> u32 {
    ((half + table) << set_bits) | set
}

/// The dimensions of the map of sets, as user space creates it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SketchShape {
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// log2 of the sets of a table.
    pub set_bits: u32,
}

impl SketchShape {
    /// Elements of the map: two halves of tables per CPU.
    #[must_use]
    pub const fn elements(&self) -> u32 {
        (self.cpus * 2 * TABLES) << self.set_bits
    }

    /// Sets of a table.
    #[must_use]
    pub const fn sets(&self) -> usize {
        1 << self.set_bits
    }

    /// See [`set_index`].
    #[must_use]
    pub const fn set(&self, cpu: u32, generation: u64, table: u32, set: u32) -> u32 {
        set_index(half_index(cpu, generation), table, set, self.set_bits)
    }
}

/// A key and its count. 32 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SketchEntry {
    /// The counted key.
    pub key: FlowKey,
    /// Upper bound of its count; 0 if this entry and those after it are free.
    pub count: u32,
    /// The error of the count: the key occurred at least `count - error` times.
    pub error: u32,
}

/// A set: the keys with the same hash. 256 bytes, four cache lines.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SketchSet {
    /// The generation of its entries.
    pub generation: u64,
    /// Padding to a multiple of a cache line.
    pub reserved: [u64; 3],
    /// In the order of insertion.
    pub entries: [SketchEntry; WAYS],
}

const _: () = assert!(size_of::<SketchEntry>() == 32);
const _: () = assert!(size_of::<SketchSet>() == 256);

impl SketchSet {
    /// Counts a key in a generation; entries of another generation are dropped.
    ///
    /// A count saturates at 2^32 - 1, which a generation of seconds does not reach.
    #[inline(always)]
    pub fn add(&mut self, generation: u64, key: FlowKey) {
        if self.generation != generation {
            self.generation = generation;
            let mut i = 0;
            while i < WAYS {
                self.entries[i].count = 0;
                i += 1;
            }
        }
        let mut i = 0;
        while i < WAYS {
            let entry = &mut self.entries[i];
            if entry.count == 0 {
                *entry = SketchEntry {
                    key,
                    count: 1,
                    error: 0,
                };
                return;
            }
            if entry.key.is(&key) {
                entry.count = entry.count.saturating_add(1);
                return;
            }
            i += 1;
        }
        // Most keys are there, or have room.
        replace_least(&mut self.entries, key.high, key.low, key.tag);
    }

    /// The entries in use in a generation.
    pub fn entries(&self, generation: u64) -> impl Iterator<Item = &SketchEntry> {
        let current = self.generation == generation;
        self.entries
            .iter()
            .take_while(move |entry| current && entry.count > 0)
    }

    /// Upper bound of the count of a key that is not in the set.
    #[must_use]
    pub fn absent(&self, generation: u64) -> u32 {
        if self.entries(generation).count() < WAYS {
            return 0;
        }
        self.entries.iter().map(|e| e.count).min().unwrap_or(0)
    }
}

/// Replaces the entry with the least count, of a set without room. A function of its own, so that programs have their registers for
/// the keys that are there; they can pass no structures.
#[inline(never)]
fn replace_least(entries: &mut [SketchEntry; WAYS], high: u64, low: u64, tag: u64) {
    let mut least = 0;
    let mut i = 1;
    while i < WAYS {
        if entries[i].count < entries[least].count {
            least = i;
        }
        i += 1;
    }
    if let Some(entry) = entries.get_mut(least) {
        *entry = SketchEntry {
            key: FlowKey { high, low, tag },
            count: entry.count.saturating_add(1),
            error: entry.count,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_tables_halves_and_cpus_follow_each_other_without_gaps() {
        let shape = SketchShape {
            cpus: 3,
            set_bits: 2,
        };
        let mut next = 0;
        for cpu in 0..shape.cpus {
            for generation in [6, 7] {
                for measure in FlowMeasure::ALL {
                    for by in By::ALL {
                        for set in 0..shape.sets() as u32 {
                            let index = shape.set(cpu, generation, table(measure, by), set);
                            assert_eq!(index, next);
                            next += 1;
                        }
                    }
                }
            }
        }
        assert_eq!(next, shape.elements());
    }
}
