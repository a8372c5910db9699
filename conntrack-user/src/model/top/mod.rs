//! Top talkers.

pub mod owners;
pub mod tables;
