//! Top talkers: which keys start, lose and hold the most flows.

pub mod tables;
pub mod talkers;
