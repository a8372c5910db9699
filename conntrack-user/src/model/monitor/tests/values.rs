//! Bursts, rates of entries, and durations.

use conntrack_ebpf::loglinear::bucket;

use super::*;
use crate::model::{
    monitor::sample::disproof,
    record::{Check, Verdict},
};
use crate::reading::{
    buckets::{BUCKET_SECONDS, BucketBatch, Epoch, epoch_of},
    duration_histogram::DurationHistogram,
    durations::{Durations, LifetimeCounts},
};

#[test]
fn bursts_that_are_open_at_an_end_are_reported() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", Some(1)));
    let mut monitor = monitor(&probes);
    let start = epoch_of(at(0).monotonic);
    // The last bucket has a burst.
    let bursting = |ms, span: std::ops::Range<u64>, inserted| {
        let mut reading = counting(ms, 10, inserted);
        if let Some(probes) = &mut reading.probes {
            let counts = totals(&[(ProbeCounter::Inserted, 60)]);
            probes.buckets = BucketBatch {
                counts: [(span.end - 1, counts)].into(),
                first: span.start,
                end: span.end,
                lost: 0,
            };
        }
        reading
    };
    let both = [(&a, counting(0, 10, 0)), (&b, counting(0, 10, 0))];
    monitor.observe(&reading(0, Purpose::Baseline, &probes, &both));
    let bursts = |observed: &Observed| -> Vec<(String, u64)> {
        let bursts = observed.records.iter().filter_map(|record| match record {
            Record::Burst(burst) => Some((burst.instance.raw().to_owned(), burst.count)),
            _ => None,
        });
        bursts.collect()
    };
    let mut gone = reading(
        1_000,
        Purpose::Interval,
        &probes,
        &[(&b, counting(1_000, 10, 0))],
    );
    gone.gone = vec![EndedReading {
        info: Rc::clone(&a),
        probes: bursting(1_000, start..start + 900, 60).probes,
        durations: None,
    }];
    assert_eq!(bursts(&monitor.observe(&gone)), [("a".to_owned(), 60)]);
    let last = bursting(2_000, start..start + 1_900, 60);
    let observed = monitor.observe(&reading(2_000, Purpose::Last, &probes, &[(&b, last)]));
    assert_eq!(bursts(&observed), [("b".to_owned(), 60)]);
}

/// A reading whose buckets have so many insertions each.
fn buckets(ms: u64, first: Epoch, inserted: &[u64], total: u64) -> InstanceReading {
    let mut reading = counting(ms, 10, total);
    if let Some(probes) = &mut reading.probes {
        let counts = (first..)
            .zip(inserted)
            .map(|(epoch, count)| (epoch, totals(&[(ProbeCounter::Inserted, *count)])));
        probes.buckets = BucketBatch {
            first,
            end: first + inserted.len() as u64,
            counts: counts.collect(),
            lost: 0,
        };
    }
    reading
}

#[test]
fn a_burst_is_not_ended_by_a_reading_in_the_same_bucket() {
    let probes = status(0, everything());
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&probes);
    let start = epoch_of(at(0).monotonic);
    let mut calm = vec![10; 2_100];
    *calm.last_mut().unwrap() = 200;
    let more: Vec<u64> = [200, 200].into_iter().chain([10; 200]).collect();
    let after = start + calm.len() as u64;
    let mut bursts = Vec::new();
    for (ms, first, inserted, total) in [
        (0, start, &[][..], 0),
        (2_205, start, &calm[..], 21_190),
        (2_206, after, &[], 21_190),
        (2_500, after, &more[..], 23_590),
    ] {
        let one = [(&a, buckets(ms, first, inserted, total))];
        let observed = monitor.observe(&reading(ms, Purpose::Interval, &probes, &one));
        bursts.extend(
            observed
                .records
                .into_iter()
                .filter_map(|record| match record {
                    Record::Burst(burst) => Some(burst),
                    _ => None,
                }),
        );
    }
    let [burst] = &bursts[..] else {
        panic!("{bursts:?}");
    };
    assert_eq!(burst.count, 600);
    assert!((burst.usual_rate * BUCKET_SECONDS - 10.0).abs() < 1e-9);
    assert!((burst.peak_rate * BUCKET_SECONDS - 200.0).abs() < 1e-9);
}

#[test]
fn entries_rise_and_fall_by_so_many_a_second() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let a = info(1, "a", None);
    let mut monitor = monitor(&probes);
    let mut rate = |ms, entries: Option<u64>| {
        let mut instance = holding(ms, 0);
        instance.kernel.count = entries;
        let reading = reading(ms, Purpose::Interval, &probes, &[(&a, instance)]);
        samples(&monitor.observe(&reading)).get("a")?.entries_per_s
    };
    assert_eq!(rate(0, Some(10)), None);
    assert_eq!(rate(2_000, Some(30)), Some(10.0));
    assert_eq!(rate(2_500, Some(5)), Some(-50.0));
    assert_eq!(rate(2_500, Some(7)), None);
    assert_eq!(rate(3_500, Some(7)), Some(0.0));
    assert_eq!(rate(4_000, None), None);
    assert_eq!(rate(4_500, Some(9)), None);
}

#[test]
fn the_summary_has_the_durations_of_those_that_are_gone_too() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", Some(1)));
    let durations = |times: u64| {
        let mut histogram = DurationHistogram::default();
        histogram.counts[bucket(1_000) as usize] = times;
        Some(Durations {
            lifetimes: Some(LifetimeCounts {
                histogram: histogram.clone(),
                unknown: 0,
            }),
            confirm: Some(histogram),
            early_drop: None,
        })
    };
    for (lifetimes, latency) in [(true, false), (false, true)] {
        let mut monitor = monitor(&probes);
        monitor.settings.lifetimes = lifetimes;
        monitor.settings.latency = latency;
        let of = |ms, times| {
            let mut reading = counting(ms, 10, 0);
            reading.durations = durations(times);
            reading
        };
        let both = [(&a, of(0, 2)), (&b, of(0, 0))];
        monitor.observe(&reading(0, Purpose::Baseline, &probes, &both));
        let mut gone = reading(1_000, Purpose::Interval, &probes, &[(&a, of(1_000, 7))]);
        gone.gone = vec![EndedReading {
            info: Rc::clone(&b),
            probes: None,
            durations: durations(4),
        }];
        monitor.observe(&gone);
        let last = [(&a, of(2_000, 9))];
        let observed = monitor.observe(&reading(2_000, Purpose::Last, &probes, &last));
        let instances = summary(&observed).instances.iter();
        let counts: Vec<_> = instances
            .map(|of| {
                let lived = of.lifetimes.as_ref().map(|lived| lived.count);
                let took = of.latency.as_ref().map(|took| took.confirm.count);
                (of.name.raw(), lived, took)
            })
            .collect();
        let of = |asked: bool, count| asked.then_some(Some(count));
        let expected = [
            ("a", of(lifetimes, 7), of(latency, 7)),
            ("b", of(lifetimes, 4), of(latency, 4)),
        ];
        assert_eq!(counts, expected);
    }
}

#[test]
fn what_is_known_of_entries_is_in_the_sample() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let a = info(1, "a", None);
    let mut monitor = monitor(&probes);
    let mut observe = |ms, entries, max| {
        let mut instance = holding(ms, 0);
        (instance.kernel.count, instance.kernel.max) = (entries, max);
        let reading = reading(ms, Purpose::Interval, &probes, &[(&a, instance)]);
        let observed = monitor.observe(&reading);
        let sample = (*samples(&observed).get("a")?).clone();
        let source = sample.sources.get("netfilter.conntrack_sockets");
        let source = source.and_then(|of| of.get("connections").copied());
        Some((source?, sample.utilization))
    };
    observe(0, None, None);
    let (known, unknown) = (SourceKind::Proc, SourceKind::Unavailable);
    assert_eq!(
        observe(1_000, Some(250), Some(1_000)),
        Some((known, Some(25.0)))
    );
    // Without a limit there is no percentage.
    assert_eq!(observe(2_000, Some(250), Some(0)), Some((known, None)));
    assert_eq!(observe(3_000, Some(250), None), Some((known, None)));
    assert_eq!(observe(4_000, None, Some(1_000)), Some((unknown, None)));
}

#[test]
fn a_check_says_what_both_have_counted_and_why() {
    let check = |numbers: Option<(i64, i64, i64)>, reason: Option<&'static str>| Check {
        name: "new".into(),
        probe: numbers.map(|(probe, ..)| probe),
        kernel_low: numbers.map(|(_, low, _)| low),
        kernel_high: numbers.map(|(.., high)| high),
        residual: None,
        verdict: Verdict::Mismatch,
        reason: reason.map(Into::into),
    };
    for (numbers, reason, text) in [
        (Some((3, 5, 5)), None, "the probes counted 3, the kernel 5"),
        (
            Some((3, 5, 6)),
            None,
            "the probes counted 3, the kernel 5 to 6",
        ),
        (
            Some((3, 5, 5)),
            Some("late"),
            "the probes counted 3, the kernel 5; late",
        ),
        (None, Some("late"), "late"),
        (None, None, ""),
    ] {
        assert_eq!(disproof(&check(numbers, reason)).raw(), text);
    }
}
