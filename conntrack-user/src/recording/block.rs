//! The format of a block: a gzip member with an extra field of ctpulse. No IO.
//!
//! ```text
//! 0   1f 8b 08 04   gzip, deflate, has an extra field
//! 4   0 0 0 0 0 ff  no file time, no flags of the compressor, any system
//! 10  u16           length of the extra field
//! 12  43 54 u16     subfield "CT" and its length, 40
//! 16  u8 u8 u16     version, flags, 0
//! 20  u32           number of the block in its segment, from 0
//! 24  u32           bytes of the member after this header
//! 28  u32           records
//! 32  i64 i64       least and greatest time of its records, in microseconds since 1970
//! 48  u32           length of the contents, uncompressed
//! 52  u32           CRC-32 of all bytes before this one
//! 56  …             deflated JSON lines; gzip's CRC-32 and length
//! ```
//!
//! All numbers are little-endian. In any later version the subfield starts with its version and ends
//! with the checksum.

use std::io::{self, Read, Write};

use flate2::{Compression, Crc, read::DeflateDecoder, write::DeflateEncoder};
use jiff::Timestamp;

/// The version written, and the newest that can be read.
pub const VERSION: u8 = 1;

/// Bytes of the header that this version writes.
pub const HEADER: usize = 56;

/// How a block starts; after the length of the extra field comes [`SUBFIELD`].
pub const MAGIC: [u8; 4] = [0x1f, 0x8b, 8, 4];

/// Bytes before the subfield's contents.
const PREFIX: usize = 16;

/// Name of ctpulse's subfield in gzip's extra field.
const SUBFIELD: [u8; 2] = *b"CT";

/// gzip's checksum and length.
const TRAILER: usize = 8;

/// The most bytes of a block's contents, uncompressed: a reader has them in memory as a whole. The writer ends a block at a
/// quarter of that.
pub const MAX_CONTENTS: u32 = 16 << 20;

/// How much longer than its contents a block may be: deflate adds 5 bytes for each 64 KiB that it cannot compress.
const GROWTH: u32 = 1 << 20;

const STARTS: u8 = 1;
const ENDS: u8 = 2;
const HAS_HELLO: u8 = 4;

/// What precedes the compressed records of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockHeader {
    /// Number of the block in its segment, from 0.
    pub sequence: u32,
    /// Whether a segment starts here: the file was created or appended to.
    pub starts: bool,
    /// Whether its segment ends here: with a summary, or because no more of the run was to be kept.
    pub ends: bool,
    /// Whether it holds a `hello`, on which later records depend.
    pub has_hello: bool,
    pub records: u32,
    /// The least and greatest time of its records; `None` when none has one.
    pub times: Option<(Timestamp, Timestamp)>,
    /// Bytes of the header.
    pub header_len: usize,
    /// Bytes after the header.
    pub body_len: usize,
    /// Bytes of the contents.
    pub plain_len: usize,
}

/// Why bytes are not a valid block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// It does not start like one.
    #[error("no block starts here")]
    NotABlock,
    /// The bytes end before the block does.
    #[error("the block is cut short")]
    Short,
    /// The header's checksum does not match.
    #[error("the block's header is damaged")]
    Header,
    /// A version that is not known yet.
    #[error("written in version {0} of the format; this ctpulse reads up to {VERSION}")]
    Newer(u8),
    /// Its header claims more contents than a block may have.
    #[error(
        "the block claims to have {0} bytes of contents; more than {MAX_CONTENTS} in a block are not read"
    )]
    TooLong(u32),
    /// The contents cannot be decompressed, or their checksum does not match.
    #[error("the block's contents are damaged (checksum)")]
    Contents,
}

/// The fields of a new block's header that do not follow from its contents.
#[derive(Clone, Copy, Debug, Default)]
pub struct BlockLabel {
    /// See [`BlockHeader::sequence`].
    pub sequence: u32,
    /// See [`BlockHeader::ends`].
    pub ends: bool,
    /// See [`BlockHeader::has_hello`].
    pub has_hello: bool,
    /// See [`BlockHeader::records`].
    pub records: u32,
    /// See [`BlockHeader::times`].
    pub times: Option<(Timestamp, Timestamp)>,
}

/// Encodes JSON lines as a block.
///
/// # Errors
///
/// When the contents are longer than [`MAX_CONTENTS`].
pub fn encode(label: BlockLabel, lines: &[u8]) -> io::Result<Vec<u8>> {
    encode_with(label, lines, Compression::default())
}

/// The same with more or less effort.
///
/// # Errors
///
/// Those of [`encode`].
pub fn encode_with(label: BlockLabel, lines: &[u8], effort: Compression) -> io::Result<Vec<u8>> {
    let plain_len = u32::try_from(lines.len())
        .ok()
        .filter(|len| *len <= MAX_CONTENTS)
        .ok_or_else(|| {
            let len = lines.len();
            io::Error::other(format!(
                "{len} bytes are too much for one block of a recording"
            ))
        })?;
    let mut crc = Crc::new();
    crc.update(lines);
    let mut encoder = DeflateEncoder::new(vec![0; HEADER], effort);
    encoder.write_all(lines)?;
    let mut block = encoder.finish()?;
    block.extend(crc.sum().to_le_bytes());
    block.extend(plain_len.to_le_bytes());

    let body_len = u32::try_from(block.len() - HEADER).map_err(io::Error::other)?;
    let flag = |bit, set| if set { bit } else { 0 };
    let flags = flag(STARTS, label.sequence == 0)
        | flag(ENDS, label.ends)
        | flag(HAS_HELLO, label.has_hello);
    let (first, last) = label.times.map_or((i64::MAX, i64::MIN), |(first, last)| {
        (first.as_microsecond(), last.as_microsecond())
    });
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend([0, 0, 0, 0, 0, 0xff]);
    header.extend(((HEADER - PREFIX + 4) as u16).to_le_bytes());
    header.extend(SUBFIELD);
    header.extend(((HEADER - PREFIX) as u16).to_le_bytes());
    header.extend([VERSION, flags, 0, 0]);
    for number in [label.sequence, body_len, label.records] {
        header.extend(number.to_le_bytes());
    }
    header.extend(first.to_le_bytes());
    header.extend(last.to_le_bytes());
    header.extend(plain_len.to_le_bytes());
    header.extend(checksum(&header).to_le_bytes());
    block[..HEADER].copy_from_slice(&header);
    Ok(block)
}

/// Splits a block of this version into its header, with another number and end, and the rest.
///
/// # Errors
///
/// When it is not such a block.
pub fn renumbered(bytes: &[u8], sequence: u32, ends: bool) -> io::Result<([u8; HEADER], &[u8])> {
    let (old, body) = bytes
        .split_at_checked(HEADER)
        .ok_or(io::ErrorKind::UnexpectedEof)?;
    let mut header = [0; HEADER];
    header.copy_from_slice(old);
    header[17] = (old[17] & HAS_HELLO)
        | if sequence == 0 { STARTS } else { 0 }
        | if ends { ENDS } else { 0 };
    header[20..24].copy_from_slice(&sequence.to_le_bytes());
    let checked = checksum(&header[..HEADER - 4]);
    header[HEADER - 4..].copy_from_slice(&checked.to_le_bytes());
    Ok((header, body))
}

/// Reads the header at the start of `bytes`.
///
/// # Errors
///
/// [`BlockFault::Short`] when there are too few bytes, else what is wrong with them.
pub fn header(bytes: &[u8]) -> Result<BlockHeader, BlockFault> {
    let known = bytes.len().min(MAGIC.len());
    if bytes[..known] != MAGIC[..known] {
        return Err(BlockFault::NotABlock);
    }
    let prefix = bytes.get(..PREFIX).ok_or(BlockFault::Short)?;
    if prefix[12..14] != SUBFIELD {
        return Err(BlockFault::NotABlock);
    }
    let len = usize::from(u16::from_le_bytes([prefix[14], prefix[15]]));
    // Every version has at least the version and the checksum.
    if len < 5 {
        return Err(BlockFault::Header);
    }
    let bytes = bytes.get(..PREFIX + len).ok_or(BlockFault::Short)?;
    let (covered, checked) = bytes.split_at(bytes.len() - 4);
    if checksum(covered) != number(checked, 0) {
        return Err(BlockFault::Header);
    }
    if covered[16] > VERSION {
        return Err(BlockFault::Newer(covered[16]));
    }
    if bytes.len() != HEADER {
        return Err(BlockFault::Header);
    }
    let flags = covered[17];
    let (body_len, plain_len) = (number(covered, 24), number(covered, 48));
    if plain_len > MAX_CONTENTS {
        return Err(BlockFault::TooLong(plain_len));
    }
    if !(TRAILER as u32..=MAX_CONTENTS + GROWTH).contains(&body_len) {
        return Err(BlockFault::Header);
    }
    let time = |at| {
        let low = u64::from(number(covered, at));
        let high = u64::from(number(covered, at + 4));
        Timestamp::from_microsecond((high << 32 | low).cast_signed()).ok()
    };
    Ok(BlockHeader {
        sequence: number(covered, 20),
        starts: flags & STARTS != 0,
        ends: flags & ENDS != 0,
        has_hello: flags & HAS_HELLO != 0,
        records: number(covered, 28),
        times: time(32).zip(time(40)).filter(|(first, last)| first <= last),
        header_len: HEADER,
        body_len: body_len as usize,
        plain_len: plain_len as usize,
    })
}

/// Decompresses the bytes after a header, and verifies their checksum.
///
/// # Errors
///
/// [`BlockFault::Contents`] when they are not what was written.
pub fn contents(header: &BlockHeader, body: &[u8]) -> Result<String, BlockFault> {
    let split = body
        .len()
        .checked_sub(TRAILER)
        .ok_or(BlockFault::Contents)?;
    let (deflated, trailer) = body.split_at(split);
    let mut plain = Vec::with_capacity(header.plain_len);
    DeflateDecoder::new(deflated)
        .take(header.plain_len as u64 + 1)
        .read_to_end(&mut plain)
        .map_err(|_| BlockFault::Contents)?;
    let mut crc = Crc::new();
    crc.update(&plain);
    let lengths = [header.plain_len, number(trailer, 4) as usize];
    if lengths != [plain.len(); 2] || crc.sum() != number(trailer, 0) {
        return Err(BlockFault::Contents);
    }
    String::from_utf8(plain).map_err(|_| BlockFault::Contents)
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// The little-endian number at an offset that is known to be within the bytes.
fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
