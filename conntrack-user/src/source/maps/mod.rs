//! The eBPF programs' maps, mapped into memory: reading them takes no system call.

pub mod counters;
pub mod durations;
pub mod heavy_hitters;
pub mod view;
