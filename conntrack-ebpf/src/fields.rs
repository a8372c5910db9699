//! Reads fields of the kernel's structures: by their types where user space has set those, else by the helper
//! `bpf_probe_read_kernel` (see `conntrack_ebpf::fields`).

use core::mem;

use aya_ebpf::{EbpfContext, helpers::bpf_probe_read_kernel};
use aya_log_ebpf::warn;
use conntrack_ebpf::fields::CAST_HELPER;

use crate::{globals::FieldGlobal, totals::count_fault};

/// The value of a field of the structure at `base`.
#[inline(always)]
pub(crate) fn field<T: Copy, C: EbpfContext>(ctx: &C, base: u64, place: &FieldGlobal) -> Option<T> {
    field_in(ctx, base, place, 0)
}

/// What is `offset` bytes into a field of the structure at `base`.
#[inline(always)]
pub(crate) fn field_in<T: Copy, C: EbpfContext>(
    ctx: &C,
    base: u64,
    place: &FieldGlobal,
    offset: u64,
) -> Option<T> {
    match place.structure() {
        0 => read(ctx, base, place.offset() + offset),
        structure => Some(Typed::at(base, structure).load(place.offset() + offset)),
    }
}

/// The address of a structure of which the verifier knows the type, so that it can be loaded from. At an address that cannot be
/// read, loads give 0.
#[derive(Clone, Copy)]
pub(crate) struct Typed(u64);

impl Typed {
    /// The structure at an address, of a type that is not 0.
    #[inline(always)]
    pub(crate) fn at(address: u64, structure: u64) -> Self {
        // SAFETY: this becomes a call of `bpf_rdonly_cast`, which takes any address, and the number of a type.
        let cast: unsafe extern "C" fn(u64, u64) -> u64 =
            unsafe { mem::transmute(CAST_HELPER as usize) };
        // SAFETY: as above.
        Self(unsafe { cast(address, structure) })
    }

    /// Loads what is at an offset. The verifier refuses the program if there is no member that has it.
    #[inline(always)]
    pub(crate) fn load<T: Copy>(self, offset: u64) -> T {
        // SAFETY: the verifier makes loads at such addresses ones that cannot fault. Volatile, so that the compiler neither splits
        // nor widens it.
        unsafe { (self.0.wrapping_add(offset) as *const T).read_volatile() }
    }
}

/// Reads kernel memory by the helper. A fault is counted and logged: it means that an offset is wrong, and so are the counts.
#[inline(always)]
pub(crate) fn read<T, C: EbpfContext>(ctx: &C, base: u64, offset: u64) -> Option<T> {
    let address = base.wrapping_add(offset);
    // SAFETY: bpf_probe_read_kernel accepts any address, and returns an error if it cannot be read.
    match unsafe { bpf_probe_read_kernel(address as *const T) } {
        Ok(value) => Some(value),
        Err(_) => {
            count_fault();
            warn!(
                ctx,
                "cannot read kernel memory at {:x}+{}",
                as_number(base),
                offset
            );
            None
        }
    }
}

/// A pointer as a number. The verifier rejects most arithmetic with what it knows as a pointer. Read back from memory, it is an
/// ordinary number.
#[inline(always)]
pub(crate) fn as_number(pointer: u64) -> u64 {
    // SAFETY: reads the program's own stack, which cannot fail.
    unsafe { bpf_probe_read_kernel(&raw const pointer) }.unwrap_or(0)
}
