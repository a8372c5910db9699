//! The eBPF object of ctpulse: programs that count, and nothing that decides.
//!
//! One file per family of functions under `probes/`; `count` owns the maps of counters, `event` the
//! ring of events, `call` makes kprobes and
//! fentry look the same to them, `stash` is what an entry leaves for a return, `top` the
//! counts per source, destination and port, `lifetime` how long connections live, `latency` how long
//! functions take, `histogram` the buckets of both, `kernel` and `tuple` the reads of kernel memory.
//! Offsets of kernel fields come from BTF and are set as globals before loading.
#![no_std]
#![no_main]
#![expect(unstable_features, reason = "atomic addition needs asm")]
#![feature(asm_experimental_arch)]

mod atomic;
mod call;
mod count;
mod event;
mod histogram;
mod instance;
mod kernel;
mod latency;
mod lifetime;
mod probes;
mod stash;
mod top;
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
