//! The eBPF object of ctpulse: its programs count, and make no decisions. The counters and the probed functions are in
//! `conntrack_ebpf::table`.
//!
//! `probes/` has one file per family of functions. The files below it form layers, each using only the ones before: `globals`
//! (set by user space), `atomic`; `slot` (instances) and `totals` (the map of totals and faults); `fields` (reads of kernel memory),
//! `kernel` and `tuple` (the kernel's structures, at offsets from BTF) and `instance` (the instance of an event); `registers` (what differs between processors) and
//! `call` (a common interface of kprobe and fentry); `entry_context` (what an entry saves for its return); `histogram`; `count`,
//! `event`, `top` (heavy hitters), `lifetime` and `latency` (what is counted).
#![no_std]
#![no_main]
#![expect(unstable_features, reason = "atomic addition needs asm")]
#![feature(asm_experimental_arch)]

mod atomic;
mod call;
mod count;
mod entry_context;
mod event;
mod fields;
mod globals;
mod histogram;
mod instance;
mod kernel;
mod latency;
mod lifetime;
mod probes;
mod registers;
mod slot;
mod top;
mod totals;
mod tuple;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier accepts no program that can get here.
    loop {}
}

#[cfg(not(any(bpf_target_arch = "x86_64", bpf_target_arch = "aarch64")))]
compile_error!(
    "which processor are the programs for? `cargo xtask build` passes --cfg bpf_target_arch"
);

/// `bpf_probe_read_kernel` is restricted to GPL-compatible programs.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
