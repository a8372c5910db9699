//! A medium that is slow, stuck or gone.

use std::{
    io::{self, Write},
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use crate::recording::{
    encoder::BlockEncoder,
    reader::DamageKind,
    tests::{Disk, INTERVAL, PATIENCE, Set, blocks, read, record, records, started},
    writer::{Medium, RecordError, Recorder, recorder, with_room},
};

/// A disk that takes a block when it is allowed to.
struct Gated {
    disk: Disk,
    allowed: Receiver<()>,
}

fn gated(disk: &Disk) -> (Gated, Sender<()>) {
    let (allow, allowed) = channel();
    let gated = Gated {
        disk: disk.clone(),
        allowed,
    };
    (gated, allow)
}

impl Write for Gated {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Without its other end everything is allowed.
        let _ = self.allowed.recv();
        self.disk.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Medium for Gated {
    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn truncate(&mut self, _: u64) {}
}

#[test]
fn a_stuck_medium_is_only_waited_for_at_the_end_with_a_timeout() {
    let disk = Disk::new(1 << 20);
    let (medium, allow) = gated(&disk);
    let clock = Set::default();
    let mut recorder = started(medium, &clock, INTERVAL);
    allow.send(()).unwrap();
    for n in 0..1000 {
        clock.0.set(INTERVAL * n);
        recorder.write(&record(n)).unwrap();
        recorder.flush().unwrap();
    }
    // The first block is written; that is reported a moment later.
    while disk.bytes().is_empty() {
        std::thread::yield_now();
    }
    let (kept, result) = recorder.finish(Duration::from_millis(300));
    assert_eq!((kept.blocks, kept.records), (1, 10));
    let error = result.unwrap_err();
    assert!(error.is_final());
    assert_eq!(
        error.to_string(),
        "writing is stuck: what was left was given up after 0.3 s"
    );
    assert_eq!(read(&disk.bytes()).unwrap().0, records(0..10));
}

#[test]
fn a_slow_medium_leaves_a_reported_gap() {
    let disk = Disk::new(1 << 20);
    let (medium, allow) = gated(&disk);
    let clock = Set::default();
    // Blocks here have some 300 bytes.
    let encoder = BlockEncoder::new(clock.clone(), INTERVAL);
    let (mut recorder, writer) = with_room(1000, medium, encoder);
    std::thread::spawn(move || writer.run());
    let mut written = 0;
    let mut write = |recorder: &mut Recorder<Set>| {
        clock.0.set(INTERVAL * written);
        recorder.write(&record(written)).unwrap();
        recorder.flush().unwrap();
        written += 1;
        written
    };
    while recorder.left_out() < 20 {
        assert!(write(&mut recorder) < 200, "no end to what may wait");
    }
    let waiting = recorder.sent() as usize - 2;
    drop(allow);
    while blocks(&disk.bytes()).len() <= waiting {
        std::thread::yield_now();
    }
    let last = (0..5).map(|_| write(&mut recorder)).last().unwrap();
    let (kept, result) = recorder.finish(PATIENCE);
    let error = result.unwrap_err();
    assert!(!error.is_final());
    assert_eq!(
        error.to_string(),
        "20 records were left out: writing did not keep up"
    );
    assert_eq!(kept.records, u64::from(last) - 20);
    let (read, damages, _) = read(&disk.bytes()).unwrap();
    assert_eq!(
        read,
        [records(0..last - 25), records(last - 5..last)].concat()
    );
    assert_eq!(damages.len(), 1);
    assert_eq!(damages[0].kind, DamageKind::Missing(2));
}

#[test]
fn a_recorder_without_its_writer_says_so() {
    let clock = Set::default();
    let (mut recorder, writer) = recorder(Disk::new(1 << 20), clock.clone(), INTERVAL);
    recorder.write(&record(0)).unwrap();
    drop(writer);
    let (kept, result) = recorder.finish(PATIENCE);
    assert_eq!(kept.blocks, 0);
    assert!(matches!(result, Err(RecordError::NoWriter)));
}
