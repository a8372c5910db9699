//! The part of a run that is kept in memory.

use std::time::Duration;

use crate::{
    clock::Clock,
    model::record::Record,
    recording::{
        held::{HeldPart, HeldRecording},
        player::{Player, PlayerItem},
        reader::Ending,
        tests::{INTERVAL, Set, moment, number, record, records},
    },
};

const RECORDING: &str = include_str!("../../../../tests/fixtures/records/filling-6.12.jsonl");

/// A hello of this host.
fn hello(host: &str) -> Record {
    let line = RECORDING.lines().next().expect("the recording has lines");
    match serde_json::from_str(line) {
        Ok(Record::Hello(mut hello)) => {
            hello.hostname = host.to_owned().into();
            Record::Hello(hello)
        }
        other => panic!("the recording starts with {other:?}"),
    }
}

/// What is read of a part: the host of its hello, the numbers of its records.
fn read(part: &HeldPart) -> (Option<String>, Vec<u32>) {
    let mut bytes = Vec::new();
    part.write(&mut bytes).unwrap();
    let mut player = Player::new(&*bytes, None, None);
    let (mut host, mut numbers) = (None, Vec::new());
    while let Some(item) = player.next_item().unwrap() {
        let PlayerItem::Line(line) = item else {
            panic!("damage in what was just written: {item:?}")
        };
        match line.record {
            Some(Record::Hello(hello)) => {
                assert!(numbers.is_empty(), "the hello comes first");
                host = Some(hello.hostname.to_string());
            }
            Some(record) => numbers.push(number(record)),
            None => panic!("{} is of no record", line.text),
        }
    }
    assert_eq!(player.ending(), Ending::Complete);
    (host, numbers)
}

fn add<C: Clock>(held: &mut HeldRecording<C>, clock: &Set, numbers: std::ops::Range<u32>) {
    for n in numbers {
        clock.0.set(INTERVAL * n);
        held.add(&record(n)).unwrap();
        held.flush().unwrap();
    }
}

#[test]
fn all_of_a_short_run_is_kept_and_can_be_written_again_and_again() {
    let clock = Set::default();
    let mut held = HeldRecording::new(clock.clone(), 1 << 20);
    assert!(held.part().unwrap().is_none(), "nothing was kept");
    held.add(&hello("first")).unwrap();
    assert!(held.part().unwrap().is_none(), "a hello has no time");
    add(&mut held, &clock, 0..25);
    let part = held.part().unwrap().expect("records");
    assert_eq!(read(&part), (Some("first".to_owned()), records(0..25)));
    assert_eq!(
        (part.from, part.until),
        (moment(Duration::ZERO), moment(INTERVAL * 24))
    );
    add(&mut held, &clock, 25..40);
    let part = held.part().unwrap().expect("records");
    assert_eq!(read(&part), (Some("first".to_owned()), records(0..40)));
}

#[test]
fn of_a_long_run_the_end_is_kept_with_the_hello_it_depends_on() {
    const ROOM: usize = 4_000;
    let clock = Set::default();
    let mut held = HeldRecording::new(clock.clone(), ROOM);
    held.add(&hello("first")).unwrap();
    add(&mut held, &clock, 0..500);
    held.add(&hello("second")).unwrap();
    add(&mut held, &clock, 500..1_000);
    let part = held.part().unwrap().expect("records");
    let mut bytes = Vec::new();
    part.write(&mut bytes).unwrap();
    let hello = 2_000;
    assert!(bytes.len() < ROOM + hello, "{} bytes", bytes.len());
    let (host, numbers) = read(&part);
    assert_eq!(host.as_deref(), Some("second"));
    let first = numbers[0];
    assert!((501..999).contains(&first), "{first}");
    assert_eq!(numbers, records(first..1_000));
    // All from then on is there.
    assert!(part.from <= moment(INTERVAL * first));
    assert!(part.from > moment(INTERVAL * (first - 2)));
    assert_eq!(part.records, u64::from(1_000 - first));
}
