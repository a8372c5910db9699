//! The eBPF object of ctpulse: programs that count, and nothing that decides. What they count and on which
//! functions they go is in `conntrack_ebpf::table`.
//!
//! `probes/` has one file per family of functions. Below them, each file uses only those before it:
//! `globals` (what user space sets), `atomic`; `slot` (instances) and `totals` (the map of totals, and of
//! faults); `kernel` and `tuple` (reads of kernel memory at offsets from BTF) and `instance` (whose an event
//! is); `call` (kprobe and fentry look the same); `entry_context` (what an entry saves for its return);
//! `histogram`; `count`, `event`, `top` (heavy hitters), `lifetime` and `latency` (what is counted).
#![no_std]
#![no_main]
#![expect(unstable_features, reason = "atomic addition needs asm")]
#![feature(asm_experimental_arch)]

mod atomic;
mod call;
mod count;
mod entry_context;
mod event;
mod globals;
mod histogram;
mod instance;
mod kernel;
mod latency;
mod lifetime;
mod probes;
mod slot;
mod top;
mod totals;
mod tuple;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // No code path of a program that the verifier accepts leads here.
    loop {}
}

/// `bpf_probe_read_kernel` is for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
