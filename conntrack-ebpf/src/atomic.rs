//! Words that several CPUs add to.

use core::arch::asm;

/// Adds to a word in a map, atomically. Rust's bpf target has no read-modify-write atomics; the
/// instruction (`BPF_ATOMIC | BPF_ADD`) is as old as eBPF.
///
/// # Safety
///
/// `word` must point to an aligned word of a map element.
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
