//! Definitions that both sides compile: the programs for the bpf target, user space for the host. No IO, no state.

pub mod cells;
pub mod events;
pub mod fields;
pub mod globals;
pub mod heavy_hitters;
pub mod loglinear;
pub mod maps;
pub mod table;
pub mod tuple;
