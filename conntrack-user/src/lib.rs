//! ctpulse: a high-frequency, eBPF-assisted monitor of Linux connection tracking.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "tests make files and measure time; what they test does not"
    )
)]

mod cli;
mod clock;
mod commands;
mod config;
mod engine;
mod files;
mod model;
mod output;
mod probes;
mod reading;
mod recording;
mod source;
mod text;

pub use commands::main;
pub use model::record::Record;
pub use recording::{Recording, RecordingError};
