//! What the kernel counts, and what is not known of it.

use super::*;

/// Time from the first reading to the last.
fn duration(monitor: &InstanceMonitor) -> Duration {
    let last = monitor.previous.as_ref().map(|previous| previous.at);
    match (monitor.started, last) {
        (Some(started), Some(last)) => last.monotonic.saturating_sub(started.monotonic),
        _ => Duration::ZERO,
    }
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
