//! Peaks and buckets, and those that were lost.

use super::*;

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
