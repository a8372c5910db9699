//! Words that all CPUs share.

use core::{arch::asm, cell::UnsafeCell};

/// A word in the programs' own data, which all CPUs read and write as a whole. Unlike an element of a map it needs no lookup.
#[repr(transparent)]
pub(crate) struct Word(UnsafeCell<u64>);

// SAFETY: every access is a single load, store or atomic addition of an aligned word.
unsafe impl Sync for Word {}

impl Word {
    pub(crate) const fn zero() -> Self {
        Self(UnsafeCell::new(0))
    }

    #[inline(always)]
    pub(crate) fn load(&self) -> u64 {
        // SAFETY: a static of this program.
        unsafe { self.0.get().read_volatile() }
    }

    #[inline(always)]
    pub(crate) fn store(&self, value: u64) {
        // SAFETY: as above.
        unsafe { self.0.get().write_volatile(value) }
    }

    #[inline(always)]
    pub(crate) fn add(&self, n: u64) {
        // SAFETY: as above.
        unsafe { add(self.0.get(), n) }
    }
}

/// Adds to a word in a map, atomically. Rust's bpf target has no read-modify-write atomics; the
/// instruction (`BPF_ATOMIC | BPF_ADD`) is as old as eBPF.
///
/// # Safety
///
/// `word` must point to an aligned word of a map element or static.
#[inline(always)]
pub(crate) unsafe fn add(word: *mut u64, n: u64) {
    // SAFETY: by contract.
    unsafe {
        asm!(
            "lock *(u64 *)({word} + 0) += {n}",
            word = in(reg) word,
            n = in(reg) n,
            options(nostack),
        );
    }
}
