//! How long connections lived, as the programs count it, read through shared memory.

use std::{io, os::fd::AsFd};

use conntrack_ebpf::loglinear::{BUCKETS, Lived};

use super::counter_maps::{MapView, Shape};
use crate::model::lifetimes::LifetimeCounts;

/// Connections there is always room to remember.
const LEAST_ROOM: u64 = 65_536;
/// Connections there is never more room for.
const MOST_ROOM: u64 = 1_048_576;

/// Room for the begins of connections: as many as the table of a namespace may hold.
#[must_use]
pub fn room(table_max: Option<u64>) -> u32 {
    table_max.unwrap_or(LEAST_ROOM).clamp(LEAST_ROOM, MOST_ROOM) as u32
}

/// The map.
pub struct LifetimeMaps {
    shape: Shape,
    view: MapView<Lived>,
}

impl LifetimeMaps {
    /// Maps it. The descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn new(lived: impl AsFd, shape: Shape) -> io::Result<Self> {
        Ok(Self {
            shape,
            view: MapView::new(lived, shape.cells() as usize)?,
        })
    }

    /// Number of instances that are counted apart.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.shape.slots
    }

    /// What was counted for an instance, summed over CPUs.
    #[must_use]
    pub fn read(&self, slot: u32) -> LifetimeCounts {
        let mut sum = LifetimeCounts::default();
        for cpu in 0..self.shape.cpus {
            let Some(lived) = self.view.element((slot * self.shape.cpus + cpu) as usize) else {
                continue;
            };
            // SAFETY: within the mapping, at an initialised Lived. Volatile because the programs
            // write meanwhile; each field is one aligned u64, and the bucket is below BUCKETS.
            unsafe {
                let counts = (&raw const (*lived.as_ptr()).counts).cast::<u64>();
                for (bucket, sum) in sum.buckets.iter_mut().take(BUCKETS).enumerate() {
                    *sum += counts.add(bucket).read_volatile();
                }
                sum.unknown += (&raw const (*lived.as_ptr()).unknown).read_volatile();
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_follows_the_table() {
        assert_eq!(room(None), 65_536);
        assert_eq!(room(Some(1_000)), 65_536);
        assert_eq!(room(Some(262_144)), 262_144);
        assert_eq!(room(Some(1 << 40)), 1_048_576);
    }
}
