//! The contract between the eBPF programs and user space: what is counted and by which programs ([`table`]), which kernel fields
//! they read ([`fields`]), what user space sets before loading ([`globals`]), and the layout of shared memory ([`cells`],
//! [`events`], [`heavy_hitters`], [`loglinear`]).
//!
//! It depends on neither side, so the crate builds for the host and for the bpf target. The programs are the binary of this
//! package (`main.rs`).
#![no_std]

mod contract;

pub use contract::{
    cells,
    cells::{BUCKET_NS, BUCKET_SHIFT, COUNTER_SLOTS},
    events,
    events::EventKind,
    fields, globals, heavy_hitters, loglinear, maps, table,
    table::ProbeCounter,
    tuple,
    tuple::TUPLE_SIZE,
};
