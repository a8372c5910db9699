//! Tests of bursts in all formats: a line each, and a table in the summary.

use std::io;

use crate::{
    model::{
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{
            Burst, BurstTotals, Hello, Instance, InstanceSummary, Ordered, Record, SCHEMA, Summary,
            Time,
        },
    },
    output::{
        Sink,
        csv::Csv,
        json::Json,
        text::{TextSink, View},
    },
    reading::{buckets::BUCKET_MS, probes::Probes},
};
use jiff::Timestamp;

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// 2026-01-02 03:04:05.678901 plus milliseconds.
fn time(ms: u64) -> Time {
    Time(Timestamp::constant(1_767_323_045, 678_901_000) + std::time::Duration::from_millis(ms))
}

fn burst(counter: &'static str, ms: u64, buckets: u64, count: u64, peak_rate: f64) -> Burst {
    let duration_ms = buckets as f64 * BUCKET_MS;
    Burst {
        instance: "self".into(),
        counter: counter.into(),
        start: time(ms),
        end: time(ms + duration_ms as u64),
        duration_ms,
        count,
        peak_rate,
        window_ms: BUCKET_MS,
        usual_rate: 320.5,
    }
}

fn hello(names: &[&str]) -> Record {
    Record::Hello(Box::new(Hello {
        schema: SCHEMA,
        version: "0.1.0".into(),
        kernel: "6.12.117+deb12-amd64".into(),
        hostname: "gateway".into(),
        interval_ms: 100.0,
        probes: Probes {
            mode: "kprobe".into(),
            group: "flow".into(),
            reason: None,
            attached: vec!["__nf_conntrack_alloc".into()],
            by_kprobe: Vec::new(),
            missing: Vec::new(),
            functions: Vec::new(),
        },
        instances: names
            .iter()
            .map(|name| Instance {
                name: (*name).to_owned().into(),
                netns: Some(4_026_531_840),
                host: None,
                workload: None,
            })
            .collect(),
        unavailable: PerCounter::default(),
    }))
}

fn bursts() -> Vec<Burst> {
    vec![
        burst("new", 0, 40, 500, 49_600.0),
        // Extends into the next second, with as many events as the first.
        burst("new", 300, 40, 500, 51_000.0),
        burst("alloc", 300, 40, 501, 51_000.0),
        burst("delete_list", 900, 950, 1_234_567, 2_345_678.0),
    ]
}

fn summary() -> Record {
    let mut totals: PerCounter<BurstTotals> = PerCounter::default();
    for burst in bursts() {
        let counter = match burst.counter.raw() {
            "new" => Counter::New,
            "alloc" => Counter::Alloc,
            _ => Counter::DeleteList,
        };
        totals
            .get_or_insert_with(counter, || BurstTotals::none(&burst))
            .add(&burst);
    }
    Record::Summary(Box::new(Summary {
        duration_s: 12.345,
        events: Some(Ordered(Vec::new())),
        instances_left_out: 0,
        instances: vec![InstanceSummary {
            name: "self".into(),
            totals: PerCounter::default(),
            crosscheck: Vec::new(),
            missed: None,
            lost_events: None,
            buckets_lost_ms: 0.0,
            lifetimes: None,
            latency: None,
            histograms: PerCounter::default(),
            bursts: totals,
        }],
    }))
}

fn written<'a, S: Sink + 'a>(
    sink: impl FnOnce(&'a mut Vec<u8>) -> S,
    out: &'a mut Vec<u8>,
    records: &[Record],
) -> io::Result<()> {
    let mut sink = sink(out);
    records.iter().try_for_each(|record| sink.write(record))?;
    sink.flush()
}

fn as_text(instances: &[&str]) -> Result<String, Box<dyn std::error::Error>> {
    let mut records = vec![hello(instances)];
    records.extend(bursts().into_iter().map(Record::Burst));
    records.push(summary());
    let mut out = Vec::new();
    written(
        |out| TextSink::new(out, None, View::default()),
        &mut out,
        &records,
    )?;
    Ok(String::from_utf8(out)?)
}

#[test]
fn bursts_in_text() -> TestResult {
    let text = as_text(&["self"])?;
    let said: Vec<&str> = text
        .lines()
        .skip_while(|line| !line.starts_with("burst"))
        .collect();
    // Except for the longest name, and a burst that ends in another second.
    let wide = said.iter().filter(|line| line.chars().count() > 80);
    assert_eq!(wide.count(), 1, "{text}");
    insta::assert_snapshot!(said.join("\n"));
    Ok(())
}

#[test]
fn bursts_of_several_instances_name_them() -> TestResult {
    let text = as_text(&["self", "web"])?;
    assert!(text.contains("\nburst self new: 500 in 41.9 ms"), "{text}");
    Ok(())
}

#[test]
fn burst_json_round_trips() -> TestResult {
    let records: Vec<Record> = bursts()
        .into_iter()
        .map(Record::Burst)
        .chain([summary()])
        .collect();
    let mut out = Vec::new();
    written(Json::new, &mut out, &records)?;
    let text = String::from_utf8(out)?;
    let read: Vec<Record> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    assert_eq!(read, records);
    insta::assert_snapshot!(text);
    Ok(())
}

#[test]
fn bursts_have_no_place_in_csv() -> TestResult {
    let mut out = Vec::new();
    let records: Vec<Record> = bursts().into_iter().map(Record::Burst).collect();
    written(Csv::new, &mut out, &records)?;
    assert_eq!(String::from_utf8(out)?.lines().count(), 1, "the header");
    Ok(())
}
