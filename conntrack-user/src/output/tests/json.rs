//! Records as JSON: the fields of the contract, in their order.
//!
//! A changed snapshot changes what programs read: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use serde_json::Value;

use super::{
    formats::{DOCUMENTED, TestResult, as_json},
    records::{
        alert, bad_checks, burst, crosscheck, event, good_checks, hello, probes_mixed, probes_off,
        probes_on_but_one, summary,
    },
    samples::{PROBED, blind, busy, time},
};
use crate::{
    model::{
        alert::AlertStatus,
        kernel::{
            counters::{COUNT, COUNTERS, Counter},
            per_counter::PerCounter,
        },
        record::{Buckets, Record},
    },
    reading::buckets::BUCKET_MS,
};

#[test]
fn json_of_each_record() -> TestResult {
    let mut sample = busy();
    sample.buckets = Some(per_counter_of_buckets());
    for (name, record) in [
        ("json_hello", hello(probes_on_but_one())),
        ("json_hello_off", hello(probes_off())),
        ("json_hello_mixed", hello(probes_mixed())),
        ("json_sample", Record::Sample(Box::new(sample))),
        ("json_sample_blind", Record::Sample(Box::new(blind()))),
        ("json_crosscheck", crosscheck(400, bad_checks())),
        (
            "json_alert",
            alert(300, AlertStatus::Clear, AlertStatus::Warning, 92.3),
        ),
        ("json_event", event()),
        ("json_summary", summary(good_checks())),
    ] {
        let (line, _) = as_json(record)?;
        insta::assert_snapshot!(name, with_few_counters(&line));
    }
    Ok(())
}

/// The `counters` of a sample, as text, and what is before and after them.
fn around_counters(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once(r#""counters":{"#)?;
    let (counters, after) = rest.split_once('}')?;
    Some((before, counters, after))
}

/// The line with some of its counters only: a new counter changes no snapshot.
fn with_few_counters(line: &str) -> String {
    let Some((before, counters, after)) = around_counters(line) else {
        return line.to_owned();
    };
    let shown = ["new", "ignore", "drop", "table_full"].map(|name| format!("\"{name}\":"));
    let shown: Vec<&str> = counters
        .split(',')
        .filter(|counter| shown.iter().any(|name| counter.starts_with(name)))
        .collect();
    format!(r#"{before}"counters":{{{},…}}{after}"#, shown.join(","))
}

#[test]
fn every_counter_is_in_a_sample_by_its_name_and_in_its_order() -> TestResult {
    for sample in [busy(), blind()] {
        let expected: Vec<String> = COUNTERS
            .iter()
            .map(|spec| match sample.counters.get(spec.id) {
                Some(count) => format!("\"{}\":{count}", spec.name),
                None => format!("\"{}\":null", spec.name),
            })
            .collect();
        let (line, _) = as_json(Record::Sample(Box::new(sample)))?;
        let counters = around_counters(&line).map(|(_, counters, _)| counters);
        assert_eq!(counters, Some(&*expected.join(",")));
    }
    Ok(())
}

fn per_counter_of_buckets() -> PerCounter<Buckets> {
    PerCounter::from_fn(|spec| {
        PROBED.contains(&spec.id).then(|| Buckets {
            start: time(20),
            width_ms: BUCKET_MS,
            counts: if spec.id == Counter::New {
                vec![3, 0, 7]
            } else {
                Vec::new()
            },
        })
    })
}

/// The object has these fields of the contract; it may have more.
#[track_caller]
fn has_keys(object: &Value, keys: &[&str]) {
    let Some(object) = object.as_object() else {
        panic!("not an object: {object}")
    };
    for key in keys {
        assert!(object.contains_key(*key), "no {key} in {object:?}");
    }
}

#[test]
fn json_has_the_contracts_fields() -> TestResult {
    let (_, hello) = as_json(hello(probes_on_but_one()))?;
    has_keys(
        &hello,
        &[
            "type",
            "schema",
            "version",
            "kernel",
            "hostname",
            "interval_ms",
            "probes",
            "instances",
        ],
    );
    assert_eq!(
        (&hello["type"], &hello["schema"]),
        (&Value::from("hello"), &Value::from(1))
    );
    has_keys(&hello["probes"], &["mode", "group", "attached", "missing"]);
    has_keys(&hello["probes"]["missing"][0], &["function", "reason"]);
    has_keys(&hello["instances"][0], &["name", "netns"]);
    assert!(hello["interval_ms"].is_number() && hello["instances"][0]["netns"].is_u64());

    let mut sample = busy();
    sample.buckets = Some(per_counter_of_buckets());
    let (_, sample) = as_json(Record::Sample(Box::new(sample)))?;
    has_keys(
        &sample,
        &[
            "type",
            "time",
            "interval_s",
            "instance",
            "entries",
            "max",
            "utilization",
            "charts",
            "sources",
            "counters",
            "peaks",
            "buckets",
        ],
    );
    assert_eq!(sample["time"], "2026-01-02T03:04:05.778901Z");
    has_keys(
        &sample["counters"],
        &[
            "alloc",
            "free",
            "new",
            "inserted",
            "deleted",
            "delete_list",
            "insert_failed",
            "drop",
            "early_drop",
        ],
    );
    has_keys(&sample["peaks"]["new"], &["rate", "window_ms", "at"]);
    has_keys(&sample["buckets"]["new"], &["start", "width_ms", "counts"]);

    let (_, crosscheck) = as_json(crosscheck(0, good_checks()))?;
    has_keys(&crosscheck, &["type", "time", "instance", "checks"]);
    for check in crosscheck["checks"].as_array().ok_or("checks is no list")? {
        has_keys(
            check,
            &[
                "name",
                "probe",
                "kernel_low",
                "kernel_high",
                "residual",
                "verdict",
                "reason",
            ],
        );
    }
    assert_eq!(crosscheck["checks"][0]["name"], "entries_balance");

    let (_, alert) = as_json(alert(0, AlertStatus::Clear, AlertStatus::Warning, 92.3))?;
    has_keys(
        &alert,
        &[
            "type", "time", "instance", "name", "status", "value", "unit", "previous",
        ],
    );
    assert_eq!(alert["name"], "netfilter_conntrack_full");

    let (_, event) = as_json(event())?;
    has_keys(&event, &["type", "time", "instance", "kind", "tuple"]);
    let tuple = &event["tuple"];
    has_keys(tuple, &["family", "proto", "src", "sport", "dst", "dport"]);
    assert_eq!(
        (&tuple["proto"], &tuple["dport"]),
        (&Value::from("udp"), &Value::Null)
    );

    let (_, burst) = as_json(burst())?;
    has_keys(
        &burst,
        &[
            "type",
            "instance",
            "counter",
            "start",
            "end",
            "duration_ms",
            "count",
            "peak_rate",
            "window_ms",
        ],
    );

    let (_, summary) = as_json(summary(good_checks()))?;
    has_keys(&summary, &["type", "duration_s", "instances"]);
    let instance = &summary["instances"][0];
    has_keys(
        instance,
        &[
            "name",
            "totals",
            "crosscheck",
            "missed",
            "lost_events",
            "histograms",
        ],
    );
    has_keys(&instance["totals"]["new"], &["probe", "kernel"]);
    has_keys(
        &instance["histograms"]["new"],
        &["p50", "p90", "p99", "p999", "max"],
    );
    Ok(())
}

#[test]
fn json_has_the_documented_charts_in_their_order() -> TestResult {
    let (line, sample) = as_json(Record::Sample(Box::new(blind())))?;
    assert!(line.starts_with(r#"{"type":"sample","#));
    let mut rest = line.as_str();
    for part in ["charts", "sources"] {
        for (chart, dimensions) in DOCUMENTED {
            has_keys(&sample[part], &[chart]);
            assert_eq!(
                sample[part][chart].as_object().map(serde_json::Map::len),
                Some(dimensions.len())
            );
            rest = rest.split_once(&format!("{chart:?}:{{")).ok_or(chart)?.1;
            for dimension in dimensions {
                rest = rest
                    .split_once(&format!("{dimension:?}:"))
                    .ok_or(*dimension)?
                    .1;
            }
        }
        assert_eq!(
            sample[part].as_object().map(serde_json::Map::len),
            Some(DOCUMENTED.len())
        );
    }
    Ok(())
}

#[test]
fn json_has_null_for_unknown_values() -> TestResult {
    let (_, sample) = as_json(Record::Sample(Box::new(blind())))?;
    for key in ["entries", "max", "utilization"] {
        assert_eq!(sample[key], Value::Null, "{key}");
    }
    let counters = sample["counters"].as_object().ok_or("no counters")?;
    assert_eq!(counters.len(), COUNT);
    for spec in &COUNTERS {
        assert_eq!(counters.get(spec.name), Some(&Value::Null), "{}", spec.name);
    }
    for (chart, dimensions) in DOCUMENTED {
        for dimension in dimensions {
            assert_eq!(sample["charts"][chart][dimension], Value::Null);
            assert_eq!(sample["sources"][chart][dimension], "unavailable");
        }
    }
    Ok(())
}
