//! Top talkers.

pub mod tables;
pub mod talkers;
