//! What is computed, by numbers that were computed by hand.

use super::*;

/// A scale of slots of a second with these numbers of entries, one every `step_s` seconds.
fn scale(step_s: u64, entries: &[f64]) -> Scale {
    let mut scale = Scale {
        slot: Duration::from_secs(1),
        least: SLOTS as usize,
        points: VecDeque::new(),
    };
    for (i, &entries) in (0..).zip(entries) {
        scale.push(Duration::from_secs(i * step_s), entries);
    }
    scale
}

#[track_caller]
fn assert_close(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-9, "{value}, not {expected}");
}

#[test]
fn a_median_is_in_the_middle() {
    assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
    assert_eq!(median(&mut [9.0, 1.0, 2.0, 3.0]), 2.5);
    assert_eq!(median(&mut [7.0]), 7.0);
}

/// The ranks of M. Hollander and D. A. Wolfe's normal approximation: (N − z √(n (n − 1) (2 n + 5) / 18)) / 2.
#[test]
fn an_interval_is_that_of_its_rank() {
    let interval = |points: usize, deviations| {
        let slopes: Vec<f64> = (0..points * (points - 1) / 2).map(|i| i as f64).collect();
        let range = sens_interval(&slopes, points, deviations);
        (range.low, range.high)
    };
    // √589.3 = 24.28: (136 − 62.5) / 2 and (136 − 36.4) / 2.
    assert_eq!(interval(17, 2.576), (36.0, 99.0));
    assert_eq!(interval(17, 1.5), (49.0, 86.0));
    // √92 = 9.59: (36 − 24.7) / 2.
    assert_eq!(interval(9, 2.576), (5.0, 30.0));
    // Too few for any certainty: all of them.
    assert_eq!(interval(4, 2.576), (0.0, 5.0));
}

#[test]
fn the_diffusion_is_that_of_the_steps_scattered_about_their_median() {
    // Steps of 10, 12, 8 and 30 a second: off from their median, 11, by 1, 1, 3 and 19.
    let scale = scale(2, &[0.0, 20.0, 44.0, 60.0, 120.0]);
    assert_eq!(scale.span_s(), 8.0);
    let variance = (1.4826_f64 * 2.0).powi(2) * 1.5;
    assert_close(scale.diffusion(8.0), variance * 8.0 / 4.0);
}

#[test]
fn a_slope_is_no_more_certain_than_one_entry_and_a_random_walk() {
    let scale = scale(2, &[0.0, 200.0, 400.0, 600.0, 800.0]);
    let certain = scale.slope(0.0).unwrap();
    assert_eq!((certain.estimate, certain.span_s), (100.0, 8.0));
    for range in [certain.narrow, certain.wide] {
        assert_eq!((range.low, range.high), (99.875, 100.125));
    }
    // With the diffusion of a shorter scale: √(6/5 · 2 / 8).
    let doubted = scale.slope(2.0).unwrap();
    assert_eq!(doubted.diffusion, 2.0);
    let deviation = 0.3_f64.sqrt();
    for (range, reach) in [(doubted.narrow, 1.75), (doubted.wide, 3.71)] {
        let walk = reach * deviation + 0.125;
        assert_close(range.low, 100.0 - walk);
        assert_close(range.high, 100.0 + walk);
    }
}

#[test]
fn a_slope_is_the_median_of_those_between_all_points() {
    let forecast = wavering(10.0);
    for scale in &forecast.scales {
        let points = Vec::from_iter(&scale.points);
        let mut slopes = Vec::new();
        for (i, from) in points.iter().enumerate() {
            for to in &points[i + 1..] {
                let seconds = to.time_s() - from.time_s();
                slopes.push((to.entries() - from.entries()) / seconds);
            }
        }
        let estimate = scale.slope(0.0).unwrap().estimate;
        assert_close(estimate, median(&mut slopes));
    }
    assert_eq!(forecast.scales[0].points.len(), MOST_POINTS);
}

#[test]
fn a_slope_needs_four_points_in_a_second() {
    let of = |step_ms: u64, samples: u64| {
        let mut scale = Scale {
            slot: SLOT,
            least: SLOTS as usize,
            points: VecDeque::new(),
        };
        for i in 0..samples {
            scale.push(Duration::from_millis(i * step_ms), i as f64);
        }
        scale.slope(0.0).is_some()
    };
    assert!(!of(1_000, 3));
    assert!(of(1_000, 4));
    assert!(!of(125, 8));
    assert!(of(125, 9));
}

#[test]
fn samples_of_a_slot_are_one_point_and_no_more_points_are_kept_than_there_is_memory_for() {
    let mut forecast = Forecast::new();
    for i in 0..10_000 {
        forecast.observe(Duration::from_millis(i * 5), i);
    }
    let points: Vec<_> = forecast
        .scales
        .iter()
        .map(|scale| scale.points.len())
        .collect();
    assert_eq!(points, [MOST_POINTS; SCALES]);
    // The first slot that is kept began 2 s before the current one, at 49.875 s: 25 samples, on average 60 ms after its start.
    let first = forecast.scales[0].points[0];
    assert_close(first.time_s(), 47.935);
    assert_close(first.entries(), 9_587.0);
}

/// A fill that wavers, so that no two scales have the same slope.
fn wavering(seconds: f64) -> Forecast {
    let mut forecast = Forecast::new();
    let course = |now_s: f64| 1_000.0 * now_s + 30.0 * (now_s * now_s * 7.0).sin();
    sampled(&mut forecast, 0.05, 0.0, seconds, course);
    forecast
}

#[test]
fn a_scale_decides_as_soon_as_it_looks_back_farther() {
    // Until 2.5 s all look back about as far.
    let forecast = wavering(2.4);
    let shortest = forecast.scales[0].slope(0.0).unwrap();
    let rate = forecast.rate().unwrap();
    assert_eq!(rate.estimate, shortest.estimate);
    assert_eq!(
        (rate.low, rate.high),
        (shortest.wide.low, shortest.wide.high)
    );
    // Then the next one does, and the others not yet.
    let forecast = wavering(3.0);
    let shortest = forecast.scales[0].slope(0.0).unwrap();
    let next = forecast.scales[1].slope(shortest.diffusion).unwrap();
    let rate = forecast.rate().unwrap();
    assert_ne!(next.estimate, shortest.estimate);
    assert_eq!(rate.estimate, next.estimate);
    // Both ranges hold.
    assert_eq!(rate.low, shortest.wide.low.max(next.wide.low));
    assert_eq!(rate.high, shortest.wide.high.min(next.wide.high));
}

#[test]
fn what_is_certain_of_the_last_seconds_stays_certain() {
    // It wavered in the first second, so that it may have risen by less over three seconds, but not over the last two.
    let mut forecast = Forecast::new();
    let course = |now_s: f64| {
        let waver = if now_s < 0.9 {
            30.0 * (now_s * 9.0).sin()
        } else {
            0.0
        };
        1_000.0 * now_s + 100.0 + waver
    };
    sampled(&mut forecast, 0.05, 0.0, 3.0, course);
    let shortest = forecast.scales[0].slope(0.0).unwrap();
    let next = forecast.scales[1].slope(shortest.diffusion).unwrap();
    assert!(next.wide.low < shortest.wide.low, "{next:?}, {shortest:?}");
    assert!(
        next.wide.high < shortest.wide.high,
        "{next:?}, {shortest:?}"
    );
    let rate = forecast.rate().unwrap();
    assert_eq!((rate.low, rate.high), (shortest.wide.low, next.wide.high));
}

#[test]
fn a_range_has_what_both_have() {
    let range = |low, high| SlopeRange { low, high };
    let both = |one: SlopeRange, other| one.and(other).map(|both| (both.low, both.high));
    assert_eq!(both(range(1.0, 3.0), range(2.0, 4.0)), Some((2.0, 3.0)));
    assert_eq!(both(range(1.0, 2.0), range(2.0, 4.0)), Some((2.0, 2.0)));
    assert_eq!(both(range(1.0, 2.0), range(3.0, 4.0)), None);
}

#[test]
fn a_forecast_is_made_where_the_fill_is_certain_and_ends_within_a_day() {
    let until_full = |low, estimate, room| {
        let rate = Rate {
            estimate,
            low,
            high: 8.0,
        };
        rate.until_full(room)
    };
    let fills = |estimate, low, high| {
        Outlook::Fills(TimeToFull {
            estimate,
            low,
            high,
        })
    };
    assert_eq!(until_full(2.0, 4.0, 80.0), fills(20.0, 10.0, 40.0));
    // The latest is 4 times the estimate, and more.
    assert_eq!(until_full(1.0, 4.0, 80.0), fills(20.0, 10.0, 80.0));
    assert_eq!(until_full(0.9, 4.0, 80.0), Outlook::Steady);
    // It may not fill at all.
    assert_eq!(until_full(0.0, 4.0, 80.0), Outlook::Steady);
    assert_eq!(until_full(0.0, 0.0, 80.0), Outlook::Steady);
    assert_eq!(until_full(-4.0, -1.0, 80.0), Outlook::Steady);
    // In a day, and later.
    let day = 86_400.0;
    assert_eq!(
        until_full(2.0, 4.0, 4.0 * day),
        fills(day, day / 2.0, 2.0 * day)
    );
    assert_eq!(until_full(2.0, 4.0, 4.0 * day + 4.0), Outlook::Steady);
}
