use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::json;

use super::{
    broadcast::{Broadcast, Next, StreamForm, StreamReader},
    shared::Health,
    *,
};
use crate::clock::Instant;

/// A clock that a test sets, in seconds.
#[derive(Clone, Default)]
struct TestClock(Arc<AtomicU64>);

impl Clock for TestClock {
    fn now(&self) -> Instant {
        Instant {
            monotonic: Duration::from_secs(self.0.load(Ordering::Relaxed)),
            realtime: Timestamp::UNIX_EPOCH,
        }
    }

    fn thread_cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    fn process_cpu_time(&self) -> Duration {
        Duration::ZERO
    }
}

fn hello(hostname: &str) -> Record {
    serde_json::from_value(json!({
        "type": "hello", "schema": 1, "version": "0", "kernel": "6.12", "hostname": hostname, "interval_ms": 1000.0,
        "probes": {"mode": "off", "group": "off", "attached": [], "missing": []},
        "instances": [{"name": "a", "netns": null}], "unavailable": {},
    }))
    .unwrap()
}

/// A sample with some bytes of buckets.
fn sample(entries: u64) -> Record {
    serde_json::from_value(json!({
        "type": "sample", "time": "2026-11-27T12:00:00Z", "interval_s": 1.0, "instance": "a",
        "entries": entries, "max": 100, "utilization": 10.0, "charts": {}, "sources": {}, "counters": {}, "peaks": {},
        "alerts": {}, "verdict": null,
        "buckets": {"new": {"start": "2026-11-27T12:00:00Z", "width_ms": 1.0, "counts": vec![1; 1000]}},
    }))
    .unwrap()
}

fn lines(reader: &mut StreamReader<'_>) -> Option<String> {
    match reader.next() {
        Next::Lines(lines) => Some(String::from_utf8(lines.to_vec()).unwrap()),
        _ => None,
    }
}

#[test]
fn it_is_stuck_when_the_run_does_not_tick() {
    let clock = TestClock::default();
    let settings = ServerSettings {
        listen: ([127, 0, 0, 1], 0).into(),
        longest_tick: Duration::from_secs(20),
        tls: None,
        token_file: None,
    };
    let credentials = Credentials::default();
    let shared = Shared::new(
        settings,
        credentials,
        Arc::new(clock.clone()),
        Diagnostics::new(),
    );
    let is_alive = |at| {
        clock.0.store(at, Ordering::Relaxed);
        matches!(shared.health(), Health::Alive)
    };
    // Before the start of the run, nothing is late.
    assert!(is_alive(1000));
    shared.publish(&[hello("h"), sample(1)], Besides::default());
    assert!(is_alive(1020));
    assert!(!is_alive(1021));
    shared.publish(&[], Besides::default());
    assert!(is_alive(1040));
    assert_eq!(shared.awaited(), Some(Vec::new()));
}

#[test]
fn a_reader_gets_hello_and_everything_from_then_on() {
    let stream = Broadcast::default();
    stream.add(&[hello("first"), sample(1)]).unwrap();
    stream.add(&[sample(2)]).unwrap();
    let mut plain = stream.reader(StreamForm::Plain).unwrap();
    let mut full = stream.reader(StreamForm::WithBuckets).unwrap();
    stream.add(&[hello("second"), sample(3)]).unwrap();
    stream.add(&[sample(4)]).unwrap();
    for reader in [&mut plain, &mut full] {
        assert!(lines(reader).unwrap().contains("first"));
        let tick = lines(reader).unwrap();
        assert!(
            tick.contains("second") && tick.contains("\"entries\":3") && tick.lines().count() == 2
        );
        assert!(!lines(reader).unwrap().contains("hello"));
        assert!(matches!(reader.next(), Next::Nothing));
    }
    stream.add(&[sample(5)]).unwrap();
    assert!(!lines(&mut plain).unwrap().contains("buckets"));
    assert!(lines(&mut full).unwrap().contains("buckets"));
    stream.close();
    assert!(matches!(plain.next(), Next::Over));
    // Who comes late has the hello of then.
    let mut late = stream.reader(StreamForm::Plain).unwrap();
    assert!(lines(&mut late).unwrap().contains("second"));
    assert!(matches!(late.next(), Next::Over));
}

#[test]
fn who_is_too_far_behind_is_lost_and_what_it_lacks_is_known() {
    let stream = Broadcast::default();
    let mut slow = stream.reader(StreamForm::WithBuckets).unwrap();
    let mut quick = stream.reader(StreamForm::WithBuckets).unwrap();
    let mut all = 0;
    while all <= limits::STREAM_BYTES + 10_000 {
        stream.add(&[sample(1)]).unwrap();
        all += lines(&mut quick).unwrap().len();
    }
    assert!(matches!(quick.next(), Next::Nothing));
    assert!(matches!(slow.next(), Next::Lost));
    assert_eq!(slow.dropped(7), all as u64 + 7);
    assert_eq!(stream.count(), (2, 1, all as u64 + 7));
    drop((slow, quick));
    assert_eq!(stream.count().0, 0);
}

#[test]
fn events_start_with_the_last_of_what_is_only_said_when_it_changes() {
    let verdict = |instance: &str, sentence: &str| -> Record {
        serde_json::from_value(json!({
            "type": "verdict", "time": "2026-11-27T12:00:00Z", "instance": instance, "severity": "ok", "sentences": [sentence],
            "facts": {"since": "2026-11-27T12:00:00Z", "entries": null, "max": null, "utilization": null, "highest": null,
                "full_since": null, "entries_per_s": null, "time_to_full_s": null, "busiest": null, "bursts": null, "who": {},
                "losses": {"refused": null, "evicted": null, "failed": null, "dropped": null},
                "proof": {"probes": "off", "reason": null, "checks": 0, "agree": 0, "disagree": []}},
        }))
        .unwrap()
    };
    let stream = Broadcast::default();
    let gone = verdict("gone", "of one that is gone");
    stream
        .add(&[hello("h"), gone, verdict("a", "first")])
        .unwrap();
    stream
        .add(&[hello("h"), verdict("a", "second"), sample(1)])
        .unwrap();
    let mut reader = stream.reader(StreamForm::Events).unwrap();
    let first = lines(&mut reader).unwrap();
    let events: Vec<&str> = first.split_terminator("\n\n").collect();
    assert!(events[0].starts_with("retry: "), "{first}");
    assert!(
        events[1].starts_with("data: {\"type\":\"hello\""),
        "{first}"
    );
    assert!(events[2].contains("second") && events.len() == 3, "{first}");
    stream.add(&[sample(2)]).unwrap();
    let sample = lines(&mut reader).unwrap();
    assert!(sample.starts_with("data: {") && sample.ends_with("}\n\n"));
    assert!(sample.contains("\"buckets\""), "{sample}");
    let last = String::from_utf8(StreamForm::Events.dropped(7).to_vec()).unwrap();
    assert_eq!(last, "data: {\"type\":\"dropped\",\"lost_bytes\":7}\n\n");
}

#[test]
fn readers_are_limited() {
    let stream = Broadcast::default();
    let readers: Vec<_> = (0..limits::STREAM_CLIENTS)
        .map(|_| stream.reader(StreamForm::Plain).unwrap())
        .collect();
    assert!(stream.reader(StreamForm::WithBuckets).is_none());
    drop(readers);
    assert!(stream.reader(StreamForm::WithBuckets).is_some());
}
