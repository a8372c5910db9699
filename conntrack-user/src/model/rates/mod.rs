//! From two readings to rates, and from buckets to series.

pub mod delta;
pub mod per_cpu;
pub mod percentiles;
pub mod pipeline;
pub mod series;
pub mod settling;
