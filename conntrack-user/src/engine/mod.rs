//! What runs: a run with its start, ticks and end ([`run`]), the namespaces that are watched ([`watch`]), the life of the probes
//! ([`probes`]), the workers beside the readings ([`surveyor`], [`hook`]), and what ends it all ([`signals`], [`outlet`]).
//!
//! Configured by plain [`settings`]; the only room with threads.

pub mod diagnostics;
pub mod drive;
pub mod error;
mod event_loop;
pub mod hook;
mod instance;
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
