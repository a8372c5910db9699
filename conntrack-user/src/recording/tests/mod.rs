//! Recordings: what is recorded is what is read, whatever happens to the file.

mod held;
mod hostile;
mod storing;

use std::{
    cell::Cell,
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Clock, Instant},
    model::record::{Alert, Record, Time},
    recording::{
        block,
        encoder::MAX_DELAY,
        player::{Player, PlayerItem},
        position::Position,
        reader::{BlockReader, Damage, DamageKind, Ending, ReadError, ReadItem},
        writer::{Kept, Medium, RecordError, Recorder, recorder},
    },
};
use jiff::Timestamp;
use proptest::prelude::*;

const INTERVAL: Duration = Duration::from_millis(100);

/// A medium in memory with room for `size` bytes.
#[derive(Clone, Debug)]
struct Disk {
    bytes: Arc<Mutex<Vec<u8>>>,
    size: usize,
    truncates: bool,
}

impl Disk {
    fn new(size: usize) -> Self {
        Self {
            bytes: Arc::default(),
            size,
            truncates: true,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> Vec<u8> {
        self.lock().clone()
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut kept = self.lock();
        let room = self.size - kept.len();
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let written = room.min(bytes.len());
        kept.extend(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Disk {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, bytes: u64) {
        if self.truncates {
            self.lock().truncate(bytes as usize);
        }
    }
}

/// A clock that the test sets.
#[derive(Clone, Default)]
struct Set(std::rc::Rc<Cell<Duration>>);

impl Clock for Set {
    fn process_cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn now(&self) -> Instant {
        Instant {
            monotonic: self.0.get(),
            realtime: moment(self.0.get()),
        }
    }

    fn thread_cpu_time(&self) -> Duration {
        Duration::ZERO
    }
}

fn moment(since: Duration) -> Timestamp {
    Timestamp::constant(1_767_323_045, 0) + since
}

/// The record of an interval: any record with a time will do.
fn record(n: u32) -> Record {
    Record::Alert(Alert {
        time: Time(moment(INTERVAL * n)),
        instance: format!("instance {n}").into(),
        name: "netfilter_conntrack_full".into(),
        status: crate::model::alert::AlertStatus::Warning,
        value: 90.0 + f64::from(n) / 7.0,
        unit: "%".into(),
        previous: crate::model::alert::AlertStatus::Clear,
        reason: None,
    })
}

/// Longer than any test waits for its writer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A recorder whose writer has a thread of its own.
fn started(medium: impl Medium, clock: &Set, interval: Duration) -> Recorder<Set> {
    let (recorder, writer) = recorder(medium, clock.clone(), interval);
    std::thread::spawn(move || writer.run());
    recorder
}

/// Records `count` intervals onto a disk.
fn recorded(disk: &Disk, count: u32) -> (Kept, Result<(), RecordError>) {
    let clock = Set::default();
    let mut recorder = started(disk.clone(), &clock, INTERVAL);
    for n in 0..count {
        clock.0.set(INTERVAL * n);
        if recorder
            .write(&record(n))
            .and_then(|()| recorder.flush())
            .is_err()
        {
            break;
        }
    }
    recorder.finish(PATIENCE)
}

fn read(bytes: &[u8]) -> Result<(Vec<u32>, Vec<Damage>, Ending), ReadError> {
    let mut player = Player::new(bytes, None, None);
    let (mut records, mut damages) = (Vec::new(), Vec::new());
    while let Some(item) = player.next_item()? {
        match item {
            PlayerItem::Line(line) => records.extend(line.record.map(number)),
            PlayerItem::Damage(damage) => damages.push(damage),
        }
    }
    Ok((records, damages, player.ending()))
}

fn blocks(bytes: &[u8]) -> Vec<usize> {
    let mut starts = vec![0];
    while let Ok(header) = block::header(&bytes[starts[starts.len() - 1]..]) {
        starts.push(starts[starts.len() - 1] + header.header_len + header.body_len);
    }
    starts
}

/// The numbers of records that are exactly as they were written.
fn records(range: std::ops::Range<u32>) -> Vec<u32> {
    range.collect()
}

fn number(read: Record) -> u32 {
    let Record::Alert(alert) = &read else {
        panic!("{read:?}")
    };
    let n = alert
        .instance
        .raw()
        .trim_start_matches("instance ")
        .parse()
        .unwrap_or(u32::MAX);
    assert_eq!(read, record(n));
    n
}

#[test]
fn recordings_round_trip() {
    let disk = Disk::new(1 << 20);
    let (kept, result) = recorded(&disk, 95);
    result.unwrap();
    let bytes = disk.bytes();
    // Ten intervals a second, a block for each second.
    assert_eq!((kept.records, kept.blocks), (95, 10));
    assert_eq!(kept.bytes, bytes.len() as u64);
    assert_eq!(kept.until, Some(moment(INTERVAL * 94)));
    let (read, damages, ending) = read(&bytes).unwrap();
    assert_eq!(read, records(0..95));
    assert_eq!((damages, ending), (vec![], Ending::Open));
}

#[test]
fn no_record_waits_longer_than_a_second() {
    for interval in [10, 100, 400, 700, 5000].map(Duration::from_millis) {
        let disk = Disk::new(1 << 20);
        let clock = Set::default();
        let mut recorder = started(disk.clone(), &clock, interval);
        let mut waiting = Vec::new();
        for n in 0..200 {
            let now = interval * n;
            clock.0.set(now);
            recorder.write(&record(n)).unwrap();
            waiting.push(now);
            let before = recorder.sent();
            recorder.flush().unwrap();
            if recorder.sent() > before {
                waiting.clear();
            }
            let next = now + interval;
            assert!(
                waiting
                    .first()
                    .is_none_or(|first| next - *first <= MAX_DELAY),
                "{interval:?} {n}"
            );
        }
        recorder.finish(PATIENCE).1.unwrap();
    }
}

#[test]
fn a_full_disk_keeps_whole_blocks_and_says_which() {
    for truncates in [true, false] {
        let whole = Disk::new(1 << 20);
        recorded(&whole, 100).1.unwrap();
        let starts = blocks(&whole.bytes());
        let mut disk = Disk::new(starts[3] + 20);
        disk.truncates = truncates;
        let (kept, result) = recorded(&disk, 100);
        assert_eq!(
            io::Error::from(result.unwrap_err()).kind(),
            io::ErrorKind::StorageFull
        );
        assert_eq!((kept.blocks, kept.records), (3, 30));
        let (read, damages, ending) = read(&disk.bytes()).unwrap();
        assert_eq!(read, records(0..30));
        if truncates {
            assert_eq!((damages.len(), ending), (0, Ending::Open));
        } else {
            assert_eq!((damages[0].kind, damages[0].bytes), (DamageKind::Torn, 20));
            assert_eq!(ending, Ending::Damaged);
        }
    }
}

#[test]
fn not_a_recording() {
    let is = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
    assert_eq!(is(b""), "is empty: nothing was recorded");
    for other in [
        &b"\x1f\x8b"[..],
        b"\x1f\x8b\x08\x00",
        b"{\"type\":\"hello\"}\n",
        &[0; 3 << 20],
        &[0x1f; 100],
    ] {
        assert_eq!(is(other), "is not a recording of ctpulse");
    }
}

#[test]
fn a_newer_version_is_refused_with_a_message() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 5).1.unwrap();
    let mut bytes = disk.bytes();
    bytes[16] = 9;
    let mut crc = flate2::Crc::new();
    crc.update(&bytes[..block::HEADER - 4]);
    bytes[block::HEADER - 4..block::HEADER].copy_from_slice(&crc.sum().to_le_bytes());
    assert_eq!(
        read(&bytes).unwrap_err().to_string(),
        "was recorded in version 9 of the format, by a newer ctpulse; this one reads up to 1"
    );
}

#[test]
fn a_missing_block_is_missed() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 50).1.unwrap();
    let mut bytes = disk.bytes();
    let starts = blocks(&bytes);
    bytes.drain(starts[1]..starts[3]);
    let (read, damages, _) = read(&bytes).unwrap();
    assert_eq!(read, [records(0..10), records(30..50)].concat());
    assert_eq!(damages.len(), 1);
    assert_eq!(damages[0].kind, DamageKind::Missing(2));
    assert_eq!(
        damages[0].to_string(),
        format!(
            "2 blocks are missing at byte {} (after 2026-01-02T03:04:05.900000Z)",
            starts[1]
        )
    );
}

#[test]
fn two_recordings_in_a_row_are_one() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 20).1.unwrap();
    recorded(&disk, 20).1.unwrap();
    let (read, damages, _) = read(&disk.bytes()).unwrap();
    assert_eq!(read, [records(0..20), records(0..20)].concat());
    assert_eq!(damages, []);
}

#[test]
fn a_torn_end_does_not_hide_what_was_appended_after_it() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 20).1.unwrap();
    let torn = blocks(&disk.bytes())[1] + 70;
    disk.lock().truncate(torn);
    recorded(&disk, 20).1.unwrap();
    let (read, damages, ending) = read(&disk.bytes()).unwrap();
    assert_eq!(read, [records(0..10), records(0..20)].concat());
    assert_eq!((damages.len(), ending), (1, Ending::Open));
}

#[test]
fn a_part_is_read_without_the_rest() {
    let disk = Disk::new(1 << 20);
    recorded(&disk, 100).1.unwrap();
    let bytes = disk.bytes();
    let from = "+2.05s".parse::<Position>().unwrap();
    let to = "+4s".parse::<Position>().unwrap();
    let mut player = Player::new(&bytes[..], Some(from), Some(to));
    let mut read = Vec::new();
    while let Some(item) = player.next_item().unwrap() {
        if let PlayerItem::Line(line) = item {
            read.extend(line.record.map(number));
        }
    }
    assert_eq!(read, records(21..41));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Wherever a file is cut, all whole blocks before are read, and the rest is accounted for.
    #[test]
    fn cut_anywhere(at: prop::sample::Index) {
        let disk = Disk::new(1 << 20);
        recorded(&disk, 40).1.unwrap();
        let bytes = disk.bytes();
        let starts = blocks(&bytes);
        let cut = 1 + at.index(bytes.len() - 1);
        let whole = starts.iter().filter(|start| **start <= cut).count() - 1;
        if cut < 4 {
            prop_assert!(matches!(read(&bytes[..cut]), Err(ReadError::NotARecording)));
            return Ok(());
        }
        let (read, damages, ending) = read(&bytes[..cut]).unwrap();
        prop_assert_eq!(read, records(0..10 * whole as u32));
        if starts.contains(&cut) {
            prop_assert_eq!((damages.len(), ending), (0, Ending::Open));
        } else {
            prop_assert_eq!(damages.len(), 1);
            prop_assert_eq!(damages[0].kind, DamageKind::Torn);
            prop_assert_eq!(damages[0].offset, starts[whole] as u64);
            prop_assert_eq!(damages[0].offset + damages[0].bytes, cut as u64);
            prop_assert_eq!(ending, Ending::Damaged);
        }
    }

    /// Whatever bytes are overwritten, the blocks not touched are read, and what is not is reported.
    #[test]
    fn overwritten_anywhere(at: prop::sample::Index, junk in prop::collection::vec(any::<u8>(), 1..300)) {
        let disk = Disk::new(1 << 20);
        recorded(&disk, 60).1.unwrap();
        let mut bytes = disk.bytes();
        let starts = blocks(&bytes);
        let at = at.index(bytes.len());
        let end = (at + junk.len()).min(bytes.len());
        if bytes[at..end] == junk[..end - at] {
            return Ok(());
        }
        bytes[at..end].copy_from_slice(&junk[..end - at]);
        let untouched: Vec<u32> = (0..starts.len() - 1)
            .filter(|i| starts[i + 1] <= at || starts[*i] >= end)
            .flat_map(|i| records(10 * i as u32..10 * i as u32 + 10))
            .collect();
        match read(&bytes) {
            Ok((read, damages, _)) => {
                if damages.is_empty() {
                    // Bits that deflate does not use.
                    prop_assert_eq!(read, records(0..60));
                } else {
                    prop_assert_eq!(read, untouched);
                }
            }
            // A version that is newer with a right checksum cannot come about by chance.
            Err(error) => prop_assert!(untouched.is_empty(), "{error}"),
        }
    }

    #[test]
    fn junk_is_read_without_panic(junk: Vec<u8>) {
        let mut reader = BlockReader::new(&junk[..]);
        while let Ok(Some(item)) = reader.next(|_| true) {
            prop_assert!(matches!(item, ReadItem::Damage(_)));
        }
    }
}
