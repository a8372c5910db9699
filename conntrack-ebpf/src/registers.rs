//! What kprobes see of a call in the registers of the processor that the programs are built for. Arguments and return values are
//! aya's to find.

use aya_ebpf::bindings::pt_regs;

/// Where a call is on its stack, at its entry.
#[inline(always)]
pub(crate) fn frame_at_entry(regs: *mut pt_regs) -> u64 {
    stack_pointer(regs)
}

/// The same at its return. The return address was on the stack, and has been popped.
#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn frame_at_return(regs: *mut pt_regs) -> u64 {
    stack_pointer(regs) - size_of::<u64>() as u64
}

/// The same at its return. The return address is in a register, so the stack is as it was.
#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
pub(crate) fn frame_at_return(regs: *mut pt_regs) -> u64 {
    stack_pointer(regs)
}

#[cfg(bpf_target_arch = "x86_64")]
#[inline(always)]
fn stack_pointer(regs: *mut pt_regs) -> u64 {
    // SAFETY: the context of a kprobe program, readable as a whole.
    unsafe { (*regs).rsp }
}

#[cfg(bpf_target_arch = "aarch64")]
#[inline(always)]
fn stack_pointer(regs: *mut pt_regs) -> u64 {
    // SAFETY: the context of a kprobe program, readable as a whole.
    unsafe { (*regs).sp }
}

#[cfg(bpf_target_arch = "x86_64")]
const NAME: [u8; 6] = *b"x86_64";
#[cfg(bpf_target_arch = "aarch64")]
const NAME: [u8; 7] = *b"aarch64";

/// The processor, for the build of ctpulse: what it embeds must be for the same as itself.
#[unsafe(link_section = "processor")]
#[unsafe(no_mangle)]
static PROCESSOR: [u8; NAME.len()] = NAME;
