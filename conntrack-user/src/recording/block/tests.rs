//! Blocks are read as they were written, and damage is noticed.

use proptest::prelude::*;

use crate::recording::block::*;

fn label() -> BlockLabel {
    BlockLabel {
        sequence: 7,
        ends: true,
        has_hello: false,
        records: 2,
        times: Some((
            Timestamp::UNIX_EPOCH,
            Timestamp::constant(1_767_323_045, 678_901_000),
        )),
    }
}

#[test]
fn any_gzip_reads_a_block() {
    let block = encode(label(), b"{}\n{}\n").unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&block[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "{}\n{}\n");
}

#[test]
fn a_newer_version_is_not_damage() {
    let mut block = encode(label(), b"{}\n").unwrap();
    block[16] = VERSION + 1;
    assert_eq!(header(&block), Err(BlockFault::Header));
    let crc = checksum(&block[..HEADER - 4]).to_le_bytes();
    block[HEADER - 4..HEADER].copy_from_slice(&crc);
    assert_eq!(header(&block), Err(BlockFault::Newer(VERSION + 1)));
}

/// A header with a valid checksum that claims so many bytes of contents.
fn claiming(plain_len: u32) -> Vec<u8> {
    let mut block = encode(label(), b"{}\n").unwrap();
    block[48..52].copy_from_slice(&plain_len.to_le_bytes());
    let crc = checksum(&block[..HEADER - 4]).to_le_bytes();
    block[HEADER - 4..HEADER].copy_from_slice(&crc);
    block
}

#[test]
fn a_block_too_long_is_refused_by_its_header() {
    assert!(header(&claiming(MAX_CONTENTS)).is_ok());
    assert_eq!(
        header(&claiming(MAX_CONTENTS + 1)),
        Err(BlockFault::TooLong(MAX_CONTENTS + 1))
    );
    let lines = vec![b'x'; MAX_CONTENTS as usize + 1];
    let error = encode(label(), &lines).unwrap_err().to_string();
    assert!(error.contains("16777217 bytes"), "{error}");
}

/// Decompression stops at the length that the header claims.
#[test]
fn contents_longer_than_said_are_damaged() {
    let block = encode(label(), &vec![b'\n'; 1 << 20]).unwrap();
    let covered = BlockHeader {
        plain_len: 1000,
        ..header(&block).unwrap()
    };
    assert_eq!(
        contents(&covered, &block[HEADER..]),
        Err(BlockFault::Contents)
    );
}

proptest! {
    #[test]
    fn blocks_round_trip(text in "\\PC{0,400}", sequence: u32, records: u32, ends: bool, has_hello: bool,
                              times in proptest::option::of((0..1_i64 << 50, 0..1_i64 << 50))) {
        let times = times.map(|(a, b): (i64, i64)| {
            let time = |us| Timestamp::from_microsecond(us).unwrap();
            (time(a.min(b)), time(a.max(b)))
        });
        let label = BlockLabel { sequence, ends, has_hello, records, times };
        let block = encode(label, text.as_bytes()).unwrap();
        let head = header(&block).unwrap();
        prop_assert_eq!(
            (head.sequence, head.starts, head.ends, head.has_hello, head.records, head.times),
            (sequence, sequence == 0, ends, has_hello, records, times)
        );
        prop_assert_eq!(head.header_len + head.body_len, block.len());
        prop_assert_eq!(contents(&head, &block[HEADER..]).unwrap(), text);
    }

    #[test]
    fn any_flipped_bit_is_noticed(text in "[a-z]{1,100}", at: prop::sample::Index, bit in 0..8_u32) {
        let block = encode(label(), text.as_bytes()).unwrap();
        let mut damaged = block.clone();
        let at = at.index(block.len());
        damaged[at] ^= 1 << bit;
        let read = header(&damaged).and_then(|head| contents(&head, &damaged[HEADER..]));
        // The bits of the deflate stream after its end, and nothing else, may change unnoticed.
        prop_assert!(read.is_err() || read.as_deref() == Ok(text.as_str()));
    }

    #[test]
    fn a_truncated_block_is_incomplete_and_not_damaged(len in 0..HEADER) {
        let block = encode(label(), b"{}\n").unwrap();
        prop_assert_eq!(header(&block[..len]), Err(BlockFault::Short));
    }

    #[test]
    fn anything_else_is_refused_without_panic(bytes: Vec<u8>) {
        let mut with_magic = MAGIC.to_vec();
        with_magic.extend(&bytes);
        prop_assert!(header(&bytes).is_err());
        prop_assert!(header(&with_magic).is_err());
    }
}
