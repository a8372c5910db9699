//! Counts in memory: running totals, and rings of time buckets of about a millisecond.
//!
//! | map | elements | of |
//! |---|---|---|
//! | [`TOTALS`](crate::maps::TOTALS) | `[slot][cpu]` | [`CellTotals`] |
//! | [`BUCKETS`](crate::maps::BUCKETS) | `[ring][cpu][epoch modulo the ring's length]` | [`Bucket`] |
//! | [`SLOT_RINGS`](crate::maps::SLOT_RINGS) | `[slot]` | the number of its ring, see [`ring_word`] |
//!
//! A *slot* belongs to one instance (network namespace), a *cell* to one CPU of it. Every instance has totals; rings are large and
//! few, so they belong to those instances that user space lends one to.
//!
//! All are `BPF_MAP_TYPE_ARRAY`; the first two have `BPF_F_MMAPABLE`, and user space maps them read-only.
//!
//! Only the programs write totals and buckets, and only those of the CPU they run on. Each counter belongs to one program. A
//! program never interrupts itself on a CPU (the kernel skips such a hit, and counts it as missed). Programs attached by fentry do
//! interrupt each other, but as each word has a single writer, that is safe. A ring changes hands only after the programs that may
//! still write to it for its last instance have ended; what they have left there has an epoch that is past.

/// Length of one time bucket as a power of two of nanoseconds: 2^20 ns = 1.048576 ms.
pub const BUCKET_SHIFT: u32 = 20;

/// Length of one time bucket in nanoseconds.
pub const BUCKET_NS: u64 = 1 << BUCKET_SHIFT;

/// The number of counters in a cell, so that a [`Bucket`] is exactly four cache lines. The counters that every flow increments
/// are in the first one.
pub const COUNTER_SLOTS: usize = 32;

/// Index of a cell. `cpus` is the number of CPU ids (highest possible id + 1), not the number of CPUs.
#[inline(always)]
#[must_use]
pub const fn cell_index(slot: u32, cpu: u32, cpus: u32) -> u32 {
    slot * cpus + cpu
}

/// Index of the bucket of an epoch (`bpf_ktime_get_ns() >> BUCKET_SHIFT`) in a CPU's part of a ring, which has `length` buckets, a
/// power of two. `part` is the [`cell_index`] of the ring and the CPU.
#[inline(always)]
#[must_use]
pub const fn bucket_index(part: u32, epoch: u64, length: u32) -> u32 {
    part * length + (epoch as u32 & (length - 1))
}

/// An element of [`SLOT_RINGS`](crate::maps::SLOT_RINGS): 0, as in a new map, for a slot without a ring.
#[inline(always)]
#[must_use]
pub const fn ring_word(ring: Option<u32>) -> u32 {
    match ring {
        Some(ring) => ring + 1,
        None => 0,
    }
}

/// The ring of a slot, from its [`ring_word`].
#[inline(always)]
#[must_use]
pub const fn ring_of_word(word: u32) -> Option<u32> {
    word.checked_sub(1)
}

/// The dimensions of the maps of totals and buckets, as user space creates them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CounterShape {
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// Number of instances.
    pub slots: u32,
    /// Number of rings of buckets. With a single slot there is one, which the programs use without looking it up.
    pub rings: u32,
    /// log2 of the number of buckets in a CPU's part of a ring.
    pub ring_bits: u32,
}

impl CounterShape {
    /// Number of cells: elements of the map of totals.
    #[must_use]
    pub const fn cells(&self) -> u32 {
        self.cpus * self.slots
    }

    /// Elements of the map of buckets.
    #[must_use]
    pub const fn buckets(&self) -> u32 {
        (self.cpus * self.rings) << self.ring_bits
    }

    /// Buckets in a CPU's part of a ring, each [`BUCKET_NS`] long.
    #[must_use]
    pub const fn ring_length(&self) -> u64 {
        1 << self.ring_bits
    }

    /// See [`cell_index`].
    #[must_use]
    pub const fn cell(&self, slot: u32, cpu: u32) -> u32 {
        cell_index(slot, cpu, self.cpus)
    }

    /// See [`bucket_index`].
    #[must_use]
    pub const fn bucket(&self, ring: u32, cpu: u32, epoch: u64) -> u32 {
        bucket_index(cell_index(ring, cpu, self.cpus), epoch, 1 << self.ring_bits)
    }
}

/// Running totals of one cell since the programs were loaded. 320 bytes: five cache lines.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CellTotals {
    /// One monotonic total per [`ProbeCounter`](crate::ProbeCounter).
    pub counts: [u64; COUNTER_SLOTS],
    /// Events lost on this CPU: kernel memory could not be read, or an entry context could not be saved. They are counted in slot
    /// 0, whatever their namespace.
    pub faults: u64,
    /// For the programs only: the last allocation that this CPU has entered.
    pub allocating: Allocating,
    /// Padding to a multiple of a cache line.
    pub reserved: [u64; 4],
}

/// What the entry of `__nf_conntrack_alloc` saves for `early_drop`, which it may call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Allocating {
    /// The stack pointer at its entry.
    pub frame: u64,
    /// Its `orig` argument: the tuple of the new flow.
    pub tuple: u64,
    /// 1 when the packet path called it.
    pub from_packet: u64,
}

/// One time bucket of a CPU. 256 bytes: four cache lines.
///
/// Each word combines the count of a [`ProbeCounter`](crate::ProbeCounter) with its epoch, see [`bucket_word`]. So a row of the
/// ring need not be cleared before it is reused, and a reader needs only one load to get a count that belongs to the epoch.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// One word per [`ProbeCounter`](crate::ProbeCounter).
    pub words: [u64; COUNTER_SLOTS],
}

const _: () = assert!(size_of::<CellTotals>() == 320);
const _: () = assert!(size_of::<Bucket>() == 256);

/// The bits of a word of a [`Bucket`] that count. The others are the low 40 bits of the epoch, which wrap after 36 years.
const COUNT_BITS: u32 = 24;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;

/// A word of a [`Bucket`]: `count`, below 2^24, events in `epoch` (`bpf_ktime_get_ns() >> BUCKET_SHIFT`).
#[inline(always)]
#[must_use]
pub const fn bucket_word(epoch: u64, count: u32) -> u64 {
    (epoch << COUNT_BITS) | count as u64
}

/// The count of a word of a [`Bucket`] for an epoch; 0 if the word belongs to another epoch.
#[inline(always)]
#[must_use]
pub const fn bucket_count(word: u64, epoch: u64) -> u32 {
    let count = word ^ (epoch << COUNT_BITS);
    if count >> COUNT_BITS == 0 {
        count as u32
    } else {
        0
    }
}

/// A word of a [`Bucket`] after one more event in an epoch.
#[inline(always)]
#[must_use]
pub const fn bucket_word_after(word: u64, epoch: u64) -> u64 {
    let none = bucket_word(epoch, 0);
    let counted = if word ^ none > COUNT_MASK { none } else { word };
    counted + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_added_to_its_epoch() {
        let epoch = 0x12_3456_789a;
        let first = bucket_word_after(0, epoch);
        assert_eq!(first, bucket_word(epoch, 1));
        assert_eq!(bucket_word_after(first, epoch), bucket_word(epoch, 2));
        let next = bucket_word(epoch + 1, 1);
        assert_eq!(bucket_word_after(first, epoch + 1), next);
        // Not that clocks go back.
        assert_eq!(bucket_word_after(next, epoch), first);
        let full = bucket_word(epoch, (1 << 24) - 2);
        let fuller = bucket_word(epoch, (1 << 24) - 1);
        assert_eq!(bucket_word_after(full, epoch), fuller);
    }

    #[test]
    fn a_word_counts_in_one_epoch_only() {
        let epoch = 0x12_3456_789a;
        let word = bucket_word(epoch, 7);
        assert_eq!(bucket_count(word, epoch), 7);
        assert_eq!(bucket_count(word, epoch + 1), 0);
        assert_eq!(bucket_count(word, epoch - (1 << 12)), 0);
        assert_eq!(bucket_count(0, epoch), 0);
        // Adding one to the word adds one to the count.
        assert_eq!(bucket_count(word + 1, epoch), 8);
        // The last epoch: 64 bits of nanoseconds have 2^44 epochs.
        let last = u64::MAX >> BUCKET_SHIFT;
        assert_eq!(
            bucket_count(bucket_word(last, (1 << 24) - 1), last),
            (1 << 24) - 1
        );
    }

    #[test]
    fn cells_and_rings_follow_each_other_without_gaps() {
        let shape = CounterShape {
            cpus: 3,
            slots: 5,
            rings: 2,
            ring_bits: 4,
        };
        let (mut cells, mut buckets) = (0, 0);
        for slot in 0..shape.slots {
            for cpu in 0..shape.cpus {
                assert_eq!(shape.cell(slot, cpu), cells);
                cells += 1;
            }
        }
        for ring in 0..shape.rings {
            for cpu in 0..shape.cpus {
                for place in 0..shape.ring_length() {
                    let epoch = 7 * shape.ring_length() + place;
                    assert_eq!(shape.bucket(ring, cpu, epoch), buckets);
                    buckets += 1;
                }
            }
        }
        assert_eq!((cells, buckets), (shape.cells(), shape.buckets()));
    }

    #[test]
    fn a_new_map_has_no_rings() {
        assert_eq!(ring_of_word(0), None);
        for ring in [None, Some(0), Some(29)] {
            assert_eq!(ring_of_word(ring_word(ring)), ring);
        }
    }
}
