//! What the guest scenarios and the traffic generator share.

pub mod cpus;
pub mod ctpulse;
pub mod drive;
pub mod kernel;
pub mod scenarios;
pub mod traffic;
