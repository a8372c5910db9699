//! Rates from two readings, and series from buckets.

pub mod delta;
pub mod per_cpu;
pub mod percentiles;
pub mod pipeline;
pub mod series;
pub mod settling;
