//! Shared code of the guest scenarios and the traffic generators.

pub mod cpu_time;
pub mod cpus;
pub mod ctpulse;
pub mod drive;
pub mod hosts;
pub mod kernel;
pub mod markdown;
pub mod netdata;
pub mod privileges;
pub mod scenarios;
pub mod serving;
pub mod traffic;
