//! The kernel's counters: the one table of them, which columns are alive, where each comes from, the charts.

pub mod charts;
pub mod counters;
pub mod era;
pub mod origin;
pub mod per_counter;
pub mod tracking;
