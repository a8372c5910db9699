//! The kernel's counters: their table, which columns are live, where each comes from, and the charts.

pub mod charts;
pub mod counters;
pub mod era;
pub mod origin;
pub mod per_counter;
pub mod tracking;
