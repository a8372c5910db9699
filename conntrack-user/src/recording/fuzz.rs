//! What fuzzing gives to the reader of recordings.

use flate2::{Crc, read::DeflateDecoder};
use jiff::Timestamp;
use std::io::Read as _;

use super::{
    Position, Recording, RecordingError,
    block::{HEADER, MAGIC},
};

/// The most bytes of contents that a checksum is made for.
const CONTENTS: u64 = 1 << 20;

/// A recording, after its checksums were made to fit: otherwise nothing behind them would ever be reached. The first byte says
/// whether they are, and which part is read.
pub fn recording(data: &[u8]) {
    let Some((&how, bytes)) = data.split_first() else {
        return;
    };
    let mut bytes = bytes.to_vec();
    if how & 1 == 0 {
        sealed(&mut bytes);
    }
    let part = (how & 2 != 0).then(|| {
        let after = std::time::Duration::from_millis(u64::from(how >> 2) * 100);
        [Position::After(after), Position::At(Timestamp::MAX)]
    });
    let [from, to] = part.map_or([None; 2], |part| part.map(Some));
    let mut recording = Recording::part("fuzzed", &bytes[..], from, to);
    let mut damaged = 0;
    for item in recording.by_ref() {
        match item {
            Ok(record) => drop(record.time()),
            Err(error @ RecordingError::Damage { .. }) => {
                damaged += 1;
                assert!(error.to_string().len() < 1_000, "{error}");
            }
            Err(error) => assert!(error.to_string().len() < 1_000, "{error}"),
        }
    }
    assert!(damaged <= bytes.len(), "{damaged} parts in {}", bytes.len());
    let _ = (recording.ending(), recording.start(), recording.latest());
}

/// Makes the checksums and lengths of all headers and contents those of what they are for.
fn sealed(bytes: &mut [u8]) {
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(MAGIC.len()).position(|b| b == MAGIC) {
        let start = at + found;
        at = start + MAGIC.len();
        let Some(block) = bytes.get_mut(start..).filter(|b| b.len() >= HEADER) else {
            return;
        };
        let (header, body) = block.split_at_mut(HEADER);
        let claimed = u32::from_le_bytes([header[24], header[25], header[26], header[27]]);
        let length = (claimed as usize).clamp(8, body.len().max(8));
        if let Some(body) = body.get_mut(..length) {
            let (deflated, trailer) = body.split_at_mut(length - 8);
            let mut plain = Vec::new();
            // As far as it goes: the rest is for the reader to refuse.
            let _ = DeflateDecoder::new(&*deflated)
                .take(CONTENTS)
                .read_to_end(&mut plain);
            let plain_length = (plain.len() as u32).to_le_bytes();
            trailer[..4].copy_from_slice(&checksum(&plain).to_le_bytes());
            trailer[4..].copy_from_slice(&plain_length);
            header[24..28].copy_from_slice(&(length as u32).to_le_bytes());
            header[48..52].copy_from_slice(&plain_length);
            at = start + HEADER + length;
        }
        let sum = checksum(&header[..HEADER - 4]);
        header[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}
