//! Tests of lifetimes and times spent in functions in all formats.

use crate::{
    model::record::{InstanceSummary, Ordered, Record, Summary},
    output::{
        Sink,
        json::Json,
        text::{TextSink, View},
    },
    reading::{
        coverage::Coverage,
        duration_histogram::DurationHistogram,
        durations::{Durations, LifetimeCounts},
    },
};
use conntrack_ebpf::{ProbeCounter, loglinear::bucket};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// The summary of a run with both.
fn summary(counted: &Durations, coverage: &Coverage) -> Record {
    Record::Summary(Box::new(Summary {
        duration_s: 12.3,
        events: Some(Ordered(Vec::new())),
        instances_left_out: 0,
        instances: vec![InstanceSummary {
            name: "self".into(),
            totals: Default::default(),
            crosscheck: Vec::new(),
            missed: None,
            lost_events: None,
            buckets_lost_ms: 0.0,
            lifetimes: Some(counted.lifetimes(coverage)),
            latency: Some(counted.latency(coverage)),
            histograms: Default::default(),
            bursts: Default::default(),
        }],
    }))
}

fn histogram(values: &[(u64, u64)]) -> DurationHistogram {
    let mut histogram = DurationHistogram::default();
    for &(ns, times) in values {
        histogram.counts[bucket(ns) as usize] += times;
    }
    histogram
}

/// Mostly short durations, and a few long ones.
fn some() -> Durations {
    Durations {
        lifetimes: Some(LifetimeCounts {
            histogram: histogram(&[
                (1_000_000, 700),
                (30_000_000_000, 90),
                (432_000_000_000_000, 10),
            ]),
            unknown: 3,
        }),
        confirm: Some(histogram(&[(1_234, 900), (56_789, 90), (345_678_901, 1)])),
        early_drop: Some(DurationHistogram::default()),
    }
}

fn everything() -> Coverage {
    Coverage::except(Vec::new())
}

/// Durations of probes whose functions are missing.
fn refused() -> (Durations, Coverage) {
    let reason = |counter| (counter, "6.12.0 has no such function (inlined)".into());
    let coverage = Coverage::except(vec![
        reason(ProbeCounter::Deleted),
        reason(ProbeCounter::ConfirmFailed),
    ]);
    (some().covered(&coverage), coverage)
}

#[test]
fn text() -> TestResult {
    let mut out = Vec::new();
    let (refused, without) = refused();
    for (counted, coverage) in [(some(), everything()), (refused, without)] {
        TextSink::new(&mut out, None, View::default()).write(&summary(&counted, &coverage))?;
    }
    let text = String::from_utf8(out)?;
    let is_duration = |line: &&str| {
        ["lifetime", "confirm", "early_drop:"]
            .iter()
            .any(|what| line.contains(what))
    };
    let lines: Vec<&str> = text.lines().filter(is_duration).collect();
    insta::assert_snapshot!("text", lines.join("\n"));
    Ok(())
}

#[test]
fn json() -> TestResult {
    let mut out = Vec::new();
    let (refused, without) = refused();
    for (counted, coverage) in [(some(), everything()), (refused, without)] {
        let record = summary(&counted, &coverage);
        let start = out.len();
        Json::new(&mut out).write(&record)?;
        assert_eq!(serde_json::from_slice::<Record>(&out[start..])?, record);
    }
    insta::assert_snapshot!("json", String::from_utf8(out)?);
    Ok(())
}

/// Older recordings have neither.
#[test]
fn durations_that_were_not_requested_are_left_out() -> TestResult {
    let Record::Summary(mut record) = summary(&some(), &everything()) else {
        return Err("not a summary".into());
    };
    record.instances[0].lifetimes = None;
    record.instances[0].latency = None;
    let record = Record::Summary(record);
    let mut out = Vec::new();
    Json::new(&mut out).write(&record)?;
    let line = String::from_utf8(out)?;
    assert!(
        !line.contains("lifetimes") && !line.contains("latency"),
        "{line}"
    );
    assert_eq!(serde_json::from_str::<Record>(&line)?, record);
    Ok(())
}
