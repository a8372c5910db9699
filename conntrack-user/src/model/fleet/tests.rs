//! Hosts that come, go and lie.

mod names;
mod values_unknown;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::{Fleet, HostNews, HostSpec};
use crate::{
    clock::Instant,
    model::record::{HostState, Record, Severity, Time},
    text::Text,
};

const RECORDS: &str = include_str!("../../../../tests/fixtures/records/filling-6.12.jsonl");

fn at(ms: u64) -> Instant {
    let start = Timestamp::from_second(1_800_000_000).expect("a time");
    Instant {
        monotonic: Duration::from_millis(ms),
        realtime: start + Duration::from_millis(ms),
    }
}

fn first(kind: &str) -> Record {
    let mut lines = RECORDS.lines();
    let start = format!("{{\"type\":\"{kind}\"");
    let line = lines
        .find(|line| line.starts_with(&start))
        .expect("such a record");
    serde_json::from_str(line).expect("a record")
}

fn hello(interval_ms: f64) -> HostNews {
    let mut record = first("hello");
    if let Record::Hello(hello) = &mut record {
        hello.interval_ms = interval_ms;
    }
    HostNews::Record(Box::new(record))
}

/// A sample of a time, by a clock that is ahead.
fn sample(ms: u64, ahead_ms: i64) -> HostNews {
    let mut record = first("sample");
    if let Record::Sample(sample) = &mut record {
        let ahead = SignedDuration::from_millis(ahead_ms);
        sample.time = Time(at(ms).realtime + ahead);
    }
    HostNews::Record(Box::new(record))
}

fn fleet(names: &[&'static str]) -> Fleet {
    let spec = |name: &&'static str| HostSpec {
        name: Some((*name).into()),
        source: format!("http://{name}").into(),
        waits: true,
        is_connection: true,
    };
    Fleet::new(names.iter().map(spec).collect(), at(0))
}

/// A word for each record: its type, its instance or host, and whether its values are known.
fn words(records: &[Record]) -> Vec<String> {
    let word = |record: &Record| match record {
        Record::Hello(hello) => format!("hello {}", hello.instances.len()),
        Record::Host(host) => format!("{} {}", host.name, host.state.name()),
        Record::Sample(sample) => format!(
            "{} {}",
            sample.instance,
            sample.entries.map_or("absent", |_| "known")
        ),
        Record::Verdict(verdict) => format!("{} {}", verdict.instance, verdict.severity.name()),
        Record::Summary(summary) => format!("summary {}", summary.instances.len()),
        other => format!("{other:?}"),
    };
    records.iter().map(word).collect()
}

#[test]
fn the_first_hello_waits_for_all_hosts() {
    let mut fleet = fleet(&["a", "b"]);
    assert!(fleet.take(0, hello(100.0), at(10)).is_empty());
    assert!(fleet.take(0, sample(20, 0), at(20)).is_empty());
    let records = fleet.take(1, HostNews::Lost("refused".into()), at(30));
    assert_eq!(
        words(&records),
        [
            "hello 1",
            "a connected",
            "a connected",
            "a/self known",
            "b lost"
        ]
    );
    // Another hello comes when there is more to watch.
    let records = fleet.take(1, hello(100.0), at(40));
    assert_eq!(words(&records), ["hello 2", "b connected"]);
}

#[test]
fn the_first_hello_does_not_wait_for_ever() {
    let mut fleet = fleet(&["a", "b"]);
    fleet.take(0, hello(100.0), at(10));
    assert!(fleet.tick(at(1_900)).is_empty());
    assert_eq!(words(&fleet.tick(at(2_000))), ["hello 1", "a connected"]);
}

#[test]
fn a_lost_host_has_no_values_until_it_is_back() {
    let mut fleet = fleet(&["a"]);
    fleet.take(0, hello(100.0), at(0));
    // Its clock is ten minutes behind.
    let behind = -600_000;
    fleet.take(0, sample(100, behind), at(103));
    let verdict = RECORDS
        .lines()
        .chain(include_str!("../../../../tests/fixtures/records/view.jsonl").lines());
    let mut verdict = verdict.filter(|line| line.starts_with("{\"type\":\"verdict\""));
    let verdict: Option<Record> = verdict
        .next()
        .map(|line| serde_json::from_str(line).expect("a record"));
    let has_verdict = verdict.is_some();
    if let Some(Record::Verdict(mut verdict)) = verdict {
        verdict.instance = "self".into();
        fleet.take(
            0,
            HostNews::Record(Box::new(Record::Verdict(verdict))),
            at(104),
        );
    }
    let records = fleet.take(0, HostNews::Lost("reset".into()), at(500));
    let mut expected = vec!["a lost", "a/self absent"];
    if has_verdict {
        expected.push("a/self unknown");
    }
    assert_eq!(words(&records), expected);
    let Some(Record::Sample(absent)) = records.get(1) else {
        panic!("a sample: {records:?}")
    };
    // By its clock, since its last sample.
    let there = at(497).realtime - SignedDuration::from_millis(600_000);
    assert_eq!(absent.time, Time(there));
    assert!(
        (absent.interval_s - 0.397).abs() < 1e-9,
        "{}",
        absent.interval_s
    );
    for record in &records {
        if let Record::Verdict(verdict) = record {
            assert_eq!(verdict.severity, Severity::Unknown);
            let said: Vec<String> = verdict.sentences.iter().map(Text::to_string).collect();
            assert_eq!(said.len(), 1);
            assert!(said[0].starts_with("Host a is lost since "), "{said:?}");
        }
    }
    // Once a second.
    assert!(fleet.tick(at(1_400)).is_empty());
    assert_eq!(words(&fleet.tick(at(1_500))), ["a/self absent"]);
    // More attempts that fail change nothing.
    assert!(
        fleet
            .take(0, HostNews::Lost("refused".into()), at(1_600))
            .is_empty()
    );
    let records = fleet.take(0, hello(100.0), at(1_700));
    assert_eq!(words(&records), ["a connected"]);
    assert!(fleet.tick(at(2_600)).is_empty());
    let notes = fleet.take_notes();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("a: connected to guest"), "{notes:?}");
    assert!(
        notes[0].ends_with("its clock is 600003 ms behind"),
        "{notes:?}"
    );
    assert_eq!(notes[1], "a: lost: reset; trying again");
}

#[test]
fn silence_is_a_loss_after_three_intervals() {
    for (interval, lost_after) in [(100.0, 3_000), (10_000.0, 30_000)] {
        let mut fleet = fleet(&["a"]);
        fleet.take(0, hello(interval), at(0));
        fleet.take(0, sample(100, 0), at(100));
        assert!(fleet.tick(at(100 + lost_after)).is_empty());
        let records = fleet.tick(at(101 + lost_after));
        assert_eq!(words(&records)[..2], ["a lost", "a/self absent"]);
        // The connection was never lost: what comes next is its return.
        let records = fleet.take(0, sample(lost_after + 200, 0), at(lost_after + 200));
        assert_eq!(words(&records), ["a connected", "a/self known"]);
    }
    // A run that does not listen blames nobody.
    let mut fleet = fleet(&["a"]);
    fleet.take(0, hello(100.0), at(0));
    fleet.take(0, sample(100, 0), at(100));
    fleet.resume(at(60_000));
    assert!(fleet.tick(at(60_001)).is_empty());
}

#[test]
fn a_summary_ends_a_host_and_all_are_one_at_the_end() {
    let mut fleet = fleet(&["a", "b"]);
    for host in 0..2 {
        fleet.take(host, hello(100.0), at(0));
    }
    for host in 0..2 {
        let summary = r#"{"type":"summary","duration_s":2.0,"events":{"early_drop":{"sent":1,"suppressed":0,"lost":18446744073709551615}},
            "instances":[{"name":"self","totals":{},"crosscheck":[],"missed":null,"lost_events":null,"buckets_lost_ms":0.0,"histograms":{}}]}"#;
        let summary = serde_json::from_str(summary).expect("a summary");
        let records = fleet.take(host, HostNews::Record(Box::new(summary)), at(10));
        assert!(
            words(&records).iter().any(|word| word.ends_with(" ended")),
            "{records:?}"
        );
    }
    assert!(fleet.is_over() && fleet.wait().is_none());
    // What has ended cannot be lost.
    assert!(
        fleet
            .take(0, HostNews::Lost("closed".into()), at(20))
            .is_empty()
    );
    let records = fleet.finish();
    let [Record::Summary(summary)] = &records[..] else {
        panic!("a summary: {records:?}")
    };
    let names: Vec<&str> = summary.instances.iter().map(|i| i.name.raw()).collect();
    assert_eq!(names, ["a/self", "b/self"]);
    let events = summary
        .events
        .as_ref()
        .and_then(|events| events.get("early_drop"));
    assert_eq!(
        events.map(|events| (events.sent, events.lost)),
        Some((2, u64::MAX))
    );
    // A server that is started again is back.
    let records = fleet.take(0, hello(100.0), at(30));
    assert!(
        words(&records).contains(&"a connected".to_owned()),
        "{records:?}"
    );
    assert!(!fleet.is_over());
}

#[test]
fn a_host_without_any_is_still_a_run() {
    let mut fleet = fleet(&["a"]);
    let records = fleet.take(0, HostNews::Refused("no such host".into()), at(5));
    assert_eq!(words(&records), ["hello 0", "a refused"]);
    assert_eq!(words(&fleet.finish()), ["summary 0"]);
    let state = fleet
        .states()
        .next()
        .map(|host| (host.state, host.reason.cloned()));
    assert_eq!(
        state,
        Some((HostState::Refused, Some("no such host".into())))
    );
}

#[test]
fn the_number_of_instances_is_bounded() {
    let mut fleet = fleet(&["a"]);
    let mut record = first("hello");
    if let Record::Hello(hello) = &mut record {
        let one = hello.instances[0].clone();
        hello.instances = (0..50_000)
            .map(|n| {
                let mut instance = one.clone();
                instance.name = n.to_string().into();
                instance
            })
            .collect();
        hello.instances[0].name = "x".repeat(5_000).into();
    }
    let records = fleet.take(0, HostNews::Record(Box::new(record)), at(5));
    assert_eq!(words(&records)[0], "hello 1024");
    assert!(fleet.take_notes()[0].contains("48976 of its 50000 instances are left out"));
    // Of the others nothing is passed on.
    let mut other = first("sample");
    if let Record::Sample(sample) = &mut other {
        sample.instance = "49999".into();
    }
    assert!(
        fleet
            .take(0, HostNews::Record(Box::new(other)), at(6))
            .is_empty()
    );
}

#[test]
fn hosts_that_call_themselves_the_same_are_told_apart() {
    let spec = HostSpec {
        name: None,
        source: "-".into(),
        waits: false,
        is_connection: false,
    };
    let mut fleet = Fleet::new(vec![spec.clone(), spec], at(0));
    fleet.take(0, hello(100.0), at(1));
    let records = fleet.take(1, hello(100.0), at(2));
    let Some(Record::Hello(hello)) = records.first() else {
        panic!("a hello: {records:?}")
    };
    let names: Vec<&str> = hello.instances.iter().map(|i| i.name.raw()).collect();
    assert_eq!(names, ["guest/self", "guest-2/self"]);
    assert_eq!(hello.hostname, "guest, guest");
}

proptest! {
    /// Whatever comes in whatever order: a hello is first, names are those of hosts, and time never goes back without them.
    #[test]
    fn any_news_in_any_order(news in proptest::collection::vec((0_usize..3, 0_u8..7, 0_u64..5_000), 1..60)) {
        let mut fleet = fleet(&["a", "b", "c"]);
        let mut now = 0;
        let mut records = Vec::new();
        for (host, kind, wait) in news {
            now += wait;
            let news = match kind {
                0 => hello(100.0),
                1 | 2 => sample(now, 0),
                3 => HostNews::Lost("x".into()),
                4 => HostNews::Ended,
                5 => HostNews::Refused("x".into()),
                _ => {
                    records.extend(fleet.tick(at(now)));
                    continue;
                }
            };
            records.extend(fleet.take(host, news, at(now)));
        }
        records.extend(fleet.finish());
        prop_assert!(matches!(records.first(), Some(Record::Hello(_))));
        prop_assert!(matches!(records.last(), Some(Record::Summary(_))));
        let mut listed = Vec::new();
        for record in &records {
            match record {
                Record::Hello(hello) => listed = hello.instances.iter().map(|i| i.name.clone()).collect(),
                Record::Sample(sample) => prop_assert!(listed.contains(&sample.instance)),
                _ => {}
            }
        }
    }
}
