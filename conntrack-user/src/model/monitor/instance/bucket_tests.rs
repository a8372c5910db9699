//! Bursts and distributions from snapshots.

use conntrack_ebpf::ProbeCounter;

use crate::{
    model::monitor::instance::{tests::*, *},
    reading::{
        buckets::{Epoch, epoch_of},
        cpus::{CpuIds, CpuReading},
    },
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// Two seconds in which 40 flows are inserted in each of two adjacent buckets, at the border of two intervals; then as many in
/// one bucket at the very end.
#[test]
fn a_burst_straddles_intervals_and_one_may_be_open_at_the_end() -> TestResult {
    let mut monitor = monitor(everything());
    let start = epoch_of(at(0).monotonic);
    let (burst, last) = (start + 1049, start + 2090);
    let spans = [
        (start, start + 1050, vec![(burst, 40)]),
        (start + 1050, start + 1100, vec![(burst + 1, 40)]),
        (start + 1100, start + 2000, vec![]),
        (start + 2000, start + 2095, vec![(last, 60)]),
    ];
    let mut bursts = Vec::new();
    let mut inserted = 0;
    for (first, end, rows) in spans {
        inserted += rows.iter().map(|row| row.1).sum::<u64>();
        let mut probes = reading(totals(&[(ProbeCounter::Inserted, inserted)]));
        probes.buckets = batch(first..end, ProbeCounter::Inserted, &rows);
        let ms = ((end - start) as f64 * BUCKET_MS) as u64;
        if let Some(observation) = monitor.observe(&snapshot(ms, None, Some(probes))) {
            bursts.push(observation.bursts);
        }
    }
    let reported: Vec<usize> = bursts.iter().map(Vec::len).collect();
    assert_eq!(reported, [0, 1, 0]);
    let wall = |epoch: Epoch| Time(at(0).realtime + (start_of(epoch) - at(0).monotonic));
    let expected = Burst {
        instance: "self".into(),
        counter: "inserted".into(),
        start: wall(burst),
        end: wall(burst + 2),
        duration_ms: 2.0 * BUCKET_MS,
        count: 80,
        peak_rate: 40.0 / BUCKET_SECONDS,
        window_ms: BUCKET_MS,
        usual_rate: 0.0,
    };
    assert_eq!(bursts.concat(), std::slice::from_ref(&expected));

    let open = monitor.finish();
    assert_eq!(open.len(), 1);
    assert_eq!(
        (open[0].start, open[0].end, open[0].count),
        (wall(last), wall(last + 1), 60)
    );
    let summary = monitor.summary();
    let totals = summary.bursts.get(Counter::Inserted).ok_or("no bursts")?;
    assert_eq!((totals.number, totals.count), (2, 140));
    assert_eq!(totals.largest, expected);
    assert_eq!(summary.bursts.iter().count(), 1);
    assert!(monitor.finish().is_empty(), "reported twice");
    Ok(())
}

#[test]
fn a_sample_has_the_distribution_of_active_counters() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&snapshot(0, None, Some(reading(totals(&[])))));
    let mut probes = reading(totals(&[(ProbeCounter::Inserted, 13)]));
    probes.buckets = batch(
        1000..1100,
        ProbeCounter::Inserted,
        // The first is late.
        &[(990, 7), (1000, 2), (1001, 4)],
    );
    let sample = next(&mut monitor, &snapshot(100, None, Some(probes)))?.sample;
    let histograms = sample.histograms.ok_or("no histograms")?;
    assert_eq!(histograms.iter().count(), 1);
    let inserted = histograms.get(Counter::Inserted).ok_or("no histogram")?;
    assert_eq!((inserted.p50, inserted.p90), (0.0, 0.0));
    assert_eq!(
        (inserted.p99, inserted.max),
        (2.0 / BUCKET_SECONDS, 4.0 / BUCKET_SECONDS)
    );
    // Mean 0.06, mean of squares 0.2.
    let dispersion = inserted.dispersion.ok_or("no dispersion")?;
    assert!((dispersion - (0.2 - 0.0036) / 0.06).abs() < 1e-9);

    let mut unprobed = unprobed();
    unprobed.observe(&snapshot(0, None, None));
    let sample = next(&mut unprobed, &snapshot(100, None, None))?.sample;
    assert_eq!(sample.histograms, None);
    Ok(())
}

#[test]
fn a_sample_has_rates_by_cpu_if_they_were_read() -> TestResult {
    let mut monitor = monitor(everything());
    let look = |ms, inserted: [u64; 2]| {
        let sum = totals(&[(ProbeCounter::Inserted, inserted.iter().sum())]);
        let mut snapshot = snapshot(ms, None, Some(reading(sum)));
        let cell = |n| totals(&[(ProbeCounter::Inserted, n)]);
        snapshot.cpus = Some(CpuReading {
            ids: Ok(CpuIds {
                possible: vec![0, 1],
                online: vec![0, 1],
            }),
            probes: Some(inserted.map(cell).to_vec()),
        });
        snapshot
    };
    monitor.observe(&look(0, [5, 7]));
    let sample = next(&mut monitor, &look(100, [5, 10]))?.sample;
    let per_cpu = sample.per_cpu.ok_or("no CPUs")?;
    assert_eq!(per_cpu.rates.get(Counter::Inserted), Some(&vec![0.0, 30.0]));
    // Probes were lost and attached again: the kernel's cells start at 0.
    monitor.set_coverage(everything(), &look(150, [1, 1]));
    let sample = next(&mut monitor, &look(200, [2, 1]))?.sample;
    let per_cpu = sample.per_cpu.ok_or("no CPUs")?;
    assert_eq!(per_cpu.rates.get(Counter::Inserted), Some(&vec![10.0, 0.0]));
    assert_eq!(per_cpu.totals.get(Counter::Inserted), Some(&vec![1, 3]));

    let sample = next(&mut monitor, &snapshot(300, None, None))?.sample;
    assert_eq!(sample.per_cpu, None);
    Ok(())
}

/// A namespace whose ring went to a busier one, and that gets one back.
#[test]
fn without_a_ring_there_are_totals_and_no_buckets() -> TestResult {
    let mut monitor = monitor(everything());
    let start = epoch_of(at(0).monotonic);
    let part = |span: std::ops::Range<Epoch>, rows: &[(Epoch, u64)], missing, inserted| {
        let mut probes = reading(totals(&[(ProbeCounter::Inserted, inserted)]));
        probes.buckets = batch(span, ProbeCounter::Inserted, rows);
        probes.buckets_missing = Option::<&'static str>::map(missing, Into::into);
        probes
    };
    let none: &[(Epoch, u64)] = &[];
    let (burst, later) = (start + 1090, start + 1500);
    let (with, with_later) = ([(burst, 80)], [(later, 7)]);
    monitor.observe(&snapshot(0, None, Some(part(start..start, none, None, 0))));
    let mut next_sample = |ms, probes| next(&mut monitor, &snapshot(ms, None, Some(probes)));

    let before = next_sample(1_150, part(start..start + 1095, &with, None, 80))?;
    assert!(before.sample.peaks.get(Counter::Inserted).is_some());
    assert_eq!(
        (before.bursts.len(), before.sample.buckets_unavailable),
        (0, None)
    );

    let without = next_sample(1_250, part(0..0, none, Some("no ring"), 95))?;
    // The burst that was open ends with what is known.
    assert_eq!(without.bursts.len(), 1);
    assert_eq!(without.bursts[0].count, 80);
    let sample = without.sample;
    assert_eq!(sample.buckets_unavailable, Some("no ring".into()));
    assert_eq!(sample.counters.get(Counter::Inserted), Some(&95));
    assert_eq!(sample.peaks.iter().count(), 0);
    assert_eq!((sample.histograms, sample.buckets), (None, None));
    assert_eq!(sample.buckets_lost_ms, 0.0);

    // Of a part of the interval the peak is not known.
    let late = part(start + 1450..start + 1550, &with_later, Some("late"), 110);
    let late = next_sample(1_650, late)?.sample;
    assert_eq!(late.peaks.iter().count(), 0);
    assert_eq!(late.buckets_unavailable, Some("late".into()));

    let again = next_sample(1_750, part(start + 1550..start + 1650, none, None, 110))?.sample;
    let peak = again.peaks.get(Counter::Inserted).ok_or("no peak")?;
    assert_eq!((peak.rate, again.buckets_unavailable), (0.0, None));
    let percentiles = monitor.summary().histograms;
    let inserted = percentiles.get(Counter::Inserted).ok_or("no histogram")?;
    assert_eq!(inserted.max, 80.0 / BUCKET_SECONDS);
    Ok(())
}

/// Flows between the last reading of a namespace and its end.
#[test]
fn the_end_of_a_namespace_is_counted() -> TestResult {
    let mut monitor = monitor(everything());
    let start = epoch_of(at(0).monotonic);
    monitor.observe(&snapshot(0, None, Some(reading(totals(&[])))));
    let mut probes = reading(totals(&[(ProbeCounter::Inserted, 60)]));
    let bucket = start + 700;
    probes.buckets = batch(start..start + 800, ProbeCounter::Inserted, &[(bucket, 60)]);
    let mut bursts = monitor.observe_end(&probes, at(840));
    bursts.extend(monitor.finish());
    assert_eq!(bursts.len(), 1);
    let summary = monitor.summary();
    let total = summary.totals.get(Counter::Inserted).ok_or("no total")?;
    assert_eq!(total.probe, Some(60));
    Ok(())
}
