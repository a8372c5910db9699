//! Reads the blocks of a recording, and reports damaged parts with their place and cause.

use std::{
    fmt,
    io::{self, Read},
};

use jiff::Timestamp;

use crate::recording::block::{self, BlockFault, BlockHeader, MAGIC};

/// How many bytes are searched for a first block before a file counts as something else than a recording.
const MAX_SEARCH: u64 = 1 << 20;

/// How many bytes are read at once.
const CHUNK: usize = 64 << 10;

/// The most damaged parts in a row, without a valid block between them. The bound is for hostile files: each damaged part may take
/// as long to read as a whole block.
const MAX_DAMAGES: u32 = 1000;

/// Why a recording cannot be read, or not any further.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// Reading failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is empty.
    #[error("is empty: nothing was recorded")]
    Empty,
    /// The file is not a recording.
    #[error("is not a recording of ctpulse")]
    NotARecording,
    /// A version that is not known yet.
    #[error("was recorded in version {0} of the format, by a newer ctpulse; this one reads up to {max}", max = block::VERSION)]
    Newer(u8),
    /// Too many damaged parts follow each other.
    #[error("cannot be read beyond byte {0}: there were {MAX_DAMAGES} damaged parts in a row")]
    TooDamaged(u64),
}

/// A part that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where in the file it starts.
    pub offset: u64,
    /// Its length in bytes; 0 where whole blocks are missing.
    pub bytes: u64,
    /// The greatest time read before it.
    pub after: Option<Timestamp>,
    /// What is wrong.
    pub kind: DamageKind,
}

/// What is wrong with a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DamageKind {
    /// The file ends in the middle of a block.
    Torn,
    /// The bytes are not what was written.
    Corrupt(BlockFault),
    /// So many blocks are missing.
    Missing(u32),
    /// The first block of a segment is missing.
    Headless,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { offset, bytes, .. } = self;
        match self.kind {
            DamageKind::Torn => write!(
                f,
                "it breaks off in the middle of a block: the last {bytes} bytes, from byte {offset} on, \
                 were being written when it was cut off"
            )?,
            DamageKind::Corrupt(fault) => {
                write!(
                    f,
                    "{bytes} bytes from byte {offset} on are left out: {fault}"
                )?;
            }
            DamageKind::Missing(blocks) => {
                write!(f, "{blocks} blocks are missing at byte {offset}")?;
            }
            DamageKind::Headless => write!(f, "its beginning is missing at byte {offset}")?,
        }
        match self.after {
            Some(time) => write!(f, " (after {time:.6})"),
            None => Ok(()),
        }
    }
}

/// How a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With its summary.
    Complete,
    /// Between blocks: the recorder was killed, or still records.
    Open,
    /// In a damaged part.
    Damaged,
}

/// What a reader yields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadItem {
    /// A block's lines.
    Block(BlockHeader, String),
    /// A part that cannot be read.
    Damage(Damage),
}

/// Reads blocks one after the other.
pub struct BlockReader<R> {
    input: R,
    /// Bytes that were read and not yet used.
    window: Vec<u8>,
    used: usize,
    /// Where in the file the unused bytes start.
    offset: u64,
    exhausted: bool,
    /// The block read last.
    last: Option<BlockHeader>,
    latest: Option<Timestamp>,
    /// Damaged parts since the block read last.
    damages: u32,
}

impl<R: Read> BlockReader<R> {
    /// Reads a recording from its start.
    pub fn new(input: R) -> Self {
        Self {
            input,
            window: Vec::new(),
            used: 0,
            offset: 0,
            exhausted: false,
            last: None,
            latest: None,
            damages: 0,
        }
    }

    /// The next block whose header `wanted` accepts, or damage; `None` at the end. Other blocks are skipped without decompressing them.
    ///
    /// # Errors
    ///
    /// When reading fails, or the file is not a recording, or one of a newer version.
    pub fn next(
        &mut self,
        mut wanted: impl FnMut(&BlockHeader) -> bool,
    ) -> Result<Option<ReadItem>, ReadError> {
        loop {
            self.fill(block::HEADER)?;
            if self.unused().is_empty() {
                return if self.offset == 0 {
                    Err(ReadError::Empty)
                } else {
                    Ok(None)
                };
            }
            let header = match block::header(self.unused()) {
                Ok(header) => header,
                Err(BlockFault::Newer(version)) => return Err(ReadError::Newer(version)),
                Err(fault) => {
                    return self
                        .damage(fault)
                        .map(|damage| Some(ReadItem::Damage(damage)));
                }
            };
            if let Some(damage) = self.gap(&header) {
                // The gap is reported first; the next call reads this header again, and must not report it once more.
                self.expect(&header);
                return Ok(Some(ReadItem::Damage(damage)));
            }
            let len = header.header_len + header.body_len;
            self.fill(len)?;
            if self.unused().len() < len {
                // The file ends here, or another segment was appended after an incomplete block.
                return self
                    .damage(BlockFault::Short)
                    .map(|damage| Some(ReadItem::Damage(damage)));
            }
            let body = &self.unused()[header.header_len..len];
            let lines = if wanted(&header) {
                match block::contents(&header, body) {
                    Ok(lines) => Some(lines),
                    // Its length cannot be trusted: if the block is incomplete, others may have been appended within it.
                    Err(fault) => {
                        return self
                            .damage(fault)
                            .map(|damage| Some(ReadItem::Damage(damage)));
                    }
                }
            } else {
                None
            };
            self.consume(len);
            self.last = Some(header);
            self.damages = 0;
            self.latest = self.latest.max(header.times.map(|(_, last)| last));
            if let Some(lines) = lines {
                return Ok(Some(ReadItem::Block(header, lines)));
            }
        }
    }

    /// How the recording ends; only known when everything was read.
    #[must_use]
    pub fn ending(&self) -> Ending {
        match self.last {
            _ if self.damages > 0 => Ending::Damaged,
            Some(last) if last.ends => Ending::Complete,
            _ => Ending::Open,
        }
    }

    /// The greatest time in the blocks that were read or skipped.
    #[must_use]
    pub fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// The blocks that are missing before this one, if any.
    fn gap(&self, header: &BlockHeader) -> Option<Damage> {
        // Damage that was just reported explains why blocks are missing after it.
        if header.starts || self.damages > 0 {
            return None;
        }
        let kind = match self.last {
            None => DamageKind::Headless,
            Some(last) if header.sequence == last.sequence.wrapping_add(1) => return None,
            Some(last) => match header.sequence.checked_sub(last.sequence.wrapping_add(1)) {
                Some(missing) => DamageKind::Missing(missing),
                None => DamageKind::Headless,
            },
        };
        Some(Damage {
            offset: self.offset,
            bytes: 0,
            after: self.latest,
            kind,
        })
    }

    fn expect(&mut self, header: &BlockHeader) {
        self.last = Some(BlockHeader {
            sequence: header.sequence.wrapping_sub(1),
            ..*header
        });
    }

    /// Skips to the next valid header, or to the end.
    fn damage(&mut self, fault: BlockFault) -> Result<Damage, ReadError> {
        if self.damages == MAX_DAMAGES {
            return Err(ReadError::TooDamaged(self.offset));
        }
        let first = self.last.is_none() && self.damages == 0;
        let start = self.offset;
        // A block that is cut short or too long still shows that this is a recording.
        let foreign = first && !matches!(fault, BlockFault::Short | BlockFault::TooLong(_));
        if first && fault == BlockFault::Short && !self.unused().starts_with(&MAGIC) {
            return Err(ReadError::NotARecording);
        }
        loop {
            // Skip the byte where the damage starts.
            self.consume(1);
            let at = self
                .unused()
                .windows(MAGIC.len())
                .position(|bytes| bytes == MAGIC);
            match at {
                Some(at) => {
                    self.consume(at);
                    self.fill(block::HEADER)?;
                    match block::header(self.unused()) {
                        Ok(_) => break,
                        Err(BlockFault::Newer(version)) => return Err(ReadError::Newer(version)),
                        Err(_) => {}
                    }
                }
                None => {
                    // Skip everything but the bytes that may be the start of a header.
                    let keep = self.unused().len().min(MAGIC.len() - 1);
                    self.consume(self.unused().len() - keep);
                    let before = self.unused().len();
                    self.fill(before + 1)?;
                    if self.unused().len() == before {
                        self.consume(before);
                        break;
                    }
                }
            }
            if foreign && self.offset > MAX_SEARCH {
                return Err(ReadError::NotARecording);
            }
        }
        let at_end = self.unused().is_empty();
        if foreign && at_end {
            return Err(ReadError::NotARecording);
        }
        self.damages += 1;
        Ok(Damage {
            offset: start,
            bytes: self.offset - start,
            after: self.latest,
            kind: match fault {
                BlockFault::Short if at_end => DamageKind::Torn,
                fault => DamageKind::Corrupt(fault),
            },
        })
    }

    fn unused(&self) -> &[u8] {
        &self.window[self.used..]
    }

    fn consume(&mut self, bytes: usize) {
        let bytes = bytes.min(self.unused().len());
        self.used += bytes;
        self.offset += bytes as u64;
    }

    /// Reads until there are so many unused bytes, or the end of the input.
    fn fill(&mut self, bytes: usize) -> io::Result<()> {
        if self.unused().len() >= bytes || self.exhausted {
            return Ok(());
        }
        self.window.drain(..self.used);
        self.used = 0;
        while self.window.len() < bytes && !self.exhausted {
            // Grows only with what was really read: a header may claim any length.
            let have = self.window.len();
            self.window.resize(have + CHUNK, 0);
            let read = self.input.read(&mut self.window[have..]);
            let interrupted = matches!(&read, Err(e) if e.kind() == io::ErrorKind::Interrupted);
            self.window
                .truncate(have + read.as_ref().map_or(0, |read| *read));
            if !interrupted {
                self.exhausted = read? == 0;
            }
        }
        Ok(())
    }
}
