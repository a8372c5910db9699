//! How frames are written: length and checksum, then the content. What was cut off, or changed, is recognised.

use prost::Message as _;

use crate::remote_write::wire::QueuedFrame;

/// Bytes before the content: its length and its CRC-32, both little-endian.
const HEAD: usize = 8;

/// The most bytes of a content. A frame has cells of one instance, a bounded number of them.
const LONGEST: usize = 4 << 20;

/// A frame as bytes; `None` if it is too long to be read back.
pub(super) fn encode(frame: &QueuedFrame) -> Option<Vec<u8>> {
    let length = frame.encoded_len();
    if length > LONGEST {
        return None;
    }
    let mut bytes = vec![0; HEAD];
    bytes.reserve(length);
    // A vector has room for everything.
    frame.encode(&mut bytes).ok()?;
    let crc = crc32fast::hash(&bytes[HEAD..]).to_le_bytes();
    bytes[..4].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
    bytes[4..HEAD].copy_from_slice(&crc);
    Some(bytes)
}

/// The first frame of some bytes, and its length with head; `None` if there is no whole and right one.
pub(super) fn decode(bytes: &[u8]) -> Option<(QueuedFrame, usize)> {
    let (head, rest) = bytes.split_at_checked(HEAD)?;
    let word = |at: usize| Some(u32::from_le_bytes(head.get(at..at + 4)?.try_into().ok()?));
    let length = usize::try_from(word(0)?).ok()?;
    let content = rest.get(..length).filter(|_| length <= LONGEST)?;
    if crc32fast::hash(content) != word(4)? {
        return None;
    }
    Some((QueuedFrame::decode(content).ok()?, HEAD + length))
}
