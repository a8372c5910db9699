//! Histograms in maps. Each word is written by a single program on a single CPU, where it does not interrupt itself, so plain
//! loads and stores are enough.

use core::arch::asm;

use conntrack_ebpf::loglinear::{BUCKETS, Histogram, bucket};

/// Adds a duration in nanoseconds.
///
/// # Safety
///
/// `histogram` must point into an element of a map, of this CPU's cell.
#[inline(always)]
pub(crate) unsafe fn add(histogram: *mut Histogram, length: u64) {
    let bucket = hidden(u64::from(bucket(length)));
    if bucket < BUCKETS as u64 {
        // SAFETY: by contract, and an index within it.
        unsafe { increment(histogram.cast::<u64>().add(bucket as usize)) };
    }
}

/// Adds 1 to a word of a map. Volatile, because user space reads the same memory.
///
/// # Safety
///
/// `word` must point to an aligned word of a map element, of this CPU's cell.
#[inline(always)]
pub(crate) unsafe fn increment(word: *mut u64) {
    // SAFETY: by contract.
    unsafe { word.write_volatile(word.read_volatile() + 1) };
}

/// Hides a value's range from the compiler. The compiler knows that a bucket is below [`BUCKETS`], and would remove the
/// comparison, which the verifier needs to see.
#[inline(always)]
fn hidden(mut value: u64) -> u64 {
    // SAFETY: moves a register onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}
