//! Top talkers: which keys start, lose and hold the most flows.

pub mod nat_ports;
pub mod tables;
pub mod talkers;
