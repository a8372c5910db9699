//! The probes: what the host offers (`facts`, from `kallsyms`, `offsets` and `btf`) → what to attach (`plan`,
//! pure) → attached programs (`attach`, from `load`, `programs`, `events`, `heavy_hitters`, `missed`). What
//! there is to attach is `conntrack_ebpf::table`. The only room that names aya or bpf(2).

pub mod attach;
pub mod btf;
pub mod error;
mod events;
pub mod facts;
pub mod heavy_hitters;
pub mod kallsyms;
mod load;
pub mod missed;
pub mod object;
pub mod offsets;
pub mod plan;
mod programs;
