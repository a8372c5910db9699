//! From readings to records: pure functions and state machines, no IO and no clock.

pub mod advice;
pub mod alert;
pub mod burst;
pub mod cells;
pub mod contents;
pub mod durations;
pub mod event;
pub mod exposition;
pub mod fleet;
pub mod forecast;
pub mod history;
pub mod kernel;
pub mod monitor;
pub mod overhead;
pub mod rates;
pub mod record;
pub mod report;
pub mod top;
pub mod verdict;
pub mod verify;

#[cfg(test)]
mod tests;
