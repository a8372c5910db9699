//! Lifetimes as people and programs get to read them.

use conntrack_ebpf::loglinear::bucket;
use conntrack_user::{
    model::{
        lifetimes::LifetimeCounts,
        record::{InstanceSummary, Ordered, Record, Summary},
    },
    output::{
        Sink,
        json::Json,
        text::{Text, View},
    },
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn summary(counts: &LifetimeCounts) -> Record {
    Record::Summary(Box::new(Summary {
        duration_s: 12.3,
        events: Ordered(Vec::new()),
        instances: vec![InstanceSummary {
            name: "self".to_owned(),
            totals: Default::default(),
            crosscheck: Vec::new(),
            missed: None,
            lost_events: None,
            buckets_lost_ms: 0.0,
            lifetimes: Some(counts.lifetimes()),
            histograms: Default::default(),
            bursts: Default::default(),
        }],
    }))
}

/// Mostly short ones, a few long ones.
fn some() -> LifetimeCounts {
    let mut counts = LifetimeCounts::default();
    for (ms, count) in [(1, 700), (30_000, 90), (432_000_000, 10)] {
        counts.buckets[bucket(ms * 1_000_000) as usize] += count;
    }
    counts.unknown = 3;
    counts
}

#[test]
fn text() -> TestResult {
    let mut out = Vec::new();
    for counts in [some(), LifetimeCounts::default()] {
        Text::new(&mut out, None, View::default()).write(&summary(&counts))?;
    }
    let text = String::from_utf8(out)?;
    let lines: Vec<&str> = text.lines().filter(|l| l.contains("lifetimes")).collect();
    insta::assert_snapshot!("text", lines.join("\n"));
    Ok(())
}

#[test]
fn json() -> TestResult {
    let mut out = Vec::new();
    let record = summary(&some());
    Json::new(&mut out).write(&record)?;
    let line = String::from_utf8(out)?;
    insta::assert_snapshot!("json", line);
    assert_eq!(serde_json::from_str::<Record>(&line)?, record);
    Ok(())
}
