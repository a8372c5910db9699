//! The summary of a run.

use super::*;
use crate::model::record::Total;

#[test]
fn a_summary_has_the_counts_of_lost_probes() -> TestResult {
    let mut monitor = monitor(everything());
    for (ms, count) in [(0, 0), (100, 7)] {
        let mut probes = reading(totals(&[(ProbeCounter::Free, count)]));
        (probes.missed, probes.faults) = (Some(count), 1);
        monitor.observe(&snapshot(ms, Some(stat(MODERN, 0, &[])?), Some(probes)));
    }
    monitor.set_coverage(
        Coverage::none("nf_conntrack was unloaded"),
        &without_probes(),
    );
    monitor.observe(&snapshot(200, None, None));
    let summary = monitor.summary();
    let total = summary.totals.get(Counter::Free).copied();
    assert_eq!(
        total,
        Some(Total {
            probe: Some(7),
            kernel: None
        })
    );
    assert_eq!((summary.missed, summary.lost_events), (Some(7), Some(1)));

    // After reattaching, the kernel counts missed hits from 0.
    monitor.set_coverage(everything(), &without_probes());
    for ms in [300, 400] {
        let mut probes = reading(totals(&[]));
        (probes.missed, probes.faults) = (Some(2), 3);
        monitor.observe(&snapshot(ms, Some(stat(MODERN, 0, &[])?), Some(probes)));
    }
    let summary = monitor.summary();
    assert_eq!((summary.missed, summary.lost_events), (Some(9), Some(4)));
    Ok(())
}

#[test]
fn the_summary_has_totals_of_both_sides_and_percentiles() -> TestResult {
    let mut monitor = monitor(everything());
    let idle = stat(MODERN, 0, &[("expect_new", 1), ("search_restart", 5)])?;
    monitor.observe(&snapshot(0, Some(idle), Some(reading(totals(&[])))));
    let mut probes = reading(totals(&[
        (ProbeCounter::AllocCall, 60),
        (ProbeCounter::ExpectNew, 2),
    ]));
    probes.buckets = batch(
        1000..1100,
        ProbeCounter::AllocCall,
        &[(1000, 10), (1001, 50)],
    );
    let busy = stat(MODERN, 60, &[("expect_new", 3), ("search_restart", 9)])?;
    let observation = next(&mut monitor, &snapshot(100, Some(busy), Some(probes)))?;

    let summary = monitor.summary();
    let total = |counter| summary.totals.get(counter).map(|t| (t.probe, t.kernel));
    assert_eq!(total(Counter::Alloc), Some((Some(60), None)));
    assert_eq!(total(Counter::ExpectNew), Some((Some(2), Some(2))));
    assert_eq!(total(Counter::SearchRestart), Some((None, Some(4))));
    assert_eq!(total(Counter::Searched), None);
    let alloc = summary
        .histograms
        .get(Counter::Alloc)
        .ok_or("no histogram")?;
    assert_eq!((alloc.p50, alloc.p99), (0.0, 10.0 / BUCKET_SECONDS));
    assert_eq!(alloc.max, 50.0 / BUCKET_SECONDS);
    assert_eq!((summary.missed, summary.lost_events), (Some(0), Some(0)));
    assert_eq!(
        summary.crosscheck,
        observation.crosscheck.ok_or("no cross-check")?.checks
    );
    assert!(
        summary
            .crosscheck
            .iter()
            .all(|check| check.verdict <= Verdict::Exact)
    );
    assert_eq!(observation.sample.verdict, Some(Verdict::Exact));
    Ok(())
}
