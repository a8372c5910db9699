//! Calls of kernel functions, with the same interface for kprobes and trampolines (fentry).

use aya_ebpf::{
    EbpfContext,
    helpers::generated::bpf_get_func_arg,
    programs::{FEntryContext, FExitContext, ProbeContext, RetProbeContext},
};

use crate::{fields::as_number, registers};

/// A call of a probed function.
pub(crate) trait Call: EbpfContext {
    /// The position of the call on its stack: the same at its entry and its return, and lower for nested calls.
    fn frame(&self) -> u64;

    /// The same, only for storing: the verifier may still know it as a pointer.
    #[inline(always)]
    fn frame_to_store(&self) -> u64 {
        self.frame()
    }
}

/// The entry of a probed function.
pub(crate) trait AtEntry: Call {
    /// Its `n`-th argument, from 0: a number, or a pointer to a structure, of which the verifier may know the type. Then it rejects
    /// arithmetic, but for the addition of what it knows as a constant.
    fn argument(&self, n: usize) -> Option<u64>;

    /// The same of any type.
    #[inline(always)]
    fn untyped_argument(&self, n: usize) -> Option<u64> {
        self.argument(n)
    }
}

/// The return of a probed function.
pub(crate) trait AtReturn: Call {
    /// The return value, as the whole register. For a narrower type only the lower part is defined.
    fn returned(&self) -> Option<u64>;
}

impl Call for ProbeContext {
    #[inline(always)]
    fn frame(&self) -> u64 {
        registers::frame_at_entry(self.regs)
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
        registers::frame_at_return(self.regs)
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
        // Not `FEntryContext::arg`, of which the compiler may load a part only, which the verifier rejects.
        let arguments = self.as_ptr().cast::<u64>();
        // SAFETY: the context of a tracing program: one word for each argument.
        Some(unsafe { arguments.add(n).read_volatile() })
    }

    #[inline(always)]
    fn untyped_argument(&self, n: usize) -> Option<u64> {
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

/// The address of a trampoline's context, which is on the stack of the call. Entry and return of a function share one trampoline,
/// and so one address.
#[inline(always)]
fn address<C: EbpfContext>(ctx: &C) -> u64 {
    as_number(ctx.as_ptr() as u64)
}

/// Defines a program for the entry of a function, as a kprobe and as fentry, with the same body.
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

/// The same for the return of a function, as a kretprobe and as fexit.
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
