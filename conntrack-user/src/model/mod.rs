//! From snapshots to what is shown: pure functions and state machines, no IO and no clock.

pub mod alert;
pub mod bursts;
pub mod charts;
pub mod check;
pub mod counters;
pub mod crosscheck;
pub mod delta;
pub mod era;
pub mod event;
pub mod filter;
pub mod forecast;
pub mod histogram;
pub mod inside;
pub mod leaders;
pub mod monitor;
pub mod origin;
pub mod owners;
pub mod pace;
pub mod per_cpu;
pub mod record;
pub mod report;
pub mod series;
pub mod settling;
pub mod snapshot;
pub mod top;
pub mod tracking;
