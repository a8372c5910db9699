//! Calls of kernel functions, as programs see them: the same whether a kprobe or a trampoline (fentry)
//! brought them here.

use aya_ebpf::{
    EbpfContext,
    bindings::pt_regs,
    helpers::{bpf_probe_read_kernel, generated::bpf_get_func_arg},
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};

/// A call of a probed function.
pub(crate) trait Call: EbpfContext {
    /// Where on its stack the call is: the same at its entry and at its return, and lower for a call
    /// further down.
    fn frame(&self) -> u64;

    /// The same, to be stored and nothing else: the verifier may know it for a pointer.
    #[inline(always)]
    fn frame_to_store(&self) -> u64 {
        self.frame()
    }
}

/// The entry of a probed function.
pub(crate) trait AtEntry: Call {
    /// Its `n`-th argument, from 0.
    fn argument(&self, n: usize) -> Option<u64>;
}

/// The return of a probed function.
pub(crate) trait AtReturn: Call {
    /// The whole register: of a narrower type only the lower part has a meaning.
    fn returned(&self) -> Option<u64>;
}

impl Call for ProbeContext {
    #[inline(always)]
    fn frame(&self) -> u64 {
        stack_pointer(self.regs)
    }
}

impl AtEntry for ProbeContext {
    #[inline(always)]
    fn argument(&self, n: usize) -> Option<u64> {
        self.arg(n)
    }
}

impl Call for RetProbeContext {
    #[inline(always)]
    fn frame(&self) -> u64 {
        // The return address has been taken off the stack.
        stack_pointer(self.regs) - size_of::<u64>() as u64
    }
}

impl AtReturn for RetProbeContext {
    #[inline(always)]
    fn returned(&self) -> Option<u64> {
        Some(self.ret())
    }
}

impl Call for FEntryContext {
    #[inline(always)]
    fn frame(&self) -> u64 {
        address(self)
    }

    #[inline(always)]
    fn frame_to_store(&self) -> u64 {
        self.as_ptr() as u64
    }
}

impl AtEntry for FEntryContext {
    #[inline(always)]
    fn argument(&self, n: usize) -> Option<u64> {
        // Not as `FEntryContext::arg` has it: the verifier would know its type, and let no program
        // calculate with a pointer to a structure.
        let mut value = 0;
        // SAFETY: the context of a tracing program, and a value to write to.
        let result = unsafe { bpf_get_func_arg(self.as_ptr(), n as u32, &raw mut value) };
        (result == 0).then_some(value)
    }
}

impl Call for FExitContext {
    #[inline(always)]
    fn frame(&self) -> u64 {
        address(self)
    }
}

impl AtReturn for FExitContext {
    #[inline(always)]
    fn returned(&self) -> Option<u64> {
        self.ret().ok()
    }
}

#[inline(always)]
fn stack_pointer(regs: *mut pt_regs) -> u64 {
    // SAFETY: the context of a kprobe program, readable as a whole.
    unsafe { (*regs).rsp }
}

/// The address of a trampoline's context, which is on the stack of the call; entry and return of a
/// function share one trampoline, and so one address.
///
/// The verifier lets no program calculate with its context's address. Read back from memory, it is a
/// number like any other.
#[inline(always)]
fn address<C: EbpfContext>(ctx: &C) -> u64 {
    let pointer = ctx.as_ptr();
    // SAFETY: reads the program's own stack. It cannot fail; where it did, calls would not be told apart
    // by their stacks.
    unsafe { bpf_probe_read_kernel(&raw const pointer) }.map_or(0, |pointer| pointer as u64)
}

/// Defines a program for the entry of a function twice, for kprobe and fentry, from one body.
macro_rules! entry {
    ($kprobe:ident, $fentry:ident => $body:ident) => {
        #[aya_ebpf::macros::kprobe]
        fn $kprobe(ctx: aya_ebpf::programs::ProbeContext) -> u32 {
            let _ = $body(&ctx);
            0
        }

        #[aya_ebpf::macros::fentry]
        fn $fentry(ctx: aya_ebpf::programs::FEntryContext) -> i32 {
            let _ = $body(&ctx);
            0
        }
    };
}

/// The same for the return of a function, for kretprobe and fexit.
macro_rules! exit {
    ($kretprobe:ident, $fexit:ident => $body:ident) => {
        #[aya_ebpf::macros::kretprobe]
        fn $kretprobe(ctx: aya_ebpf::programs::RetProbeContext) -> u32 {
            let _ = $body(&ctx);
            0
        }

        #[aya_ebpf::macros::fexit]
        fn $fexit(ctx: aya_ebpf::programs::FExitContext) -> i32 {
            let _ = $body(&ctx);
            0
        }
    };
}

pub(crate) use {entry, exit};
