//! The way out: records in the form people and programs read. No arithmetic on what they say, no thresholds.

pub mod bursts;
pub mod check;
pub mod checks;
pub mod counters;
pub mod csv;
pub mod doctor;
pub mod durations;
pub mod events;
pub mod format;
pub mod json;
pub mod live;
mod markup;
pub mod per_cpu;
pub mod report;
pub mod terminal;
pub mod text;
pub mod top;

use std::io;

use crate::model::record::Record;

/// Where records go.
pub trait Sink {
    /// Writes one record, or leaves it out where the format has no place for it.
    fn write(&mut self, record: &Record) -> io::Result<()>;

    /// Makes what was written visible to the reader.
    fn flush(&mut self) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
