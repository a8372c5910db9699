//! The probes' counters: running totals and rings of buckets.

use std::{
    io,
    os::fd::AsFd,
    sync::atomic::{Ordering, fence},
};

use conntrack_ebpf::{
    COUNTER_SLOTS,
    cells::{Bucket, CellTotals, CounterShape, bucket_count},
};

use super::view::MapView;
use crate::{
    reading::{buckets::Epoch, probes::ProbeTotals},
    source::buckets::BucketRing,
};

/// The maps of totals and buckets.
pub struct CounterMaps {
    shape: CounterShape,
    totals: MapView<CellTotals>,
    buckets: MapView<Bucket>,
}

impl CounterMaps {
    /// Maps both into memory. The descriptors may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn new(totals: impl AsFd, buckets: impl AsFd, shape: CounterShape) -> io::Result<Self> {
        Ok(Self {
            totals: MapView::new(totals, shape.cells() as usize)?,
            buckets: MapView::new(buckets, shape.buckets() as usize)?,
            shape,
        })
    }

    /// Number of slots: instances that are counted separately.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.shape.slots
    }

    /// Number of CPU ids.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.shape.cpus
    }

    /// Number of rings of buckets.
    #[must_use]
    pub fn rings(&self) -> u32 {
        self.shape.rings
    }

    /// The totals of an instance by CPU id, and the faults of all instances.
    ///
    /// They are not read before what the caller has read, nor after what it reads next, also on processors that may read memory in
    /// another order than the program: the kernel's counters are read between two readings of these.
    #[must_use]
    pub fn totals_by_cpu(&self, slot: u32) -> (Vec<ProbeTotals>, u64) {
        fence(Ordering::SeqCst);
        let mut cpus = Vec::with_capacity(self.shape.cpus as usize);
        for cpu in 0..self.shape.cpus {
            let mut totals = [0; COUNTER_SLOTS];
            if let Some(cell) = self.totals.element(self.shape.cell(slot, cpu) as usize) {
                // SAFETY: `cell` points into the mapping, at initialised CellTotals. Volatile because
                // the programs write meanwhile; each field is one aligned u64.
                unsafe {
                    let counts = (&raw const (*cell.as_ptr()).counts).cast::<u64>();
                    for (i, total) in totals.iter_mut().enumerate() {
                        *total = counts.add(i).read_volatile();
                    }
                }
            }
            cpus.push(totals);
        }
        let mut faults = 0;
        for cpu in 0..self.shape.cpus {
            // Slot 0 has those of all instances.
            if let Some(cell) = self.totals.element(self.shape.cell(0, cpu) as usize) {
                // SAFETY: as above.
                faults += unsafe { (&raw const (*cell.as_ptr()).faults).read_volatile() };
            }
        }
        fence(Ordering::SeqCst);
        (cpus, faults)
    }

    /// All hits of probes that were counted for an instance.
    #[must_use]
    pub fn hits(&self, slot: u32) -> u64 {
        self.totals_by_cpu(slot).0.iter().flatten().sum()
    }

    /// A ring of buckets.
    #[must_use]
    pub fn ring(&self, number: u32) -> MappedRing<'_> {
        MappedRing { maps: self, number }
    }
}

/// A ring of buckets, in parts of one CPU each.
pub struct MappedRing<'a> {
    maps: &'a CounterMaps,
    number: u32,
}

impl BucketRing for MappedRing<'_> {
    fn cpus(&self) -> u32 {
        self.maps.shape.cpus
    }

    fn length(&self) -> u64 {
        self.maps.shape.ring_length()
    }

    fn read(&self, cpu: u32, epoch: Epoch) -> Option<[u32; COUNTER_SLOTS]> {
        let shape = &self.maps.shape;
        let index = shape.bucket(self.number, cpu, epoch);
        let bucket = self.maps.buckets.element(index as usize)?;
        let mut counts = [0; COUNTER_SLOTS];
        for (i, count) in counts.iter_mut().enumerate() {
            // SAFETY: `bucket` points into the mapping. Volatile, because the programs write meanwhile;
            // each word is one aligned u64.
            let word = unsafe {
                (&raw const (*bucket.as_ptr()).words)
                    .cast::<u64>()
                    .add(i)
                    .read_volatile()
            };
            *count = bucket_count(word, epoch);
        }
        counts.iter().any(|&count| count > 0).then_some(counts)
    }
}
