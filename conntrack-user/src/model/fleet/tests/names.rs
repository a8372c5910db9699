//! The names that hosts and their instances have.

use serde_json::{Value, json};

use super::*;
use crate::model::{fleet::naming::Naming, kernel::counters::Counter};

/// A record of each type that is about an instance.
fn about(instance: &str) -> Vec<Record> {
    let time = "2027-01-15T08:00:00Z";
    let none = json!({"count": 0, "share": 0.0, "error": 0.0});
    let marks = json!({"assured": none, "unreplied": none, "neither": none, "offload": none, "hw_offload": none,
        "helper": none, "expected": none, "snat": none, "dnat": none, "dying": null});
    let values = [
        json!({"type": "crosscheck", "checks": [], "missed": null}),
        json!({"type": "event", "kind": "clash", "tuple": null}),
        json!({"type": "alert", "name": "x", "status": "WARNING", "value": 1.0, "unit": "%", "previous": "CLEAR"}),
        burst(instance),
        json!({"type": "top", "window_s": 0.0, "tables": []}),
        json!({"type": "contents", "entries": null, "listed": 0, "sampled": false, "error": 0.0, "cpu_ms": 0.0, "groups": [],
            "marks": marks, "evictable": {"early_drop": none, "nearly_full": none, "found_percent": null}, "directions": null}),
        json!({"type": "limits", "entries": null, "max": null, "expectations": null, "hash": null, "memory": null,
            "timeouts": [], "policies": null}),
        json!({"type": "advice", "topic": "demand", "finding": "", "evidence": [], "confidence": "low"}),
    ];
    let mut records = vec![first("sample")];
    records.extend(values.into_iter().map(|mut value| {
        value["time"] = time.into();
        value["instance"] = instance.into();
        serde_json::from_value(value).expect("a record")
    }));
    records
}

fn burst(instance: &str) -> Value {
    let time = "2027-01-15T08:00:00Z";
    json!({"type": "burst", "instance": instance, "counter": "new", "start": time, "end": time, "duration_ms": 1.0,
        "count": 5, "peak_rate": 5.0, "window_ms": 1.0})
}

/// The instance in its JSON.
fn instance(record: &Record) -> Value {
    serde_json::to_value(record).expect("JSON")["instance"].clone()
}

#[test]
fn every_record_has_the_name_of_its_host() {
    let mut fleet = fleet(&["web"]);
    fleet.take(0, hello(100.0), at(0));
    for record in about("self") {
        let records = fleet.take(0, HostNews::Record(Box::new(record)), at(10));
        let named: Vec<Value> = records
            .iter()
            .filter(|record| !matches!(record, Record::Host(_)))
            .map(instance)
            .collect();
        assert_eq!(named, [json!("web/self")], "{records:?}");
    }
}

#[test]
fn what_no_hello_has_is_left_out_except_events_of_other_namespaces() {
    let mut fleet = fleet(&["web"]);
    fleet.take(0, hello(100.0), at(0));
    for record in about("another") {
        let (is_event, is_sample) = (
            matches!(record, Record::Event(_)),
            matches!(record, Record::Sample(_)),
        );
        let records = fleet.take(0, HostNews::Record(Box::new(record)), at(10));
        let named: Vec<Value> = records.iter().map(instance).collect();
        match is_event {
            true => assert_eq!(named, [json!("web/another")]),
            // The sample is that of the fixture, which is listed.
            false => assert_eq!(named.is_empty(), !is_sample, "{records:?}"),
        }
    }
    let left_out = fleet.take_notes();
    let told = left_out
        .iter()
        .filter(|note| note.ends_with("no hello names are left out"));
    assert_eq!(told.count(), 1, "{left_out:?}");
}

#[test]
fn bursts_of_a_summary_are_of_the_same_instance() {
    let mut fleet = fleet(&["web"]);
    fleet.take(0, hello(100.0), at(0));
    let summary = json!({"type": "summary", "duration_s": 2.0, "events": null, "instances": [{"name": "self", "totals": {},
        "crosscheck": [], "missed": null, "lost_events": null, "buckets_lost_ms": 0.0, "histograms": {},
        "bursts": {"new": {"number": 1, "count": 5, "largest": burst("self")}}}]});
    let summary = serde_json::from_value(summary).expect("a summary");
    fleet.take(0, HostNews::Record(Box::new(summary)), at(10));
    let records = fleet.finish();
    let Some(Record::Summary(summary)) = records.last() else {
        panic!("a summary: {records:?}")
    };
    let [of] = &summary.instances[..] else {
        panic!("one instance: {summary:?}")
    };
    let largest = of
        .bursts
        .get(Counter::New)
        .map(|bursts| bursts.largest.instance.raw());
    assert_eq!((of.name.raw(), largest), ("web/self", Some("web/self")));
}

#[test]
fn hosts_of_a_recording_of_several_are_below_the_name_of_it() {
    let Record::Hello(mut inner) = first("hello") else {
        panic!("a hello")
    };
    inner.instances[0].name = "web/self".into();
    inner.instances[0].host = Some("web".into());
    let status = json!({"type": "host", "time": "2027-01-15T08:00:00Z", "name": "web", "source": "http://web", "state": "lost",
        "since": "2027-01-15T08:00:00Z", "reason": "reset", "clock_ahead_ms": null, "hello": inner});
    let mut fleet = fleet(&["site"]);
    let records = fleet.take(0, HostNews::Record(Box::new(Record::Hello(inner))), at(0));
    let Some(Record::Hello(outer)) = records.first() else {
        panic!("a hello: {records:?}")
    };
    let names = |instance: &crate::model::record::Instance| {
        let host = instance.host.as_ref().map(|host| host.raw().to_owned());
        (instance.name.raw().to_owned(), host)
    };
    let expected = ("site/web/self".to_owned(), Some("site/web".to_owned()));
    assert_eq!(names(&outer.instances[0]), expected);
    let status = serde_json::from_value(status).expect("a record");
    let records = fleet.take(0, HostNews::Record(Box::new(status)), at(10));
    let [Record::Host(host)] = &records[..] else {
        panic!("a host: {records:?}")
    };
    assert_eq!((host.name.raw(), host.state), ("site/web", HostState::Lost));
    let inner = host.hello.as_ref().expect("a hello");
    assert_eq!(names(&inner.instances[0]), expected);
}

#[test]
fn a_name_is_short_has_no_slash_and_is_free() {
    let Record::Hello(mut hello) = first("hello") else {
        panic!("a hello")
    };
    let mut named = |own: &str, taken: &[&str]| {
        hello.hostname = own.to_owned().into();
        let taken: Vec<Text> = taken.iter().map(|name| (*name).to_owned().into()).collect();
        let taken: Vec<&Text> = taken.iter().collect();
        Naming::of(&hello, &taken).name().raw().to_owned()
    };
    assert_eq!(named("", &[]), "unknown");
    assert_eq!(named("", &["unknown"]), "unknown-2");
    assert_eq!(named("a/b/c", &[]), "a_b_c");
    assert_eq!(named("web", &["web", "web-2", "web-4"]), "web-3");
    assert_eq!(named("web", &["webs", "WEB"]), "web");
    assert_eq!(named(&"ü".repeat(65), &[]), "ü".repeat(64));
}
