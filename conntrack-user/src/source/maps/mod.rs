//! The eBPF programs' maps, read through shared memory: no system call per reading.

pub mod counters;
pub mod durations;
pub mod heavy_hitters;
pub mod view;
