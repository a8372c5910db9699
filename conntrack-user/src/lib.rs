//! ctpulse: a high-frequency, eBPF-assisted monitor of Linux connection tracking.
//!
//! The `ctpulse` binary is [`main`]. Other programs can read its recordings ([`recording::Recording`]), and feed counters that
//! they read themselves through its model ([`KernelMonitor`]); both give [`record::Record`]s, which are the lines of
//! `ctpulse stream --format json`. There is an example of each in `examples/`. Everything else is private, and changes without
//! notice.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "tests make files and measure time; what they test does not"
    )
)]

mod cli;
mod client;
mod clock;
mod commands;
mod config;
mod engine;
mod event_log;
mod files;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod keyboard;
mod library;
mod model;
mod output;
mod privileges;
mod probes;
mod reading;
pub mod recording;
mod remote;
mod remote_write;
mod server;
mod source;
mod text;

pub use clock::{Clock, Instant, SystemClock};
pub use commands::main;
pub use library::{KernelMonitor, Snapshot};
pub use reading::proc_stat::ParseError;

/// What is reported: the objects of the JSON contract (docs/json.md), as types.
pub mod record {
    pub use crate::{
        model::{
            alert::AlertStatus,
            durations::{CallTimes, Latency, Lifetimes},
            event::{Family, Protocol, Tuple},
            forecast::TimeToFull,
            kernel::{counters::Counter, per_counter::PerCounter},
            record::*,
        },
        reading::probes::{Missing, Probes},
        text::Text,
    };
}
