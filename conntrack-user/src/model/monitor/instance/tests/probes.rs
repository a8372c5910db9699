//! What probes count, also after they were lost.

use super::*;
use crate::model::record::Total;

#[test]
fn new_flows_exclude_expected_ones() -> TestResult {
    let counts = |alloc, packet, expected| {
        reading(totals(&[
            (ProbeCounter::AllocCall, alloc),
            (ProbeCounter::AllocCallPacket, packet),
            (ProbeCounter::ExpectNew, expected),
        ]))
    };
    let mut monitor = monitor(everything());
    let idle = || stat(MODERN, 0, &[]);
    monitor.observe(&snapshot(0, Some(idle()?), Some(counts(100, 90, 3))));
    let later = snapshot(500, Some(idle()?), Some(counts(130, 115, 8)));
    let sample = next(&mut monitor, &later)?.sample;
    assert_eq!(sample.counters.get(Counter::Alloc), Some(&30));
    assert_eq!(sample.counters.get(Counter::New), Some(&20));
    assert_eq!(rate(&sample, "new", "new"), Some(40.0));
    assert_eq!(source(&sample, "new", "new"), SourceKind::Probe);
    // The kernel counts these itself, and its own column is preferred.
    assert_eq!(source(&sample, "expect", "new"), SourceKind::Proc);
    assert_eq!(sample.counters.get(Counter::ExpectNew), Some(&0));
    Ok(())
}

/// The expectation is found after the allocation, and a reading may be taken between the two.
#[test]
fn a_counter_never_falls() -> TestResult {
    let mut monitor = monitor(everything());
    let mut new = Vec::new();
    for (ms, packet, expected) in [(0, 0, 0), (100, 4, 0), (200, 4, 1), (300, 6, 1)] {
        let counts = totals(&[
            (ProbeCounter::AllocCallPacket, packet),
            (ProbeCounter::ExpectNew, expected),
        ]);
        let snapshot = snapshot(ms, Some(stat(MODERN, 0, &[])?), Some(reading(counts)));
        let sample = monitor
            .observe(&snapshot)
            .map(|observation| observation.sample);
        new.extend(sample.map(|s| {
            (
                s.counters.get(Counter::New).copied(),
                rate(&s, "new", "new"),
            )
        }));
    }
    assert_eq!(
        new,
        [
            (Some(4), Some(40.0)),
            (Some(4), Some(0.0)),
            (Some(5), Some(10.0))
        ]
    );
    Ok(())
}

#[test]
fn probe_totals_continue_after_reattaching() -> TestResult {
    let deleted = |count| Some(reading(totals(&[(ProbeCounter::Destroyed, count)])));
    let idle = || stat(MODERN, 0, &[]).map(Some);
    let mut monitor = monitor(everything());
    monitor.observe(&snapshot(0, idle()?, deleted(40)));
    let sample = next(&mut monitor, &snapshot(100, idle()?, deleted(50)))?.sample;
    assert_eq!(sample.counters.get(Counter::Deleted), Some(&10));

    monitor.set_coverage(
        Coverage::none("nf_conntrack was unloaded"),
        &without_probes(),
    );
    let sample = next(&mut monitor, &snapshot(200, None, None))?.sample;
    assert_eq!(sample.counters.get(Counter::Deleted), None);
    assert_eq!(
        source(&sample, "changes", "deleted"),
        SourceKind::Unavailable
    );

    // New maps count from 0; what they hold at their first reading is not new.
    monitor.set_coverage(everything(), &snapshot(210, idle()?, deleted(2)));
    let sample = next(&mut monitor, &snapshot(300, idle()?, deleted(3)))?.sample;
    assert_eq!(sample.counters.get(Counter::Deleted), Some(&11));
    assert_eq!(rate(&sample, "changes", "deleted"), None);
    let sample = next(&mut monitor, &snapshot(400, idle()?, deleted(5)))?.sample;
    assert_eq!(sample.counters.get(Counter::Deleted), Some(&13));
    assert_eq!(rate(&sample, "changes", "deleted"), Some(20.0));
    let total = monitor.summary().totals.get(Counter::Deleted).copied();
    assert_eq!(
        total,
        Some(Total {
            probe: Some(13),
            kernel: None
        })
    );
    Ok(())
}

#[test]
fn the_first_reading_of_the_probes_is_their_baseline() -> TestResult {
    let counts = |count| Some(reading(totals(&[(ProbeCounter::ExpectNew, count)])));
    let kernel = |count| stat(MODERN, 0, &[("expect_new", count)]).map(Some);
    let mut monitor = monitor(everything());
    monitor.set_coverage(everything(), &snapshot(0, kernel(70)?, counts(5)));
    // What is counted between attaching and the first sample is compared like everything else.
    monitor.observe(&snapshot(1, kernel(72)?, counts(7)));
    let observation = next(&mut monitor, &snapshot(100, kernel(73)?, counts(8)))?;
    assert_eq!(
        observation.sample.counters.get(Counter::ExpectNew),
        Some(&3)
    );
    assert_eq!(observation.sample.verdict, Some(Verdict::Exact));
    let total = monitor.summary().totals.get(Counter::ExpectNew).copied();
    assert_eq!(
        total,
        Some(Total {
            probe: Some(3),
            kernel: Some(3)
        })
    );
    Ok(())
}
