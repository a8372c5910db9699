//! The probes' counters, read from the kernel's maps through shared memory: no system call per read.

use std::{
    io,
    os::fd::AsFd,
    ptr::{self, NonNull},
};

use conntrack_ebpf::{Bucket, COUNTER_SLOTS, Totals, bucket_count};
use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

use crate::{
    reading::{buckets::Epoch, probes::ProbeTotals},
    source::buckets::BucketRing,
};

/// The shape of the maps, as user space made them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// log2 of the buckets in a cell's ring.
    pub ring_bits: u32,
    /// Number of instances.
    pub slots: u32,
}

/// Memory for buckets, not to be exceeded by more than the shortest rings take.
const BUCKET_MEMORY: u64 = 64 << 20;
/// The longest ring: 2^12 buckets are 4.3 s.
const MAX_RING_BITS: u32 = 12;
/// The shortest ring: 2^10 buckets are 1.07 s.
const MIN_RING_BITS: u32 = 10;
/// Instances there are always room for, one of them for the others.
const MIN_SLOTS: u32 = 8;

impl Shape {
    /// The shape for a number of CPU ids and up to `slots` instances: as many instances as the memory
    /// allows, and then rings as long as it allows.
    #[must_use]
    pub fn new(cpus: u32, slots: u32) -> Self {
        let bytes = |slots: u32, bits: u32| {
            (u64::from(cpus) * u64::from(slots) * size_of::<Bucket>() as u64) << bits
        };
        let mut fitting = slots;
        while fitting > MIN_SLOTS && bytes(fitting, MIN_RING_BITS) > BUCKET_MEMORY {
            fitting /= 2;
        }
        let ring_bits = (MIN_RING_BITS..=MAX_RING_BITS)
            .rev()
            .find(|&bits| bytes(fitting, bits) <= BUCKET_MEMORY)
            .unwrap_or(MIN_RING_BITS);
        Self {
            cpus,
            ring_bits,
            slots: fitting,
        }
    }

    /// Elements of the map of totals: one per cell.
    #[must_use]
    pub fn cells(&self) -> u32 {
        self.cpus * self.slots
    }

    /// Elements of the map of buckets.
    #[must_use]
    pub fn buckets(&self) -> u32 {
        self.cells() << self.ring_bits
    }
}

/// The maps of totals and buckets.
pub struct CounterMaps {
    shape: Shape,
    totals: MapView<Totals>,
    buckets: MapView<Bucket>,
}

impl CounterMaps {
    /// Maps both. The descriptors may be closed afterwards.
    pub fn new(totals: impl AsFd, buckets: impl AsFd, shape: Shape) -> io::Result<Self> {
        Ok(Self {
            totals: MapView::new(totals, shape.cells() as usize)?,
            buckets: MapView::new(buckets, shape.buckets() as usize)?,
            shape,
        })
    }

    /// Number of instances that are counted apart.
    #[must_use]
    pub fn slots(&self) -> u32 {
        self.shape.slots
    }

    /// Number of CPU ids.
    #[must_use]
    pub fn cpus(&self) -> u32 {
        self.shape.cpus
    }

    /// The totals of an instance by CPU id, and the faults of all instances.
    #[must_use]
    pub fn totals_by_cpu(&self, slot: u32) -> (Vec<ProbeTotals>, u64) {
        let mut cpus = Vec::with_capacity(self.shape.cpus as usize);
        for cpu in 0..self.shape.cpus {
            let mut totals = [0; COUNTER_SLOTS];
            if let Some(cell) = self.totals.element((slot * self.shape.cpus + cpu) as usize) {
                // SAFETY: `cell` points into the mapping, at an initialised Totals. Volatile because
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
        for cell in 0..self.shape.cells() {
            if let Some(cell) = self.totals.element(cell as usize) {
                // SAFETY: as above.
                faults += unsafe { (&raw const (*cell.as_ptr()).faults).read_volatile() };
            }
        }
        (cpus, faults)
    }

    /// The rings of an instance.
    #[must_use]
    pub fn ring(&self, slot: u32) -> SlotRing<'_> {
        SlotRing { maps: self, slot }
    }
}

/// The rings of one instance, one per CPU.
pub struct SlotRing<'a> {
    maps: &'a CounterMaps,
    slot: u32,
}

impl BucketRing for SlotRing<'_> {
    fn cpus(&self) -> u32 {
        self.maps.shape.cpus
    }

    fn length(&self) -> u64 {
        1 << self.maps.shape.ring_bits
    }

    fn read(&self, cpu: u32, epoch: Epoch) -> Option<[u32; COUNTER_SLOTS]> {
        let shape = &self.maps.shape;
        let cell = u64::from(self.slot * shape.cpus + cpu);
        let index = (cell << shape.ring_bits) | (epoch & (self.length() - 1));
        let bucket = self.maps.buckets.element(usize::try_from(index).ok()?)?;
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

/// An array map of `T`, mapped read-only.
pub struct MapView<T> {
    base: NonNull<T>,
    elements: usize,
    bytes: usize,
}

impl<T> MapView<T> {
    /// Maps it. The descriptor may be closed afterwards.
    pub fn new(fd: impl AsFd, elements: usize) -> io::Result<Self> {
        let bytes = (elements * size_of::<T>()).next_multiple_of(page_size());
        // SAFETY: a new mapping, at an address of the kernel's choice; the kernel refuses a length
        // beyond the map's. MapView never hands out a reference, only pointers within it.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ,
                MapFlags::SHARED,
                fd,
                0,
            )?
        };
        let base = NonNull::new(base.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped the counters at address 0"))?;
        Ok(Self {
            base,
            elements,
            bytes,
        })
    }

    /// A pointer to an element, which programs may be writing to; `None` beyond the last.
    #[must_use]
    pub fn element(&self, index: usize) -> Option<NonNull<T>> {
        // SAFETY: within the mapping, which lives as long as `self`.
        (index < self.elements).then(|| unsafe { self.base.add(index) })
    }
}

impl<T> Drop for MapView<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, of which no pointer outlives `self`. Failure leaves
        // it mapped: nothing to do about it.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: shared memory that is only read, with volatile loads; the pointer is not tied to a thread.
unsafe impl<T> Send for MapView<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_as_long_as_memory_allows() {
        assert_eq!(Shape::new(2, 1).ring_bits, 12);
        assert_eq!(Shape::new(64, 1).ring_bits, 12);
        assert_eq!(Shape::new(128, 1).ring_bits, 11);
        assert_eq!(Shape::new(256, 1).ring_bits, 10);
        assert_eq!(Shape::new(4096, 1).ring_bits, 10);
        assert_eq!(Shape::new(2, 1).buckets(), 2 << 12);
    }

    #[test]
    fn many_instances_share_the_memory() {
        let small = Shape::new(2, 64);
        assert_eq!((small.slots, small.ring_bits), (64, 11));
        let large = Shape::new(64, 64);
        assert_eq!((large.slots, large.ring_bits), (8, 10));
        assert_eq!(Shape::new(4096, 64).slots, 8);
    }
}
