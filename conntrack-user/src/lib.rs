//! ctpulse: a high-frequency, eBPF-assisted monitor of Linux connection tracking.
//!
//! The layout is the flow of data: [`source`] reads the kernel into snapshots, [`model`] turns two
//! snapshots into rates, charts, checks and alerts (pure: no IO, no clock), [`output`] writes what
//! the model made (no arithmetic). [`probes`] decides from host facts what to attach, attaches it,
//! and is the only module that names aya. [`recording`] keeps records
//! in a file. [`commands`] ties them together for the command line.

pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod engine;
pub mod files;
pub mod model;
pub mod output;
pub mod probes;
pub mod reading;
pub mod recording;
pub mod source;
pub mod text;
