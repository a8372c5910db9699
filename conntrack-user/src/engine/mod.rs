//! Runs: their start, ticks and end ([`run`]), the namespaces they watch ([`watch`]), attaching and reattaching the probes
//! ([`probes`]), worker threads ([`surveyor`], [`hook`]), signals ([`signals`]) and standard output ([`outlet`]).
//!
//! Everything here is configured by plain [`settings`]. No other room starts threads.

pub mod diagnostics;
pub mod drive;
pub mod error;
mod event_loop;
pub mod hook;
mod instance;
mod others;
pub mod outlet;
mod pace;
mod probes;
pub mod run;
mod schedule;
pub mod settings;
pub mod signals;
mod surveyor;
mod top;
mod watch;
pub mod worker;
