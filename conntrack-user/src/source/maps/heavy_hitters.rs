//! Reads the eBPF programs' counts per source, destination and port through shared memory.

use std::{io, os::fd::AsFd};

use conntrack_ebpf::heavy_hitters::{SketchSet, SketchShape, TABLES};

use super::view::MapView;
use crate::reading::heavy_hitters::{KEYS, Sketch};

/// The Space-Saving sets of all tables and CPUs, in both halves: programs count in one while the other is read.
pub struct SketchMaps {
    shape: SketchShape,
    view: MapView<SketchSet>,
}

impl SketchMaps {
    /// Maps the sets into memory. The descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn new(fd: impl AsFd, shape: SketchShape) -> io::Result<Self> {
        Ok(Self {
            shape,
            view: MapView::new(fd, shape.elements() as usize)?,
        })
    }

    /// What was counted in a generation that is over, by table, summed over CPUs.
    #[must_use]
    pub fn read(&self, generation: u64) -> Vec<Sketch> {
        (0..TABLES)
            .map(|table| self.read_table(generation, table))
            .collect()
    }

    fn read_table(&self, generation: u64, table: u32) -> Sketch {
        let sets = self.shape.sets();
        let mut sketch = Sketch::new(sets, KEYS);
        for cpu in 0..self.shape.cpus {
            for place in 0..sets as u32 {
                let index = self.shape.set(cpu, generation, table, place);
                let Some(set) = self.view.element(index as usize) else {
                    continue;
                };
                // SAFETY: within the mapping, at an initialised SketchSet of plain numbers. Its CPU counts
                // in the other half by now; a program that is late would at worst write one number while we read.
                let set = unsafe {
                    let set = set.as_ptr();
                    if (&raw const (*set).generation).read_volatile() != generation {
                        continue;
                    }
                    set.read_volatile()
                };
                sketch.add_set(place as usize, &set, generation);
            }
        }
        sketch
    }
}
