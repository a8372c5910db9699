//! Observations from snapshots, on a clock that the tests set.

use std::{collections::BTreeMap, time::Duration};

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};
use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    model::{
        alert::{AlertEvaluation, AlertStatus, ConntrackFull},
        kernel::counters::Counter,
        monitor::instance::*,
        record::{SourceKind, Total},
    },
    reading::{
        buckets::{BucketBatch, Epoch, epoch_of},
        kernel::KernelReading,
        probes::{ProbeReading, ProbeTotals},
        proc_stat::{ENTRIES, ParseError, ProcStat, kernel_text},
    },
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A table of this size makes percentages easy to read.
const MAX: u64 = 1000;

/// `ms` milliseconds after the start of the test, which is 1000 s after boot.
pub(in crate::model::monitor) fn at(ms: u64) -> Instant {
    let realtime = Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Instant {
        monotonic: Duration::from_secs(1000) + Duration::from_millis(ms),
        realtime: realtime + Duration::from_millis(ms),
    }
}

/// The columns of a 4.x kernel, which are all live.
const OLD: &[&str] = &[
    "searched",
    "found",
    "new",
    "delete",
    "delete_list",
    "insert",
    "drop",
];

/// The columns of kernels since 5.15, which no longer count `new` and `delete`.
const MODERN: &[&str] = &[
    "clashres",
    "found",
    "new",
    "delete",
    "chainlength",
    "insert",
    "drop",
    "expect_new",
    "search_restart",
];

/// One CPU's row of statistics, with `cells` set and the other columns 0.
fn stat(columns: &[&str], entries: u32, cells: &[(&str, u32)]) -> Result<ProcStat, ParseError> {
    let header: Vec<_> = [ENTRIES].iter().chain(columns).copied().collect();
    let cell = |name: &&str| cells.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
    let row: Vec<u32> = std::iter::once(entries)
        .chain(columns.iter().map(cell))
        .collect();
    ProcStat::parse(&kernel_text(&header, &[row]))
}

pub(in crate::model::monitor) fn totals(counts: &[(ProbeCounter, u64)]) -> ProbeTotals {
    let mut totals = [0; COUNTER_SLOTS];
    for (counter, count) in counts {
        totals[counter.index()] = *count;
    }
    totals
}

/// A reading during which nothing moved, without buckets.
pub(in crate::model::monitor) fn reading(totals: ProbeTotals) -> ProbeReading {
    ProbeReading {
        before: totals,
        after: totals,
        buckets: BucketBatch::default(),
        buckets_missing: None,
        missed: Some(0),
        faults: 0,
        in_flight: 0,
    }
}

/// Buckets of one counter, by their number.
pub(super) fn batch(
    span: std::ops::Range<Epoch>,
    counter: ProbeCounter,
    rows: &[(Epoch, u64)],
) -> BucketBatch {
    BucketBatch {
        first: span.start,
        end: span.end,
        counts: rows
            .iter()
            .map(|&(epoch, count)| (epoch, totals(&[(counter, count)])))
            .collect(),
        lost: 0,
    }
}

pub(in crate::model::monitor) fn snapshot(
    ms: u64,
    stat: Option<ProcStat>,
    probes: Option<ProbeReading>,
) -> InstanceReading {
    InstanceReading {
        at: at(ms),
        kernel: KernelReading {
            stat,
            count: None,
            max: Some(MAX),
        },
        probes,
        cpus: None,
        hooks: None,
        durations: None,
    }
}

/// A reading after the probes were lost.
fn without_probes() -> InstanceReading {
    snapshot(0, None, None)
}

/// Time from the first reading to the last.
fn duration(monitor: &InstanceMonitor) -> Duration {
    let last = monitor.previous.as_ref().map(|previous| previous.at);
    match (monitor.started, last) {
        (Some(started), Some(last)) => last.monotonic.saturating_sub(started.monotonic),
        _ => Duration::ZERO,
    }
}

/// The worst status of all alerts that are evaluated.
fn worst_alert(monitor: &InstanceMonitor) -> AlertStatus {
    let states = monitor
        .alerts
        .evaluations()
        .filter_map(|(_, state)| match state {
            AlertEvaluation::Judged(alarm) => Some(alarm.notifier().status()),
            AlertEvaluation::Unavailable(_) => None,
        });
    states.max().unwrap_or_default()
}

pub(in crate::model::monitor) fn everything() -> Coverage {
    Coverage::except(Vec::new())
}

pub(super) fn monitor(coverage: Coverage) -> InstanceMonitor {
    let settings = InstanceSettings {
        instance: "self".into(),
        kernel_release: None,
        buckets: true,
        bursts: burst::BurstSettings::default(),
        alerts: AlertSettings::default(),
        lifetimes: false,
        latency: false,
    };
    InstanceMonitor::new(settings, coverage)
}

pub(super) fn unprobed() -> InstanceMonitor {
    monitor(Coverage::none("no probes in this test"))
}

/// The next observation; fails if there is none.
pub(super) fn next(
    monitor: &mut InstanceMonitor,
    snapshot: &InstanceReading,
) -> Result<Observation, String> {
    monitor
        .observe(snapshot)
        .ok_or_else(|| "a later snapshot yielded nothing".to_owned())
}

fn rate(sample: &Sample, chart: &str, dimension: &str) -> Option<f64> {
    let chart = sample.charts.get(&format!("netfilter.conntrack_{chart}"));
    *chart
        .and_then(|chart| chart.get(dimension))
        .expect("a documented dimension")
}

fn source(sample: &Sample, chart: &str, dimension: &str) -> SourceKind {
    let chart = sample.sources.get(&format!("netfilter.conntrack_{chart}"));
    *chart
        .and_then(|chart| chart.get(dimension))
        .expect("a documented dimension")
}

#[test]
fn the_first_snapshot_is_the_baseline() -> TestResult {
    let mut monitor = unprobed();
    let first = stat(OLD, 10, &[("new", 1000)])?;
    assert!(monitor.observe(&snapshot(0, Some(first), None)).is_none());

    let second = stat(OLD, 12, &[("new", 1003)])?;
    let sample = next(&mut monitor, &snapshot(100, Some(second), None))?.sample;
    assert_eq!(sample.counters.get(Counter::New), Some(&3));
    assert_eq!(
        (sample.entries, sample.max, sample.utilization),
        (Some(12), Some(MAX), Some(1.2))
    );
    assert_eq!(rate(&sample, "sockets", "connections"), Some(12.0));
    assert_eq!(sample.time, Time(at(100).realtime));
    Ok(())
}

#[test]
fn a_rate_is_the_difference_divided_by_the_measured_interval() -> TestResult {
    let mut monitor = unprobed();
    monitor.observe(&snapshot(
        0,
        Some(stat(OLD, 0, &[("new", u32::MAX)])?),
        None,
    ));
    for (ms, new, interval_s, per_second) in [(250, 9, 0.25, 40.0), (2250, 29, 2.0, 10.0)] {
        let stat = stat(OLD, 0, &[("new", new)])?;
        let sample = next(&mut monitor, &snapshot(ms, Some(stat), None))?.sample;
        assert_eq!(sample.interval_s, interval_s);
        assert_eq!(rate(&sample, "new", "new"), Some(per_second));
        assert_eq!(rate(&sample, "errors", "drop"), Some(0.0), "alive and idle");
    }
    assert_eq!(duration(&monitor), Duration::from_millis(2250));
    Ok(())
}

#[test]
fn two_snapshots_at_the_same_time_have_no_rate() -> TestResult {
    let mut monitor = unprobed();
    monitor.observe(&snapshot(0, Some(stat(OLD, 0, &[("new", 1)])?), None));
    let sample = next(
        &mut monitor,
        &snapshot(0, Some(stat(OLD, 0, &[("new", 2)])?), None),
    )?
    .sample;
    assert_eq!(rate(&sample, "new", "new"), None);
    assert_eq!(sample.counters.get(Counter::New), Some(&1));
    Ok(())
}

#[test]
fn an_uncounted_counter_is_null_and_never_zero() -> TestResult {
    let mut monitor = unprobed();
    monitor.observe(&snapshot(0, Some(stat(MODERN, 0, &[])?), None));
    let sample = next(
        &mut monitor,
        &snapshot(100, Some(stat(MODERN, 0, &[])?), None),
    )?
    .sample;
    for (chart, dimension, counter) in [
        ("new", "new", Counter::New),
        ("changes", "inserted", Counter::Inserted),
        ("changes", "deleted", Counter::Deleted),
        ("changes", "delete_list", Counter::DeleteList),
        ("search", "searched", Counter::Searched),
    ] {
        assert_eq!(rate(&sample, chart, dimension), None, "{dimension}");
        assert_eq!(
            source(&sample, chart, dimension),
            SourceKind::Unavailable,
            "{dimension}"
        );
        assert_eq!(sample.counters.get(counter), None, "{dimension}");
    }
    assert_eq!(source(&sample, "errors", "drop"), SourceKind::Proc);
    assert_eq!((sample.peaks.iter().count(), sample.buckets), (0, None));
    Ok(())
}

#[test]
fn an_interval_in_which_the_origin_changed_has_no_rate() -> TestResult {
    let mut monitor = unprobed();
    // Without counts and release, this may be a kernel that no longer counts `new`.
    monitor.observe(&snapshot(0, Some(stat(OLD, 0, &[])?), None));
    // Now the column is known to be live, and so was its first value.
    let counting = stat(OLD, 0, &[("new", 5)])?;
    let sample = next(&mut monitor, &snapshot(100, Some(counting), None))?.sample;
    assert_eq!(source(&sample, "new", "new"), SourceKind::Proc);
    assert_eq!(sample.counters.get(Counter::New), Some(&5));
    assert_eq!(rate(&sample, "new", "new"), None);

    let counting = stat(OLD, 0, &[("new", 6)])?;
    let sample = next(&mut monitor, &snapshot(200, Some(counting), None))?.sample;
    assert_eq!(rate(&sample, "new", "new"), Some(10.0));
    Ok(())
}

#[test]
fn counters_survive_a_file_that_is_unreadable_for_a_while() -> TestResult {
    let mut monitor = unprobed();
    monitor.observe(&snapshot(0, Some(stat(OLD, 7, &[("found", 100)])?), None));

    let mut gone = snapshot(100, None, None);
    gone.kernel.count = Some(8);
    let sample = next(&mut monitor, &gone)?.sample;
    assert_eq!(
        sample.entries,
        Some(8),
        "the file of the count alone has it too"
    );
    assert_eq!(sample.counters.get(Counter::Found), None);
    assert_eq!(rate(&sample, "search", "found"), None);
    assert_eq!(source(&sample, "search", "found"), SourceKind::Unavailable);

    let back = stat(OLD, 9, &[("found", 150)])?;
    let sample = next(&mut monitor, &snapshot(200, Some(back), None))?.sample;
    assert_eq!(sample.counters.get(Counter::Found), Some(&50));
    assert_eq!(
        rate(&sample, "search", "found"),
        None,
        "when it was counted is not known"
    );

    let later = stat(OLD, 9, &[("found", 151)])?;
    let sample = next(&mut monitor, &snapshot(300, Some(later), None))?.sample;
    assert_eq!(rate(&sample, "search", "found"), Some(10.0));
    Ok(())
}

#[test]
fn without_readable_files_everything_is_null() -> TestResult {
    let mut monitor = unprobed();
    let nothing = |ms| InstanceReading {
        at: at(ms),
        kernel: KernelReading::default(),
        probes: None,
        cpus: None,
        hooks: None,
        durations: None,
    };
    monitor.observe(&nothing(0));
    let observation = next(&mut monitor, &nothing(100))?;
    let sample = observation.sample;
    assert_eq!(
        (sample.entries, sample.max, sample.utilization),
        (None, None, None)
    );
    assert_eq!(
        source(&sample, "sockets", "connections"),
        SourceKind::Unavailable
    );
    assert!(
        sample
            .charts
            .0
            .iter()
            .flat_map(|(_, d)| &d.0)
            .all(|(_, rate)| rate.is_none())
    );
    assert_eq!(sample.counters.iter().count(), 0);
    assert!(observation.crosscheck.is_none() && observation.alerts.is_empty());
    assert_eq!(monitor.summary().totals.iter().count(), 0);
    Ok(())
}

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
fn peaks_and_buckets_have_the_time_of_their_events() -> TestResult {
    let mut monitor = monitor(everything());
    let start = epoch_of(at(0).monotonic) + 1;
    monitor.observe(&snapshot(
        0,
        Some(stat(MODERN, 0, &[])?),
        Some(reading(totals(&[]))),
    ));

    let mut probes = reading(totals(&[(ProbeCounter::Inserted, 19)]));
    probes.buckets = batch(
        start..start + 95,
        ProbeCounter::Inserted,
        &[(start + 10, 4), (start + 12, 9), (start + 20, 6)],
    );
    let sample = next(
        &mut monitor,
        &snapshot(100, Some(stat(MODERN, 19, &[])?), Some(probes)),
    )?
    .sample;

    // Both clocks advance together here, so that the wall-clock time of a bucket can be computed by hand.
    let wall = |epoch: Epoch| {
        let since_start = start_of(epoch) - at(0).monotonic;
        Time(at(0).realtime + since_start)
    };
    let peak = sample.peaks.get(Counter::Inserted).ok_or("no peak")?;
    assert_eq!(peak.at, Some(wall(start + 12)));
    assert_eq!(
        (peak.rate, peak.window_ms),
        (9.0 / BUCKET_SECONDS, BUCKET_MS)
    );
    let still = sample.peaks.get(Counter::Free).ok_or("no peak")?;
    assert_eq!((still.rate, still.at), (0.0, None));

    let buckets = sample.buckets.ok_or("no buckets")?;
    let inserted = buckets.get(Counter::Inserted).ok_or("no series")?;
    assert_eq!(inserted.start, wall(start + 10));
    assert_eq!(inserted.counts, [4, 0, 9, 0, 0, 0, 0, 0, 0, 0, 6]);
    assert!(
        buckets
            .get(Counter::Free)
            .is_some_and(|free| free.counts.is_empty())
    );
    Ok(())
}

#[test]
fn overwritten_buckets_are_reported_as_lost() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&snapshot(0, None, Some(reading(totals(&[])))));
    for (ms, lost) in [(100, 3), (200, 0), (300, 4)] {
        let mut probes = reading(totals(&[]));
        probes.buckets = BucketBatch {
            first: ms,
            end: ms + 95,
            lost,
            ..BucketBatch::default()
        };
        let sample = next(&mut monitor, &snapshot(ms, None, Some(probes)))?.sample;
        assert_eq!(sample.buckets_lost_ms, lost as f64 * BUCKET_MS);
    }
    assert_eq!(monitor.summary().buckets_lost_ms, 7.0 * BUCKET_MS);
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

/// One side moves and the other does not.
#[test]
fn a_disagreement_is_seen_before_the_snapshot_is_observed() -> TestResult {
    let at_rest = |ms| -> Result<_, ParseError> {
        Ok(snapshot(
            ms,
            Some(stat(MODERN, 100, &[])?),
            Some(reading(totals(&[]))),
        ))
    };
    let mut monitor = monitor(everything());
    assert!(
        !monitor.disagrees(&at_rest(0)?),
        "nothing to compare with yet"
    );
    monitor.observe(&at_rest(0)?);
    assert!(!monitor.disagrees(&at_rest(100)?));

    let allocated = |entries| -> Result<_, ParseError> {
        let probes = reading(totals(&[(ProbeCounter::AllocCall, 3)]));
        Ok(snapshot(
            100,
            Some(stat(MODERN, entries, &[])?),
            Some(probes),
        ))
    };
    assert!(!monitor.disagrees(&allocated(103)?));
    assert!(monitor.disagrees(&allocated(102)?));

    // A column that the kernel counts and the probe missed.
    let expected = stat(MODERN, 100, &[("expect_new", 1)])?;
    let unseen = snapshot(100, Some(expected), Some(reading(totals(&[]))));
    assert!(monitor.disagrees(&unseen));
    assert!(monitor.disagrees(&unseen), "looking does not take it in");
    // The next reading finds that the probe was only late.
    let mut seen = unseen;
    seen.probes = Some(reading(totals(&[(ProbeCounter::ExpectNew, 1)])));
    assert!(!monitor.disagrees(&seen));
    let checks = next(&mut monitor, &seen)?
        .crosscheck
        .ok_or("no cross-check")?
        .checks;
    assert_eq!(worst(&checks), Some(Verdict::Exact));
    Ok(())
}

#[test]
fn a_mismatch_is_in_the_sample_and_the_crosscheck() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&snapshot(
        0,
        Some(stat(MODERN, 10, &[])?),
        Some(reading(totals(&[]))),
    ));
    let probes = reading(totals(&[(ProbeCounter::Free, 4)]));
    let observation = next(
        &mut monitor,
        &snapshot(100, Some(stat(MODERN, 9, &[])?), Some(probes)),
    )?;
    assert_eq!(observation.sample.verdict, Some(Verdict::Mismatch));
    let checks = observation.crosscheck.ok_or("no cross-check")?.checks;
    let balance = checks.first().ok_or("no check")?;
    assert_eq!(
        (balance.probe, balance.kernel_low, balance.residual),
        (Some(-4), Some(-1), Some(-3))
    );
    Ok(())
}

#[test]
fn a_table_full_from_the_start_is_notified_with_the_first_sample() -> TestResult {
    let mut monitor = unprobed();
    let full = |ms, entries| -> Result<_, ParseError> {
        Ok(snapshot(ms, Some(stat(MODERN, entries, &[])?), None))
    };
    monitor.observe(&full(0, 923)?);
    let observation = next(&mut monitor, &full(100, 923)?)?;
    let alert = observation
        .alerts
        .first()
        .cloned()
        .ok_or("nothing was notified")?;
    assert_eq!(
        (alert.status, alert.previous),
        (AlertStatus::Warning, AlertStatus::Clear)
    );
    assert_eq!(
        (alert.name.raw(), alert.unit.raw()),
        ("netfilter_conntrack_full", "%")
    );
    assert!((alert.value - 92.3).abs() < 1e-9, "{}", alert.value);
    assert_eq!(alert.time, Time(at(100).realtime));

    let observation = next(&mut monitor, &full(200, 923)?)?;
    assert!(observation.alerts.is_empty(), "notified once");
    let state = observation
        .sample
        .alerts
        .get(ConntrackFull::NAME)
        .ok_or("no state")?;
    assert_eq!(
        (state.status, state.notified),
        (AlertStatus::Warning, AlertStatus::Warning)
    );
    assert!(state.value.is_some_and(|value| (value - 92.3).abs() < 1e-9));
    assert_eq!(state.notify_at, None);
    Ok(())
}

#[test]
fn a_recovery_is_in_the_sample_before_it_is_notified() -> TestResult {
    let mut monitor = unprobed();
    let full = |ms, entries| -> Result<_, ParseError> {
        Ok(snapshot(ms, Some(stat(MODERN, entries, &[])?), None))
    };
    monitor.observe(&full(0, 960)?);
    let alert = next(&mut monitor, &full(1, 960)?)?
        .alerts
        .first()
        .cloned()
        .ok_or("nothing was notified")?;
    assert_eq!(alert.status, AlertStatus::Critical);

    // Evaluated every 10 s over the last 10 s: the second evaluation does not see the peak.
    let mut state = None;
    for second in 1..=21 {
        let observation = next(&mut monitor, &full(second * 1000, 100)?)?;
        assert!(
            observation.alerts.is_empty(),
            "a recovery waits for 5 minutes"
        );
        state = observation.sample.alerts.get(ConntrackFull::NAME).copied();
    }
    let state = state.ok_or("no state")?;
    assert_eq!(
        (state.status, state.notified),
        (AlertStatus::Clear, AlertStatus::Critical)
    );
    assert_eq!(worst_alert(&monitor), AlertStatus::Clear);
    let due = state.notify_at.ok_or("nothing is pending")?;
    let wait = due.0.duration_since(at(0).realtime).as_secs();
    assert!(
        (310..=321).contains(&wait),
        "notified 5 minutes after the evaluation, not {wait} s"
    );

    let observation = next(&mut monitor, &full(330_000, 100)?)?;
    let alert = observation
        .alerts
        .first()
        .cloned()
        .ok_or("the recovery was not notified")?;
    assert_eq!(
        (alert.status, alert.previous),
        (AlertStatus::Clear, AlertStatus::Critical)
    );
    Ok(())
}

proptest! {
    /// The totals, the rates and the buckets add up to the same number.
    #[test]
    fn rates_times_intervals_add_up_to_the_counters(
        base in 0..u64::from(u32::MAX),
        steps in prop::collection::vec(
            // Length of the interval; number of new flows: normal and expected.
            (1..5_000_u64, 0..100_000_u64, 0..100_u64),
            1..40,
        ),
    ) {
        let mut monitor = monitor(everything());
        let idle = stat(MODERN, 0, &[])?;
        let probes = |made: u64, expected: u64| {
            reading(totals(&[
                (ProbeCounter::AllocCallPacket, base + made + expected),
                (ProbeCounter::ExpectNew, base / 2 + expected),
            ]))
        };
        monitor.observe(&snapshot(0, Some(idle.clone()), Some(probes(0, 0))));

        let (mut ms, mut made, mut expected) = (0, 0, 0);
        let (mut from_rates, mut from_buckets) = (0.0, 0);
        let mut counters = None;
        for (interval, new_made, new_expected) in steps {
            (ms, made, expected) = (ms + interval, made + new_made, expected + new_expected);
            let epoch = epoch_of(at(ms).monotonic);
            let mut probes = probes(made, expected);
            let counts = totals(&[
                (ProbeCounter::AllocCallPacket, new_made + new_expected),
                (ProbeCounter::ExpectNew, new_expected),
            ]);
            probes.buckets = BucketBatch {
                first: epoch,
                end: epoch + 1,
                counts: BTreeMap::from([(epoch, counts)]),
                lost: 0,
            };
            let sample = next(&mut monitor, &snapshot(ms, Some(idle.clone()), Some(probes)))
                .map_err(TestCaseError::fail)?
                .sample;
            prop_assert_eq!(sample.interval_s, Duration::from_millis(interval).as_secs_f64());
            from_rates += rate(&sample, "new", "new").unwrap_or(f64::NAN) * sample.interval_s;
            let series = sample.buckets.as_ref().and_then(|buckets| buckets.get(Counter::New));
            from_buckets += series.map_or(0, |series| series.counts.iter().sum());
            counters = Some(sample.counters);
        }
        let total = counters.and_then(|counters| counters.get(Counter::New).copied());
        prop_assert_eq!(total, Some(made));
        prop_assert_eq!(from_buckets, made);
        prop_assert!((from_rates - made as f64).abs() <= 1e-9 * made as f64 + 1e-9, "{} {}", from_rates, made);
    }

    /// The kernel's counters add up as well, with each CPU wrapping on its own.
    #[test]
    fn rates_of_the_kernels_counters_add_up_too(
        base in any::<u32>(),
        steps in prop::collection::vec((1..5_000_u64, 0..1_000_000_u32), 1..40),
    ) {
        let mut monitor = unprobed();
        monitor.observe(&snapshot(0, Some(stat(MODERN, 0, &[("drop", base)])?), None));
        let (mut ms, mut dropped, mut from_rates) = (0, 0_u64, 0.0);
        let mut total = None;
        for (interval, more) in steps {
            (ms, dropped) = (ms + interval, dropped + u64::from(more));
            let cell = base.wrapping_add(dropped as u32);
            let stat = stat(MODERN, 0, &[("drop", cell)])?;
            let sample = next(&mut monitor, &snapshot(ms, Some(stat), None))
                .map_err(TestCaseError::fail)?
                .sample;
            from_rates += rate(&sample, "errors", "drop").unwrap_or(f64::NAN) * sample.interval_s;
            total = sample.counters.get(Counter::Drop).copied();
        }
        prop_assert_eq!(total, Some(dropped));
        let off = (from_rates - dropped as f64).abs();
        prop_assert!(off <= 1e-9 * dropped as f64 + 1e-9, "{} {}", from_rates, dropped);
    }
}

/// A reading of an allocation that the kernel has not counted yet.
fn in_flight(ms: u64, allocated: u64, entries: u32) -> Result<InstanceReading, ParseError> {
    let mut probes = reading(totals(&[(ProbeCounter::AllocCall, allocated)]));
    probes.in_flight = 2;
    Ok(snapshot(
        ms,
        Some(stat(MODERN, 100 + entries, &[])?),
        Some(probes),
    ))
}

fn balance(monitor: &mut InstanceMonitor, snapshot: &InstanceReading) -> Result<Check, String> {
    let crosscheck = next(monitor, snapshot)?.crosscheck;
    let checks = crosscheck.ok_or("no cross-check")?.checks;
    checks
        .into_iter()
        .next()
        .ok_or_else(|| "no checks".to_owned())
}

#[test]
fn a_call_in_flight_is_no_mismatch_and_a_lost_hit_becomes_one() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    let late = in_flight(200, 3, 2)?;
    assert!(monitor.disagrees(&late), "worth another look");
    let check = balance(&mut monitor, &late)?;
    assert_eq!(
        (check.verdict, check.residual),
        (Verdict::WithinBracket, Some(1))
    );
    assert_eq!(
        check.reason.as_ref().map(|t| t.raw()),
        Some("1 call may be in flight")
    );
    assert_eq!(
        balance(&mut monitor, &in_flight(400, 3, 3)?)?.verdict,
        Verdict::Exact
    );

    for (ms, verdict) in [
        (600, Verdict::WithinBracket),
        (1500, Verdict::WithinBracket),
        (1600, Verdict::Mismatch),
    ] {
        let check = balance(&mut monitor, &in_flight(ms, 4, 5)?)?;
        assert_eq!(check.verdict, verdict, "{ms} ms: {check:?}");
    }
    Ok(())
}

#[test]
fn the_last_reading_confirms_all_differences() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    assert_eq!(
        balance(&mut monitor, &in_flight(200, 1, 1)?)?.verdict,
        Verdict::Exact
    );
    monitor.conclude();
    assert_eq!(
        balance(&mut monitor, &in_flight(400, 2, 3)?)?.verdict,
        Verdict::Mismatch
    );
    Ok(())
}

#[test]
fn a_call_in_flight_at_the_first_reading_is_allowed_for() -> TestResult {
    let mut monitor = monitor(everything());
    // Counted by the probe, but not yet by the kernel.
    monitor.observe(&in_flight(0, 1, 0)?);
    for ms in [200, 1200] {
        let check = balance(&mut monitor, &in_flight(ms, 1, 1)?)?;
        assert_eq!(check.verdict, Verdict::WithinBracket, "{ms} ms: {check:?}");
    }
    let check = balance(&mut monitor, &in_flight(1400, 5, 5)?)?;
    assert_eq!(check.verdict, Verdict::Exact, "{check:?}");
    assert_eq!(
        check.reason.as_ref().map(|t| t.raw()),
        Some("1 call was in flight at the first reading")
    );
    Ok(())
}

#[test]
fn a_counter_is_wrong_only_once_its_law_is_broken_for_certain() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    next(&mut monitor, &in_flight(200, 3, 3)?)?;
    for (ms, verdict) in [
        (400, Verdict::WithinBracket),
        (1300, Verdict::WithinBracket),
        (1400, Verdict::Mismatch),
    ] {
        let sample = next(&mut monitor, &in_flight(ms, 4, 5)?)?.sample;
        assert_eq!(sample.verdict, Some(verdict), "{ms} ms");
        let reason = sample.wrong.get(Counter::Alloc).map(Text::raw);
        let expected = (verdict == Verdict::Mismatch).then_some(
            "breaks entries_balance (the probes counted 4; at least 5, if free is right)",
        );
        assert_eq!(reason, expected, "{ms} ms");
    }
    // It was not lost after all: the call took that long.
    let sample = next(&mut monitor, &in_flight(1600, 5, 5)?)?.sample;
    assert!(sample.wrong.is_empty(), "{:?}", sample.wrong);
    Ok(())
}

#[test]
fn the_alert_on_a_mismatch_names_what_broke() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    let alerts = next(&mut monitor, &in_flight(200, 10, 50)?)?.alerts;
    let alert = alerts
        .iter()
        .find(|alert| alert.name == *"conntrack_probe_mismatch")
        .ok_or("no alert")?;
    let reason = alert.reason.as_ref().ok_or("no reason")?.raw();
    for part in [
        "entries_balance: the probes counted 10, the kernel 50; ",
        "alloc: breaks entries_balance (the probes counted 10; at least 50, if free is right)",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    Ok(())
}
