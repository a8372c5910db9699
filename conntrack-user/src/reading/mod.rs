//! What is measured: the data types that the way in ([`crate::source`], [`crate::probes`]) hands to the model. No IO.

pub mod heavy_hitters;
pub mod lengths;
pub mod proc_stat;
pub mod snapshot;
