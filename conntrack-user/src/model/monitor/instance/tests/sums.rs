//! Whatever is counted, rates and intervals add up to the counters.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

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
