//! Counting: the two maps, and the only code that writes to them.

use aya_ebpf::{
    Global,
    bindings::BPF_F_MMAPABLE,
    helpers::{bpf_get_smp_processor_id, bpf_ktime_get_ns},
    macros::map,
    maps::Array,
};
use conntrack_ebpf::{Allocating, BUCKET_SHIFT, Bucket, COUNTER_SLOTS, ProbeCounter, Totals};

use crate::instance::Slot;

// User space sets the number of elements when it loads the object.
#[map]
static TOTALS: Array<Totals> = Array::with_max_entries(1, BPF_F_MMAPABLE);
#[map]
static BUCKETS: Array<Bucket> = Array::with_max_entries(1, BPF_F_MMAPABLE);

#[unsafe(no_mangle)]
static CPUS: Global<u32> = Global::new(1);
#[unsafe(no_mangle)]
static RING_BITS: Global<u32> = Global::new(0);

/// The totals and the current bucket of this CPU, for one event.
///
/// Plain loads and stores suffice: a cell belongs to one CPU, and a kprobe program neither migrates
/// nor nests (`trace_call_bpf` runs with preemption off and skips a nested hit on the same CPU; the
/// kernel counts those as missed).
pub(crate) struct Hit {
    totals: *mut Totals,
    bucket: *mut Bucket,
}

impl Hit {
    /// Finds the cell of this CPU and the bucket of this moment, clearing the bucket if it still
    /// holds an earlier turn of the ring.
    #[inline(always)]
    pub(crate) fn now(slot: Slot) -> Option<Self> {
        let cell = cell(slot);
        let totals = TOTALS.get_ptr_mut(cell)?;
        // SAFETY: helpers without arguments.
        let epoch = unsafe { bpf_ktime_get_ns() } >> BUCKET_SHIFT;
        let ring_bits = RING_BITS.load();
        let turn = (epoch as u32) & ((1 << ring_bits) - 1);
        let bucket = BUCKETS.get_ptr_mut((cell << ring_bits) | turn)?;
        // SAFETY: the verifier has checked the pointer of the map element.
        unsafe {
            if (&raw const (*bucket).epoch).read_volatile() != epoch {
                reset(bucket, epoch);
            }
        }
        Some(Self { totals, bucket })
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
            let count = (&raw mut (*self.bucket).counts).cast::<u32>().add(i);
            count.write_volatile(count.read_volatile() + 1);
        }
    }
}

impl Hit {
    /// Remembers the allocation this CPU has just entered.
    #[inline(always)]
    pub(crate) fn set_allocating(&self, allocating: Allocating) {
        // SAFETY: a checked map element.
        unsafe { (*self.totals).allocating = allocating };
    }

    /// The allocation this CPU entered last.
    #[inline(always)]
    pub(crate) fn allocating(&self) -> Allocating {
        // SAFETY: a checked map element.
        unsafe { (*self.totals).allocating }
    }
}

/// Counts one event of `counter` in `slot`.
#[inline(always)]
pub(crate) fn count(slot: Slot, counter: ProbeCounter) {
    if let Some(hit) = Hit::now(slot) {
        hit.add(counter);
    }
}

/// Counts an event whose kernel memory could not be read. Its namespace is unknown by nature, so
/// slot 0 keeps them all.
#[inline(always)]
pub(crate) fn count_fault() {
    if let Some(totals) = TOTALS.get_ptr_mut(cell(Slot(0))) {
        // SAFETY: a checked map element.
        unsafe {
            let faults = &raw mut (*totals).faults;
            faults.write_volatile(faults.read_volatile() + 1);
        }
    }
}

#[inline(always)]
fn cell(slot: Slot) -> u32 {
    // SAFETY: a helper without arguments.
    let cpu = unsafe { bpf_get_smp_processor_id() };
    slot.0 * CPUS.load() + cpu
}

/// Clears a row for `epoch`, in an order that lets a concurrent reader see that it must not trust it.
#[inline(always)]
unsafe fn reset(bucket: *mut Bucket, epoch: u64) {
    // SAFETY: the caller passes a checked map element.
    unsafe {
        let tag = &raw mut (*bucket).epoch;
        tag.write_volatile(Bucket::RESETTING);
        // As u64 words: half the stores. COUNTER_SLOTS is even and `counts` is 8-aligned.
        let words = (&raw mut (*bucket).counts).cast::<u64>();
        let mut i = 0;
        while i < COUNTER_SLOTS / 2 {
            words.add(i).write_volatile(0);
            i += 1;
        }
        tag.write_volatile(epoch);
    }
}
