//! The last part of a run, kept in memory, from which a recording can be made at any time. No IO.

use std::{
    collections::VecDeque,
    io::{self, Write},
    sync::Arc,
};

use jiff::Timestamp;

use crate::{
    clock::Clock,
    model::record::Record,
    recording::{
        block::{self, BlockLabel},
        encoder::{BlockEncoder, EncodedBlock, MAX_DELAY},
    },
};

/// The most bytes of blocks that are kept; the oldest are dropped first. It is an hour of most runs, and of a very busy one some
/// minutes.
pub const MAX_HELD: usize = 32 << 20;

/// A block, and what the blocks after it need of it once it is dropped.
struct HeldBlock {
    block: EncodedBlock,
    /// Its last `hello`, on which what comes after it depends.
    hello: Option<Record>,
}

/// Keeps the blocks of the last records, compressed.
pub struct HeldRecording<C> {
    encoder: BlockEncoder<C>,
    room: usize,
    blocks: VecDeque<HeldBlock>,
    /// Bytes of the blocks.
    bytes: usize,
    /// The `hello` that the oldest block depends on.
    before: Option<Record>,
    /// The last `hello` of the block that is not complete yet.
    latest: Option<Record>,
    /// Where what is kept begins.
    since: Option<Timestamp>,
}

impl<C: Clock> HeldRecording<C> {
    /// Starts empty; keeps at most `room` bytes of complete blocks.
    pub fn new(clock: C, room: usize) -> Self {
        Self {
            // Most of it is never written.
            encoder: BlockEncoder::new(clock, MAX_DELAY / 10).fast(),
            room,
            blocks: VecDeque::new(),
            bytes: 0,
            before: None,
            latest: None,
            since: None,
        }
    }

    /// Takes a record.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded; it is then left out.
    pub fn add(&mut self, record: &Record) -> io::Result<()> {
        if let Record::Hello(_) = record {
            self.latest = Some(record.clone());
        }
        if let (None, Some(time)) = (self.since, record.time()) {
            self.since = Some(time.0);
        }
        let block = self.encoder.add(record)?;
        self.keep(block);
        Ok(())
    }

    /// Ends the block if that is long enough.
    ///
    /// # Errors
    ///
    /// When it cannot be encoded; its records are then left out.
    pub fn flush(&mut self) -> io::Result<()> {
        let block = self.encoder.flush()?;
        self.keep(block);
        Ok(())
    }

    /// All that is kept; `None` as long as nothing of it has a time.
    ///
    /// # Errors
    ///
    /// When the last block cannot be encoded.
    pub fn part(&mut self) -> io::Result<Option<HeldPart>> {
        let last = self.encoder.complete()?;
        self.keep(last);
        let until = self.blocks.iter().filter_map(|held| held.block.until).max();
        let Some((from, until)) = self.since.zip(until) else {
            return Ok(None);
        };
        let mut blocks = Vec::with_capacity(self.blocks.len() + 1);
        if let Some(hello) = &self.before {
            blocks.push(block_of(hello)?);
        }
        let kept = self.blocks.iter().map(|held| Arc::clone(&held.block.bytes));
        blocks.extend(kept);
        let records = self.blocks.iter().map(|held| held.block.records);
        Ok(Some(HeldPart {
            blocks,
            records: records.map(u64::from).sum(),
            from,
            until,
        }))
    }

    fn keep(&mut self, block: Option<EncodedBlock>) {
        let Some(block) = block else {
            return;
        };
        self.bytes += block.bytes.len();
        self.blocks.push_back(HeldBlock {
            block,
            hello: self.latest.take(),
        });
        while self.bytes > self.room
            && self.blocks.len() > 1
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.bytes -= oldest.block.bytes.len();
            if oldest.hello.is_some() {
                self.before = oldest.hello;
            }
            self.since = oldest.block.until.or(self.since);
        }
    }
}

/// A block of one record.
fn block_of(hello: &Record) -> io::Result<Arc<[u8]>> {
    let mut line = serde_json::to_vec(hello)?;
    line.push(b'\n');
    let label = BlockLabel {
        has_hello: true,
        records: 1,
        ..BlockLabel::default()
    };
    Ok(block::encode(label, &line)?.into())
}

/// What was kept at some time. It shares its bytes with the [`HeldRecording`].
pub struct HeldPart {
    blocks: Vec<Arc<[u8]>>,
    /// How many records it has.
    pub records: u64,
    /// The time from which it has all records.
    pub from: Timestamp,
    /// The greatest time of a record.
    pub until: Timestamp,
}

impl HeldPart {
    /// Writes it as a complete recording.
    ///
    /// # Errors
    ///
    /// Those of `out`.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        let last = self.blocks.len().saturating_sub(1);
        for ((i, bytes), sequence) in self.blocks.iter().enumerate().zip(0..) {
            let (header, body) = block::renumbered(bytes, sequence, i == last)?;
            out.write_all(&header)?;
            out.write_all(body)?;
        }
        out.flush()
    }
}
