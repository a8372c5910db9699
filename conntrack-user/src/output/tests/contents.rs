//! What a table is made of and limited by, as text, in the live view and in the report, with records made by hand.

use serde_json::{Value, json};

use super::report::page_with;
use crate::{
    model::record::{Record, TableContents, TableLimits},
    output::{
        Sink,
        contents::{other_lines, short_lines, table_lines},
        text::{TextSink, View},
    },
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn estimate(count: u64, share: f64, error: f64) -> Value {
    json!({"count": count, "share": share, "error": error})
}

fn group(proto: &str, state: &str, held: &Value, more: &Value) -> Value {
    let mut group = json!({
        "proto": proto, "state": state, "assured": 0, "unreplied": 0,
        "timeout_s": null, "remaining": null, "age": null,
    });
    for part in [held, more] {
        let fields = part.as_object().into_iter().flatten();
        for (name, value) in fields {
            group[name] = value.clone();
        }
    }
    group
}

/// Of a million entries; `error` of a sample.
fn contents(sampled: bool, closing: bool) -> TableContents {
    let error = if sampled { 0.38 } else { 0.0 };
    let of = |count, share| estimate(count, share, error);
    let none = of(0, 0.0);
    let left = json!({"p50_s": 59, "p90_s": 108, "p99_s": 119, "max_s": 119, "classes": [[0, 40], [64, 60]]});
    let record = json!({
        "time": "2026-11-25T14:52:10Z", "instance": "self", "closing": closing,
        "entries": 1_000_000, "listed": if sampled { 131_072 } else { 1_000_000 },
        "sampled": sampled, "error": error, "cpu_ms": 412.0,
        "groups": [
            group("tcp", "TIME_WAIT", &of(610_000, 61.0), &json!({"assured": 610_000, "timeout_s": 120, "remaining": left})),
            group("tcp", "ESTABLISHED", &of(290_000, 29.0), &json!({"assured": 280_000, "timeout_s": 432_000,
                "age": {"p50_s": 3_600, "p90_s": 86_400, "p99_s": 200_000, "max_s": 432_000, "classes": []}})),
            group("udp", "UNREPLIED", &of(100_000, 10.0), &json!({"unreplied": 100_000, "timeout_s": 30})),
        ],
        "marks": {"assured": of(890_000, 89.0), "unreplied": of(100_000, 10.0), "neither": of(10_000, 1.0),
            "offload": none, "hw_offload": none, "helper": of(1_000, 0.1), "expected": none,
            "snat": of(400_000, 40.0), "dnat": of(30_000, 3.0), "dying": 12},
        "helpers": [{"name": "ftp", "count": 1_000, "share": 0.1, "error": error}],
        "evictable": {"early_drop": of(110_000, 11.0), "nearly_full": of(720_000, 72.0), "found_percent": 99.88},
        "directions": {"inbound": of(600_000, 60.0), "outbound": of(390_000, 39.0), "forwarded": none, "local": of(10_000, 1.0)},
    });
    serde_json::from_value(record).expect("a record of this version")
}

fn limits(closing: bool) -> TableLimits {
    let load = |mean: f64, longest: u64| json!({"mean": mean, "p99": 14, "longest": longest, "too_long": 0.0});
    let record = json!({
        "time": "2026-11-25T14:52:10Z", "instance": "self", "closing": closing,
        "entries": 1_000_000, "max": 1_048_576,
        "expectations": {"held": 12, "max": 1_024, "utilization": 1.17},
        "hash": {"buckets": 262_144, "now": load(7.63, 26), "full": load(8.0, 27), "limit": 50},
        "memory": {"entry_bytes": 256.0, "source": "slabinfo", "extension_bytes": 128, "slab_bytes": 256_000_000_u64,
            "entries_bytes": 384_000_000_u64, "buckets_bytes": 2_097_152, "full_bytes": 404_750_336_u64},
        "timeouts": [{"name": "tcp_timeout_established", "seconds": 432_000}, {"name": "udp_timeout", "seconds": 30}],
        "policies": [{"name": "short", "proto": "tcp", "uses": 1, "timeouts": [{"name": "established", "seconds": 3_600}]}],
    });
    serde_json::from_value(record).expect("a record of this version")
}

#[test]
fn as_text() -> TestResult {
    let mut out = Vec::new();
    let mut text = TextSink::new(&mut out, None, View::default());
    for record in [
        Record::Contents(Box::new(contents(true, false))),
        Record::Limits(Box::new(limits(false))),
        Record::Contents(Box::new(contents(true, true))),
        Record::Limits(Box::new(limits(true))),
    ] {
        text.write(&record)?;
    }
    drop(text);
    insta::assert_snapshot!("contents_as_text", String::from_utf8(out)?);
    Ok(())
}

#[test]
fn exact_counts_are_not_marked_as_estimates() {
    let whole = contents(false, false);
    let lines = |contents| [table_lines(contents), other_lines(contents)].concat();
    assert!(lines(&whole).iter().all(|line| !line.contains('~')));
    assert!(short_lines(&whole, false)[0].ends_with("destination translated 3.0%"));
    assert!(
        lines(&contents(true, false))
            .iter()
            .any(|line| line.contains("~61%"))
    );
}

#[test]
fn in_a_report() {
    let page = page_with(&[
        Record::Contents(Box::new(contents(true, true))),
        Record::Limits(Box::new(limits(true))),
    ]);
    for text in [
        "What the table is made of",
        "TIME_WAIT",
        "a random sample of 131k: each share is within 0.38 percentage points",
        "Limits of the table",
        "chains of 7.63 on average",
        "386.0 MiB",
    ] {
        assert!(page.contains(text), "{text}");
    }
}
