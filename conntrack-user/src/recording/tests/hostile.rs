//! Recordings that are made to exhaust memory or time.

use std::io::{self, Read};

use crate::recording::{
    Recording, RecordingError,
    block::{self, BlockFault, BlockLabel},
    player::{MAX_LINE, Player, PlayerItem},
    reader::{BlockReader, DamageKind, Ending, ReadError, ReadItem},
    tests::{Disk, blocks, number, record, recorded, records},
};

/// A block of text that compresses well, as the first of a file.
fn block_of(text: &str) -> Vec<u8> {
    block::encode(BlockLabel::default(), text.as_bytes()).unwrap()
}

/// A file of a few kilobytes that has millions of lines: they are not held all at once.
#[test]
fn lines_are_made_one_at_a_time() {
    const LINES: u64 = 1 << 20;
    let bytes = block_of(&"\n".repeat(LINES as usize));
    assert!(bytes.len() < 2_000);
    let mut player = Player::new(&bytes[..], None, None);
    let (mut lines, mut held) = (0, 0);
    while let Some(item) = player.next_item().unwrap() {
        assert!(matches!(item, PlayerItem::Line(_)));
        held = held.max(player.held());
        lines += 1;
    }
    assert_eq!(lines, LINES);
    assert_eq!(player.unknown(), LINES);
    assert!(held <= 1, "{held}");
}

#[test]
fn a_line_without_end_is_not_parsed() {
    let text = format!("[{}]", "0,".repeat(MAX_LINE / 2));
    let bytes = block_of(&text);
    let mut player = Player::new(&bytes[..], None, None);
    let Ok(Some(PlayerItem::Line(line))) = player.next_item() else {
        panic!("no line")
    };
    assert_eq!((line.text.len(), line.record), (text.len(), None));
    assert_eq!(player.unknown(), 1);
}

/// As those that older versions read.
#[test]
fn a_block_that_claims_too_much_is_left_out_and_named() {
    let mut bytes = block_of("{}\n");
    bytes[48..52].copy_from_slice(&(64_u32 << 20).to_le_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[..block::HEADER - 4]);
    bytes[block::HEADER - 4..block::HEADER].copy_from_slice(&crc.sum().to_le_bytes());
    let mut reader = BlockReader::new(&bytes[..]);
    let Ok(Some(ReadItem::Damage(damage))) = reader.next(|_| true) else {
        panic!("no damage")
    };
    assert_eq!(
        damage.kind,
        DamageKind::Corrupt(BlockFault::TooLong(64 << 20))
    );
    assert_eq!(damage.bytes, bytes.len() as u64);
    assert!(matches!(reader.next(|_| true), Ok(None)));
    assert_eq!(reader.ending(), Ending::Damaged);
}

/// Each of them could be a block of 16 MiB, and is searched for others.
#[test]
fn damage_after_damage_is_given_up() {
    let mut one = block_of("{}\n");
    let last = one.len() - 1;
    one[last] ^= 1;
    let bytes = one.repeat(2000);
    let mut player = Player::new(&bytes[..], None, None);
    let mut damages = 0;
    let error = loop {
        match player.next_item() {
            Ok(Some(PlayerItem::Damage(_))) => damages += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => break error,
        }
    };
    assert_eq!(damages, 1000);
    assert!(matches!(error, ReadError::TooDamaged(at) if at == 1000 * one.len() as u64));
}

/// Gives a byte at a time, interrupted before each.
struct Trickle<'a>(&'a [u8], bool);

impl Read for Trickle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.1 = !self.1;
        if self.1 {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let one = buffer.len().min(1);
        self.0.read(&mut buffer[..one])
    }
}

#[test]
fn a_pipe_is_read_as_it_comes() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 25).1.unwrap();
    let bytes = disk.bytes();
    let read: Vec<u32> = Recording::new("pipe", Trickle(&bytes, false))
        .map(|record| number(record.unwrap()))
        .collect();
    assert_eq!(read, records(0..25));
}

#[test]
fn records_come_one_by_one_with_what_is_damaged_between_them() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 30).1.unwrap();
    let mut bytes = disk.bytes();
    let at = blocks(&bytes)[1];
    bytes[at + 80] ^= 0xff;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.ctp");
    std::fs::write(&path, bytes).unwrap();

    let mut recording = Recording::open(&path).unwrap();
    let (mut read, mut damaged) = (Vec::new(), Vec::new());
    for record in &mut recording {
        match record {
            Ok(record) => read.push(number(record)),
            Err(RecordingError::Damage { damage, .. }) => damaged.push(damage.offset),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(read, [records(0..10), records(20..30)].concat());
    assert_eq!(damaged, [at as u64]);
    assert_eq!((recording.unknown(), recording.ending()), (0, Ending::Open));
    assert_eq!(recording.start(), record(0).time().map(|time| time.0));
    assert_eq!(recording.latest(), record(29).time().map(|time| time.0));
}

#[test]
fn anything_but_a_recording_is_one_error() {
    let mut recording = Recording::new("\u{1b}notes", &b"dear diary\n"[..]);
    let error = recording.next().unwrap().unwrap_err().to_string();
    assert_eq!(error, "\\u{1b}notes: is not a recording of ctpulse");
    assert!(recording.next().is_none());
    let missing = Recording::open("/no/such/file").err().unwrap().to_string();
    assert!(
        missing.starts_with("/no/such/file: No such file"),
        "{missing}"
    );
}
