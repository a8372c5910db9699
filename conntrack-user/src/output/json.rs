//! JSON lines: the contract's objects, one per line.

use std::io::{self, Write};

use crate::{model::record::Record, output::Sink};

/// Writes JSON lines.
pub struct Json<W> {
    out: W,
}

impl<W: Write> Json<W> {
    /// Onto `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Sink for Json<W> {
    fn write(&mut self, record: &Record) -> io::Result<()> {
        serde_json::to_writer(&mut self.out, record)?;
        self.out.write_all(b"\n")
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
