//! The bursts that are found in synthetic series.

mod limits;

use proptest::prelude::*;

use crate::model::burst::*;

/// The first bucket of every series, so that bucket numbers differ from indices.
const ORIGIN: Epoch = 1_000_000;

fn settings(least: u64) -> BurstSettings {
    BurstSettings {
        least,
        ..BurstSettings::default()
    }
}

fn bursts_from(first: Epoch, settings: BurstSettings, counts: &[u64]) -> Vec<DetectedBurst> {
    let mut detector = Detector::new(settings, first);
    counts.iter().for_each(|&count| detector.add(count));
    detector.finish();
    detector.found()
}

/// The bursts as (first bucket, bucket after the last, count, peak).
fn found(counts: &[u64]) -> Vec<(usize, usize, u64, u64)> {
    bursts_from(ORIGIN, BurstSettings::default(), counts)
        .iter()
        .map(|b| {
            let at = |epoch: Epoch| (epoch - ORIGIN) as usize;
            (at(b.first), at(b.end), b.count, b.peak)
        })
        .collect()
}

/// A series of `(buckets, count in each)`.
fn series(parts: &[(usize, u64)]) -> Vec<u64> {
    parts
        .iter()
        .flat_map(|&(buckets, count)| std::iter::repeat_n(count, buckets))
        .collect()
}

/// Independent events, `mean` per bucket (Knuth's method, fine for small means; sums for larger).
fn poisson(mean: f64, buckets: usize, seed: u64) -> Vec<u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = move || {
        // xorshift64*
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut small = move |mean: f64| {
        let limit = (-mean).exp();
        let (mut n, mut product) = (0, uniform());
        while product > limit {
            n += 1;
            product *= uniform();
        }
        n
    };
    let parts = (mean / 8.0).ceil().max(1.0);
    (0..buckets)
        .map(|_| (0..parts as u32).map(|_| small(mean / parts)).sum())
        .collect()
}

#[test]
fn a_square_pulse() {
    let counts = series(&[(2000, 0), (40, 12), (2000, 0)]);
    assert_eq!(found(&counts), [(2000, 2040, 480, 12)]);
}

#[test]
fn a_burst_in_a_single_bucket() {
    let counts = series(&[(2000, 1), (1, 400), (2000, 1)]);
    assert_eq!(found(&counts), [(2000, 2001, 400, 400)]);
}

#[test]
fn a_ramp_starts_at_its_foot() {
    let mut counts = series(&[(2000, 0)]);
    counts.extend((1..=60).map(|i| i / 3));
    counts.extend(series(&[(2000, 0)]));
    let sum = (1..=60).map(|i| i / 3).sum();
    assert_eq!(found(&counts), [(2002, 2060, sum, 20)]);
}

#[test]
fn two_pulses_with_a_gap_are_two_bursts() {
    let two = |gap| {
        found(&series(&[
            (2000, 0),
            (10, 20),
            (gap, 0),
            (10, 20),
            (2000, 0),
        ]))
    };
    assert_eq!(two(15), [(2000, 2035, 400, 20)]);
    assert_eq!(two(17), [(2000, 2010, 200, 20), (2027, 2037, 200, 20)]);
    // 30 ms.
    assert_eq!(two(28), [(2000, 2010, 200, 20), (2038, 2048, 200, 20)]);
}

#[test]
fn too_few_are_no_burst() {
    let counts = series(&[(2000, 0), (4, 12), (2000, 0)]);
    assert_eq!(found(&counts), []);
    assert_eq!(bursts_from(ORIGIN, settings(48), &counts).len(), 1);
    assert_eq!(bursts_from(ORIGIN, settings(49), &counts).len(), 0);
}

#[test]
fn less_than_the_threshold_is_no_burst() {
    let counts = series(&[(2000, 100), (60, 200), (2000, 100)]);
    assert_eq!(found(&counts), []);
    let low = BurstSettings {
        threshold: 1.2,
        ..BurstSettings::default()
    };
    assert_eq!(bursts_from(ORIGIN, low, &counts).len(), 1);
}

#[test]
fn a_step_is_a_new_level() {
    for level in [2, 20, 500] {
        assert_eq!(found(&series(&[(2000, 0), (3000, level)])), [], "{level}");
        assert_eq!(found(&series(&[(2000, 1), (3000, 30 * level)])), []);
        assert_eq!(found(&series(&[(2000, level), (3000, 0)])), []);
    }
}

#[test]
fn a_pulse_on_a_new_level_is_found_after_the_level() {
    let counts = series(&[(2000, 0), (400, 10), (30, 200), (2000, 10)]);
    assert_eq!(found(&counts), [(2400, 2430, 6000, 200)]);
}

#[test]
fn a_pulse_at_the_start_is_found() {
    assert_eq!(
        found(&series(&[(10, 5), (20, 100), (3000, 5)])),
        [(10, 30, 2000, 100)]
    );
    assert_eq!(found(&series(&[(3000, 50)])), []);
}

#[test]
fn an_open_burst_ends_with_the_series() {
    assert_eq!(
        found(&series(&[(2000, 0), (100, 10)])),
        [(2000, 2100, 1000, 10)]
    );
    // Too long to be distinguished from a new level.
    assert_eq!(found(&series(&[(2000, 0), (700, 10)])), []);
}

#[test]
fn a_repeating_pattern_becomes_usual() {
    let pattern: Vec<(usize, u64)> = std::iter::repeat_n([(20, 20), (30, 0)], 200)
        .flatten()
        .collect();
    let bursts = found(&series(&pattern));
    assert!(bursts.iter().all(|b| b.0 < 3000), "{bursts:?}");
    // A few a second are bursts, each of them.
    let pattern: Vec<(usize, u64)> = std::iter::repeat_n([(20, 20), (300, 0)], 50)
        .flatten()
        .collect();
    assert_eq!(found(&series(&pattern)).len(), 50);
}

#[test]
fn after_bursts_the_first_event_of_the_next_is_still_seen() {
    let pulse = [(300, 0), (1, 1), (2, 0), (40, 12)];
    let pattern: Vec<(usize, u64)> = std::iter::repeat_n(pulse, 20).flatten().collect();
    let bursts = found(&series(&pattern));
    assert_eq!(bursts.len(), 20);
    assert!(bursts.iter().all(|b| b.2 == 481), "{bursts:?}");
}

/// A realistic case: pulses of 480 events in 40 buckets, in noise of some hundreds of events a second.
#[test]
fn edges_in_noise_are_nearly_always_within_a_bucket() {
    for (mean, certain) in [(0.1, 0.97), (0.3, 0.96), (1.0, 0.95)] {
        let mut near = 0;
        for seed in 1..=500 {
            let mut counts = poisson(mean, 3000, seed);
            counts[2000..2040].iter_mut().for_each(|count| *count += 12);
            let bursts = found(&counts);
            assert_eq!(bursts.len(), 1, "{bursts:?}");
            near += u32::from(bursts[0].0.abs_diff(2000) <= 1);
            near += u32::from(bursts[0].1.abs_diff(2040) <= 1);
        }
        let share = f64::from(near) / 1000.0;
        assert!(share >= certain, "{mean}: {share}");
    }
}

#[test]
fn lost_buckets_split_a_burst() {
    let mut detector = Detector::new(BurstSettings::default(), ORIGIN);
    series(&[(2000, 0), (10, 50)])
        .into_iter()
        .for_each(|count| detector.add(count));
    detector.resume_at(ORIGIN + 5000);
    assert_eq!(detector.found()[0].end, ORIGIN + 2010);
    series(&[(10, 50), (1000, 0)])
        .into_iter()
        .for_each(|count| detector.add(count));
    detector.finish();
    let bursts = detector.found();
    assert_eq!(
        (bursts[0].first, bursts[0].end),
        (ORIGIN + 5000, ORIGIN + 5010)
    );
}

/// Any series: quiet stretches, pulses, noise, levels.
fn anything() -> impl Strategy<Value = Vec<u64>> {
    let part = (
        1_usize..600,
        prop_oneof![Just(0_u64), 0..3_u64, 0..300_u64],
        any::<bool>(),
    );
    prop::collection::vec(part, 1..12).prop_flat_map(|parts| {
        let part = |(buckets, count, noisy): (usize, u64, bool)| {
            let low = if noisy { 0 } else { count };
            prop::collection::vec(low..=count, buckets)
        };
        parts
            .into_iter()
            .map(part)
            .collect::<Vec<_>>()
            .prop_map(|parts| parts.concat())
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A burst's counts are those of its buckets; bursts are in order and do not overlap.
    #[test]
    fn bursts_are_made_of_their_buckets(counts in anything(), least in 1_u64..200) {
        let bursts = bursts_from(ORIGIN, settings(least), &counts);
        let mut end = ORIGIN;
        for burst in &bursts {
            prop_assert!(burst.first >= end && burst.end > burst.first);
            end = burst.end;
            prop_assert!(end <= ORIGIN + counts.len() as u64);
            let inside = &counts[(burst.first - ORIGIN) as usize..(end - ORIGIN) as usize];
            prop_assert_eq!(burst.count, inside.iter().sum::<u64>());
            prop_assert_eq!(Some(&burst.peak), inside.iter().max());
            prop_assert!(inside[0] > 0 && inside[inside.len() - 1] > 0);
            prop_assert!(burst.count >= least);
        }
    }

    /// The result does not depend on when a series starts.
    #[test]
    fn a_shift_in_time_shifts_the_bursts(counts in anything(), shift in 0_u64..1 << 40) {
        let early = bursts_from(0, settings(20), &counts);
        let late = bursts_from(shift, settings(20), &counts);
        let moved: Vec<DetectedBurst> = early
            .iter()
            .map(|b| DetectedBurst { first: b.first + shift, end: b.end + shift, ..*b })
            .collect();
        prop_assert_eq!(moved, late);
    }

    /// What comes later does not change a burst that was reported.
    #[test]
    fn reported_bursts_do_not_change(counts in anything(), at in any::<prop::sample::Index>()) {
        let mut detector = Detector::new(settings(20), ORIGIN);
        let (before, after) = counts.split_at(at.index(counts.len()));
        before.iter().for_each(|&count| detector.add(count));
        let reported = detector.found();
        after.iter().for_each(|&count| detector.add(count));
        detector.finish();
        let all = [reported, detector.found()].concat();
        prop_assert_eq!(all, bursts_from(ORIGIN, settings(20), &counts));
    }

    #[test]
    fn a_constant_has_no_burst(count in 0_u64..5000, buckets in 0_usize..4000, quiet in 0_usize..2000) {
        // From the start, or as a step that lasts.
        prop_assert_eq!(found(&series(&[(buckets, count)])), vec![]);
        prop_assert_eq!(found(&series(&[(quiet, 0), (2000, count)])), vec![]);
    }

    #[test]
    fn steady_independent_events_have_no_burst(
        mean in prop_oneof![0.0..0.1, 0.1..5.0, 5.0..300.0], seed in any::<u64>()
    ) {
        let counts = poisson(mean, 6000, seed);
        prop_assert_eq!(bursts_from(ORIGIN, settings(1), &counts), vec![]);
    }

    /// Neither when it starts: a load so low has gaps that end a burst.
    #[test]
    fn the_start_of_a_low_load_is_no_burst(mean in 0.0..0.3, seed in any::<u64>()) {
        let counts = [series(&[(2000, 0)]), poisson(mean, 4000, seed)].concat();
        prop_assert_eq!(found(&counts), vec![]);
    }

    /// Events that usually come in clumps are not bursts.
    #[test]
    fn steady_clumps_have_no_burst(
        clump in 1_u64..200, mean in 0.05..2.0, seed in any::<u64>()
    ) {
        let counts: Vec<u64> = poisson(mean, 6000, seed).iter().map(|n| n * clump).collect();
        prop_assert_eq!(found(&counts), vec![]);
    }

    /// A pulse in noise is found with all its events. An edge is found too far out only by buckets in which the noise itself is far
    /// above its mean.
    #[test]
    fn a_pulse_is_found_in_noise(
        mean in 0.0..3.0, seed in any::<u64>(), buckets in 1_usize..300, times in 8_u64..30
    ) {
        let mut counts = poisson(mean, 6000, seed);
        let height = (mean * times as f64) as u64 + 10;
        prop_assume!(height * buckets as u64 > 100);
        let (first, end) = (3000, 3000 + buckets);
        let noise = counts.clone();
        counts[first..end].iter_mut().for_each(|count| *count += height);
        let bursts = found(&counts);
        prop_assert_eq!(bursts.len(), 1, "{:?}", bursts);
        let burst = bursts[0];
        prop_assert!(burst.0 <= first && end <= burst.1, "{:?}", burst);
        for beside in [&noise[burst.0..first], &noise[end..burst.1]] {
            let sum: u64 = beside.iter().sum();
            prop_assert!(sum as f64 >= 1.5 * mean * beside.len() as f64, "{:?}", beside);
        }
    }

    /// Empty buckets that come at once are the same as one after the other, at any moment: in a burst, while learning, in between.
    #[test]
    fn empty_buckets_may_come_at_once(parts in prop::collection::vec((anything(), 0_usize..3000), 1..5)) {
        let (mut slow, mut fast) = (Detector::new(settings(20), ORIGIN), Detector::new(settings(20), ORIGIN));
        for (counts, empty) in parts {
            for detector in [&mut slow, &mut fast] {
                counts.iter().for_each(|&count| detector.add(count));
            }
            (0..empty).for_each(|_| slow.add(0));
            fast.add_empty(empty);
            prop_assert_eq!(format!("{slow:?}"), format!("{fast:?}"));
        }
    }

    /// Memory does not grow with time, whatever happens.
    #[test]
    fn memory_is_bounded(parts in prop::collection::vec(anything(), 1..6)) {
        let mut detector = Detector::new(settings(20), ORIGIN);
        for count in parts.concat() {
            detector.add(count);
            let held = match &detector.phase {
                Phase::Learning(counts) => counts.len(),
                Phase::Above(stretch) => stretch.counts.len(),
                Phase::Usual => 0,
            };
            prop_assert!(held <= detector.longest.max(LEARNING));
        }
    }
}
