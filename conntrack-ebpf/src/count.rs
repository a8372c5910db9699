//! Increments counters in the totals and in the current bucket.

use core::ptr::NonNull;

use aya_ebpf::{bindings::BPF_F_MMAPABLE, helpers::bpf_ktime_get_ns, macros::map, maps::Array};
use conntrack_ebpf::{
    BUCKET_SHIFT, ProbeCounter,
    cells::{Allocating, Bucket, CellTotals, bucket_index, bucket_word_after, ring_of_word},
};

use crate::{
    globals::{RING_LENGTH, SLOTS},
    slot::{Slot, ThisCpu, this_cpu},
    totals,
};

// User space sets the number of elements when it loads the object.
#[map]
static BUCKETS: Array<Bucket> = Array::with_max_entries(1, BPF_F_MMAPABLE);
/// The rings of the slots. Written by user space.
#[map]
static SLOT_RINGS: Array<u32> = Array::with_max_entries(1, 0);

/// The totals and the current bucket of this CPU, for one event.
///
/// Plain loads and stores are enough: a cell belongs to one CPU, from which a program does not migrate, and each counter to one
/// program, which does not interrupt itself (see `conntrack_ebpf::cells`).
pub(crate) struct Hit {
    pub(crate) cpu: ThisCpu,
    totals: *mut CellTotals,
    /// `None` if the slot has no ring.
    bucket: Option<CurrentBucket>,
}

/// The bucket of this CPU and moment.
struct CurrentBucket {
    bucket: NonNull<Bucket>,
    epoch: u64,
}

/// The ring of a slot, if it has one. A single slot has the first, which is not looked up.
#[inline(always)]
fn ring_of(slot: Slot) -> Option<u32> {
    let word = SLOT_RINGS.get_ptr(slot.0)?;
    // SAFETY: a checked map element. Volatile, because user space changes it.
    ring_of_word(unsafe { word.read_volatile() })
}

impl CurrentBucket {
    /// That of a CPU's part of a ring.
    #[inline(always)]
    fn of(part: u32) -> Option<Self> {
        // SAFETY: a helper without arguments.
        let epoch = unsafe { bpf_ktime_get_ns() } >> BUCKET_SHIFT;
        let index = bucket_index(part, epoch, RING_LENGTH.load());
        Some(Self {
            bucket: NonNull::new(BUCKETS.get_ptr_mut(index)?)?,
            epoch,
        })
    }
}

impl Hit {
    /// Looks up the cell of this CPU, and the current bucket if the slot has a ring.
    #[inline(always)]
    pub(crate) fn now(slot: Slot) -> Option<Self> {
        let cpu = this_cpu();
        let (totals, bucket) = match SLOTS.load() {
            // The indices are those of `ThisCpu::cell`.
            1 => (
                totals::of_cell(cpu.number())?,
                CurrentBucket::of(cpu.number()),
            ),
            _ => (
                totals::of_cell(cpu.cell(slot.0))?,
                ring_of(slot).and_then(|ring| CurrentBucket::of(cpu.cell(ring))),
            ),
        };
        Some(Self {
            cpu,
            totals,
            bucket,
        })
    }

    /// Counts one event.
    #[inline(always)]
    pub(crate) fn add(&self, counter: ProbeCounter) {
        let i = counter.index();
        // SAFETY: both pointers are checked map elements and `i` is a constant below COUNTER_SLOTS.
        // Volatile, because user space reads the same memory.
        unsafe {
            let total = (&raw mut (*self.totals).counts).cast::<u64>().add(i);
            total.write_volatile(total.read_volatile() + 1);
            if let Some(current) = &self.bucket {
                let words = &raw mut (*current.bucket.as_ptr()).words;
                let word = words.cast::<u64>().add(i);
                word.write_volatile(bucket_word_after(word.read_volatile(), current.epoch));
            }
        }
    }

    /// Saves the allocation that this CPU has just entered.
    #[inline(always)]
    pub(crate) fn set_allocating(&self, allocating: Allocating) {
        // SAFETY: a checked map element.
        unsafe { (*self.totals).allocating = allocating };
    }

    /// The last allocation that this CPU has entered. The frame, which identifies the call, is read last: if another allocation
    /// interrupts the read, the frame is that of the other one.
    #[inline(always)]
    pub(crate) fn allocating(&self) -> Allocating {
        // SAFETY: a checked map element, of aligned words.
        unsafe {
            let allocating = &raw const (*self.totals).allocating;
            let tuple = (&raw const (*allocating).tuple).read_volatile();
            let from_packet = (&raw const (*allocating).from_packet).read_volatile();
            Allocating {
                frame: (&raw const (*allocating).frame).read_volatile(),
                tuple,
                from_packet,
            }
        }
    }
}

/// Counts one event of `counter` in `slot`.
#[inline(always)]
pub(crate) fn count(slot: Slot, counter: ProbeCounter) {
    if let Some(hit) = Hit::now(slot) {
        hit.add(counter);
    }
}
