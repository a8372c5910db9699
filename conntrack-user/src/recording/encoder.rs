//! Groups records into blocks and encodes those. No IO.

use std::{io, sync::Arc, time::Duration};

use flate2::Compression;
use jiff::Timestamp;

use crate::{
    clock::Clock,
    model::record::Record,
    recording::block::{self, BlockLabel},
};

/// The longest that a record waits before its block is complete.
pub(super) const MAX_DELAY: Duration = Duration::from_secs(1);

/// Bytes of records at which a block is completed early.
const FULL_BLOCK: usize = 4 << 20;

/// A block on its way to the file.
pub(super) struct EncodedBlock {
    pub(super) bytes: Arc<[u8]>,
    pub(super) records: u32,
    /// The greatest time of a record.
    pub(super) until: Option<Timestamp>,
}

/// Groups records into blocks of about a second.
pub(super) struct BlockEncoder<C> {
    clock: C,
    /// Time between flushes.
    interval: Duration,
    effort: Compression,
    lines: Vec<u8>,
    label: BlockLabel,
    /// When the first record of this block was flushed.
    since: Option<Duration>,
}

impl<C: Clock> BlockEncoder<C> {
    pub(super) fn new(clock: C, interval: Duration) -> Self {
        Self {
            clock,
            interval,
            effort: Compression::default(),
            lines: Vec::new(),
            label: BlockLabel::default(),
            since: None,
        }
    }

    /// Compresses less, with a fraction of the effort.
    pub(super) fn fast(mut self) -> Self {
        self.effort = Compression::fast();
        self
    }

    pub(super) fn clock(&self) -> &C {
        &self.clock
    }

    /// Blocks completed so far.
    #[cfg(test)]
    pub(super) fn completed(&self) -> u32 {
        self.label.sequence
    }

    /// Adds a record; returns the block if it has become long enough.
    pub(super) fn add(&mut self, record: &Record) -> io::Result<Option<EncodedBlock>> {
        let before = self.lines.len();
        serde_json::to_writer(&mut self.lines, record)
            .inspect_err(|_| self.lines.truncate(before))?;
        self.lines.push(b'\n');
        self.label.records += 1;
        self.label.has_hello |= matches!(record, Record::Hello(_));
        self.label.ends |= matches!(record, Record::Summary(_));
        if let Some(time) = record.time() {
            let (first, last) = self.label.times.unwrap_or((time.0, time.0));
            self.label.times = Some((first.min(time.0), last.max(time.0)));
        }
        if self.lines.len() >= FULL_BLOCK {
            return self.complete();
        }
        Ok(None)
    }

    /// Returns the block if a record would wait too long until the next flush.
    pub(super) fn flush(&mut self) -> io::Result<Option<EncodedBlock>> {
        if self.label.records == 0 {
            return Ok(None);
        }
        let now = self.clock.now().monotonic;
        let waited = now.saturating_sub(*self.since.get_or_insert(now));
        if waited + self.interval >= MAX_DELAY || self.label.ends {
            return self.complete();
        }
        Ok(None)
    }

    /// Returns the block, unless it is empty.
    pub(super) fn complete(&mut self) -> io::Result<Option<EncodedBlock>> {
        self.since = None;
        if self.label.records == 0 {
            return Ok(None);
        }
        let next = BlockLabel {
            sequence: self.label.sequence.wrapping_add(1),
            ..BlockLabel::default()
        };
        let label = std::mem::replace(&mut self.label, next);
        let bytes = block::encode_with(label, &self.lines, self.effort)?;
        self.lines.clear();
        Ok(Some(EncodedBlock {
            bytes: bytes.into(),
            records: label.records,
            until: label.times.map(|(_, last)| last),
        }))
    }
}
