//! What fuzzing gives to the reader of other hosts: the lines of one, in pieces.

use std::time::Duration;

use super::{
    decode::{Decoded, decode},
    lines::{LineBatch, LineSplitter},
};
use crate::{
    Instant,
    model::fleet::{Fleet, HostNews, HostSpec},
};

/// What ends a piece: no JSON has it.
const BETWEEN: u8 = 0xff;

/// The lines of two hosts, in pieces that go to one and the other.
pub fn stream(data: &[u8]) {
    let at = |millis| Instant {
        monotonic: Duration::from_millis(1_000 + millis),
        realtime: jiff::Timestamp::from_second(1_767_323_045).unwrap_or_default()
            + Duration::from_millis(millis),
    };
    let host = |source: &'static str| HostSpec {
        name: None,
        source: source.into(),
        waits: true,
        is_connection: true,
    };
    let mut fleet = Fleet::new(vec![host("a"), host("b")], at(0));
    let mut splitters = [LineSplitter::default(), LineSplitter::default()];
    let mut now = 0;
    for (number, piece) in data.split(|&byte| byte == BETWEEN).enumerate() {
        let host = number % splitters.len();
        now += 50;
        let lines = splitters[host].push(piece);
        take(&mut fleet, host, &lines, at(now));
        let _ = fleet.tick(at(now));
    }
    for (host, splitter) in splitters.iter_mut().enumerate() {
        let lines = splitter.finish();
        take(&mut fleet, host, &lines, at(now));
        let _ = fleet.take(host, HostNews::Ended, at(now));
    }
    let _ = fleet.tick(at(now + 3_600_000));
    let _ = (fleet.finish(), fleet.take_notes());
}

fn take(fleet: &mut Fleet, host: usize, lines: &LineBatch, at: Instant) {
    for line in lines.iter() {
        match decode(line) {
            Ok(Decoded::Record(record)) => {
                for record in fleet.take(host, HostNews::Record(record), at) {
                    // What it makes of it can be written and read.
                    let text = serde_json::to_vec(&record).expect("a record is JSON");
                    let again = serde_json::from_slice(&text);
                    let again: crate::model::record::Record = again.expect("it was written");
                    assert_eq!(again.time(), record.time());
                }
            }
            Ok(Decoded::UnknownType) => {}
            Err(error) => assert!(error.to_string().len() < 5_000, "{error}"),
        }
    }
}
