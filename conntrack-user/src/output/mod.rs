//! Output: records in the formats for people and programs. No arithmetic and no thresholds here.

pub mod advice;
pub mod bursts;
pub mod check;
pub mod checks;
pub mod contents;
pub mod counters;
pub mod csv;
pub mod doctor;
pub mod durations;
pub mod events;
pub mod fleet;
pub mod format;
pub mod json;
pub mod live;
pub mod live_page;
mod markup;
pub mod metrics;
pub mod netdata;
mod page;
pub mod per_cpu;
pub mod report;
pub mod terminal;
pub mod text;
pub mod top;

use std::io;

use crate::model::record::Record;

/// The destination of records.
pub trait Sink {
    /// Writes a record, or skips it if the format has no place for it.
    fn write(&mut self, record: &Record) -> io::Result<()>;

    /// Passes on everything that was buffered.
    fn flush(&mut self) -> io::Result<()>;
}

#[cfg(test)]
mod tests;
