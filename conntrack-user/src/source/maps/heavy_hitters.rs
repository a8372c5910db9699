//! The programs' counts per source, destination and port, read through shared memory.

use std::{io, os::fd::AsFd};

use conntrack_ebpf::leaders::{Set, TABLES};

use crate::{
    reading::heavy_hitters::{KEYS, Tally},
    source::maps::counters::MapView,
};

/// The shape of the map, as user space made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderShape {
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// log2 of the sets of a table.
    pub set_bits: u32,
}

/// Memory for all tables, not to be exceeded by more than the smallest take.
const MEMORY: u64 = 64 << 20;
/// The largest tables: 1,024 sets of 7 entries.
const MAX_SET_BITS: u32 = 10;
/// The smallest: 64 sets of 7 entries.
const MIN_SET_BITS: u32 = 6;

impl LeaderShape {
    /// The shape for a number of CPU ids: tables as large as memory allows.
    #[must_use]
    pub fn new(cpus: u32) -> Self {
        let fits = |&set_bits: &u32| Self { cpus, set_bits }.bytes() <= MEMORY;
        let set_bits = (MIN_SET_BITS..=MAX_SET_BITS).rev().find(fits);
        Self {
            cpus,
            set_bits: set_bits.unwrap_or(MIN_SET_BITS),
        }
    }

    /// Elements of the map: two halves of tables per CPU.
    #[must_use]
    pub fn elements(&self) -> u32 {
        (self.cpus * 2 * TABLES) << self.set_bits
    }

    fn bytes(&self) -> u64 {
        u64::from(self.elements()) * size_of::<Set>() as u64
    }

    /// Sets of a table.
    #[must_use]
    pub fn sets(&self) -> usize {
        1 << self.set_bits
    }
}

/// The map.
pub struct LeaderMaps {
    shape: LeaderShape,
    view: MapView<Set>,
}

impl LeaderMaps {
    /// Maps it. The descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn new(leaders: impl AsFd, shape: LeaderShape) -> io::Result<Self> {
        Ok(Self {
            shape,
            view: MapView::new(leaders, shape.elements() as usize)?,
        })
    }

    /// What was counted in a generation that is over, by table, summed over CPUs.
    #[must_use]
    pub fn read(&self, generation: u64) -> Vec<Tally> {
        (0..TABLES)
            .map(|table| self.read_table(generation, table))
            .collect()
    }

    fn read_table(&self, generation: u64, table: u32) -> Tally {
        let sets = self.shape.sets();
        let mut tally = Tally::new(sets, KEYS);
        for cpu in 0..self.shape.cpus {
            let half = cpu * 2 + (generation & 1) as u32;
            let first = ((half * TABLES + table) as usize) << self.shape.set_bits;
            for place in 0..sets {
                let Some(set) = self.view.element(first + place) else {
                    continue;
                };
                // SAFETY: within the mapping, at an initialised Set of plain numbers. Its CPU has
                // gone on to the other half; if it were late, it would write a number while we read.
                let set = unsafe {
                    let set = set.as_ptr();
                    if (&raw const (*set).generation).read_volatile() != generation {
                        continue;
                    }
                    set.read_volatile()
                };
                tally.add_set(place, &set, generation);
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_as_large_as_memory_allows() {
        assert_eq!(LeaderShape::new(2).set_bits, 10);
        assert_eq!(LeaderShape::new(2).bytes(), 9 << 20);
        assert_eq!(LeaderShape::new(14).set_bits, 10);
        assert_eq!(LeaderShape::new(64).set_bits, 7);
        assert_eq!(LeaderShape::new(4096).set_bits, 6);
    }
}
