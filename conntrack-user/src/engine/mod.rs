//! Runs: their start, ticks and end ([`run`]), the namespaces they watch ([`watch`]) and which of
//! them have buckets ([`rings`]), attaching and reattaching the probes
//! ([`probes`]), worker threads ([`scanner`], [`surveyor`], [`workloads`],
//! [`hook`]), signals ([`signals`]) and standard output ([`outlet`]).
//!
//! Everything here is configured by plain [`settings`]. No other room starts threads.

mod account;
pub mod diagnostics;
pub mod drive;
pub mod error;
pub mod event_loop;
mod gathered;
pub mod hook;
mod instance;
mod others;
pub mod outlet;
mod pace;
mod persisting;
mod privileges;
mod probes;
pub mod process_group;
mod rings;
pub mod run;
mod scanner;
mod schedule;
pub mod settings;
pub mod signals;
mod surveyor;
mod top;
mod watch;
pub mod worker;
mod workloads;
