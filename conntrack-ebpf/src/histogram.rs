//! Histograms in maps. Each word is written by one program only, on one CPU: a program does not
//! interrupt itself there, so that plain loads and stores suffice.

use core::arch::asm;

use conntrack_ebpf::loglinear::{BUCKETS, Histogram, bucket};

/// Counts a length of time, in nanoseconds.
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

/// Hides from the compiler what it knows of a value. It knows that a bucket is below [`BUCKETS`] and
/// would leave the comparison out; the verifier knows only what it has seen compared.
#[inline(always)]
fn hidden(mut value: u64) -> u64 {
    // SAFETY: moves a register onto itself.
    unsafe { asm!("{0} = {0}", inout(reg) value, options(pure, nomem, nostack)) };
    value
}
