//! The probes: what the host offers (`facts`, from `kallsyms`, `offsets` and `btf`) → what to attach (`plan`, pure) → attached
//! programs (`attach`, with `load`, `programs`, `fentry`, `events`, `heavy_hitters`, `missed`). `conntrack_ebpf::table` lists all probes
//! that can be attached. This is the only room that names aya or bpf(2).

pub mod attach;
mod bpf;
pub mod btf;
mod cast;
pub mod error;
mod events;
pub mod facts;
pub mod fentry;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod globals;
pub mod heavy_hitters;
pub mod kallsyms;
mod load;
pub mod missed;
pub mod object;
pub mod offsets;
mod perf_event;
pub mod plan;
mod programs;
