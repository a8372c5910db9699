//! Forecasts of known fills, at all sampling intervals, compared with what really comes.

mod statistics;

use proptest::prelude::*;

use crate::model::forecast::*;

const MAX: u64 = 262_144;

/// Samples the function `entries` every `interval_s` from `from_s` to `to_s`.
fn sampled(
    forecast: &mut Forecast,
    interval_s: f64,
    from_s: f64,
    to_s: f64,
    entries: impl Fn(f64) -> f64,
) -> u64 {
    let mut last = 0;
    let samples = ((to_s - from_s) / interval_s).round() as u64;
    for i in 0..=samples {
        let now_s = from_s + i as f64 * interval_s;
        last = entries(now_s).max(0.0) as u64;
        forecast.observe(Duration::from_secs_f64(now_s), last);
    }
    last
}

#[track_caller]
fn fills(forecast: &Forecast, entries: u64, max: u64) -> TimeToFull {
    let outlook = forecast.outlook(Some(entries), Some(max));
    outlook
        .time_to_full()
        .unwrap_or_else(|| panic!("{outlook:?}, {:?}", forecast.rate()))
}

/// The estimate is within 10 % of the truth, and the range contains it except for the rounding of entries.
#[track_caller]
fn assert_near(time: TimeToFull, truth_s: f64) {
    assert!(
        (time.estimate - truth_s).abs() <= 0.1 * truth_s,
        "{time:?}, in truth {truth_s}"
    );
    assert!(
        time.low <= 1.001 * truth_s && truth_s <= 1.001 * time.high,
        "{time:?}, in truth {truth_s}"
    );
}

/// Poisson arrivals with `rate` per second.
struct Poisson {
    state: u64,
    rate: f64,
    next_s: f64,
    count: u64,
}

impl Poisson {
    fn new(seed: u64, rate: f64) -> Self {
        let mut arrivals = Self {
            state: seed,
            rate,
            next_s: 0.0,
            count: 0,
        };
        arrivals.next_s = arrivals.gap_s();
        arrivals
    }

    fn gap_s(&mut self) -> f64 {
        // splitmix64
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        let uniform = ((z >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -uniform.ln() / self.rate
    }

    fn until(&mut self, now_s: f64) -> u64 {
        while self.next_s <= now_s {
            self.count += 1;
            self.next_s += self.gap_s();
        }
        self.count
    }
}

#[test]
fn a_known_rate_is_known_from_the_third_second_on() {
    for interval_s in [0.01, 0.05, 0.1, 0.25, 0.333, 0.5, 1.0] {
        for rate in [20.0, 300.0, 5_000.0, 80_000.0] {
            let mut forecast = Forecast::new();
            let steps = (6.0 / interval_s) as u32;
            for i in 0..steps {
                let now_s = f64::from(i) * interval_s;
                let entries = (100.0 + rate * now_s) as u64;
                forecast.observe(Duration::from_secs_f64(now_s), entries);
                let max = entries + (60.0 * rate) as u64;
                if now_s >= 3.0 {
                    assert_near(fills(&forecast, entries, max), 60.0);
                }
            }
        }
    }
}

#[test]
fn a_fill_that_starts_later_is_known_within_three_seconds() {
    for interval_s in [0.01, 0.1, 0.25, 0.5] {
        for began_s in [5.0, 20.1, 40.037] {
            for after_s in [3.0, 3.5, 4.0, 5.0, 7.0, 11.0, 20.0, 45.0] {
                let mut forecast = Forecast::new();
                let fill = |now_s: f64| 1_000.0 + 1_500.0 * (now_s - began_s).max(0.0);
                let until_s = began_s + after_s;
                let entries = sampled(&mut forecast, interval_s, 0.0, until_s, fill);
                let time = fills(&forecast, entries, entries + 30_000);
                assert_near(time, 20.0);
            }
        }
    }
}

#[test]
fn slow_sampling_has_a_forecast() {
    for interval_s in [10.0, 60.0, 3600.0] {
        let mut forecast = Forecast::new();
        let rate = 3.0 / interval_s;
        let fill = |now_s: f64| 50.0 + rate * now_s;
        let entries = sampled(&mut forecast, interval_s, 0.0, 4.0 * interval_s, fill);
        let in_two_hours = (rate * 7_200.0) as u64;
        if in_two_hours > 0 {
            assert_near(
                fills(&forecast, entries, entries + in_two_hours),
                in_two_hours as f64 / rate,
            );
        }
        assert!(
            forecast
                .scales
                .iter()
                .all(|scale| scale.points.len() == 5 || scale.points.len() == LEAST_POINTS)
        );
    }
}

#[test]
fn a_table_that_is_full_has_no_time_left() {
    let mut forecast = Forecast::new();
    for entries in [MAX, MAX + 5] {
        let time = fills(&forecast, entries, MAX);
        assert_eq!((time.estimate, time.low, time.high), (0.0, 0.0, 0.0));
        forecast.observe(Duration::ZERO, entries);
    }
}

#[test]
fn an_unknown_input_has_no_forecast() {
    let mut forecast = Forecast::new();
    let unknown = |forecast: &Forecast, entries, max| {
        matches!(forecast.outlook(entries, max), Outlook::Unknown(_))
    };
    assert!(unknown(&forecast, Some(1), Some(MAX)), "no reading");
    for i in 0..10 {
        forecast.observe(Duration::from_millis(100 * i), i);
        assert!(unknown(&forecast, Some(i), Some(MAX)), "not yet a second");
    }
    sampled(&mut forecast, 0.1, 1.0, 3.0, |now_s| 1000.0 * now_s);
    assert!(!unknown(&forecast, Some(3000), Some(MAX)));
    assert!(unknown(&forecast, None, Some(MAX)));
    assert!(unknown(&forecast, Some(3000), None));
    assert!(unknown(&forecast, Some(3000), Some(0)), "no limit");
}

#[test]
fn a_table_that_does_not_fill_has_no_forecast() {
    type Course = fn(f64) -> f64;
    let courses: [(&str, Course); 4] = [
        ("idle", |_| 5_000.0),
        ("empties", |now_s| 90_000.0 - 500.0 * now_s),
        ("swings", |now_s| 5_000.0 + 800.0 * (now_s * 9.0).sin()),
        ("fills in centuries", |now_s| (now_s * 0.0001).floor()),
    ];
    for (name, course) in courses {
        let mut forecast = Forecast::new();
        for i in 0..600 {
            let now_s = f64::from(i) * 0.1;
            let entries = course(now_s) as u64;
            forecast.observe(Duration::from_secs_f64(now_s), entries);
            let outlook = forecast.outlook(Some(entries), Some(MAX));
            assert_eq!(outlook.time_to_full(), None, "{name} at {now_s}");
        }
    }
}

#[test]
fn a_single_burst_is_no_trend() {
    let mut forecast = Forecast::new();
    let burst = |now_s: f64| if now_s < 10.3 { 1_000.0 } else { 61_000.0 };
    for i in 0..300 {
        let now_s = f64::from(i) * 0.1;
        let entries = burst(now_s) as u64;
        forecast.observe(Duration::from_secs_f64(now_s), entries);
        let outlook = forecast.outlook(Some(entries), Some(MAX));
        assert_eq!(outlook.time_to_full(), None, "at {now_s}");
    }
}

#[test]
fn a_burst_within_a_steady_fill_is_ignored() {
    let mut forecast = Forecast::new();
    let fill = |now_s: f64| 200.0 * now_s + if now_s < 10.3 { 0.0 } else { 40_000.0 };
    let mut seen = 0;
    for i in 0..300 {
        let now_s = f64::from(i) * 0.1;
        let entries = fill(now_s) as u64;
        forecast.observe(Duration::from_secs_f64(now_s), entries);
        if (3.0..10.2).contains(&now_s) || now_s > 12.5 {
            assert_near(fills(&forecast, entries, entries + 20_000), 100.0);
            seen += 1;
        }
    }
    assert!(seen > 200);
}

#[test]
fn regular_bursts_are_a_fill() {
    // 800 flows at once, every 400 ms.
    let mut forecast = Forecast::new();
    let stairs = |now_s: f64| (now_s / 0.4).floor() * 800.0;
    let entries = sampled(&mut forecast, 0.05, 0.0, 20.0, stairs);
    assert_near(fills(&forecast, entries, entries + 80_000), 40.0);
}

#[test]
fn the_end_of_a_fill_shows_within_two_seconds() {
    let mut forecast = Forecast::new();
    let fill = |now_s: f64| 2_000.0 * now_s.min(12.0);
    let entries = sampled(&mut forecast, 0.1, 0.0, 12.0, fill);
    fills(&forecast, entries, MAX);
    let entries = sampled(&mut forecast, 0.1, 12.1, 14.1, fill);
    assert_eq!(forecast.outlook(Some(entries), Some(MAX)), Outlook::Steady);
}

#[test]
fn a_changed_maximum_counts_at_once() {
    let mut forecast = Forecast::new();
    let entries = sampled(&mut forecast, 0.1, 0.0, 5.0, |now_s| 1_000.0 * now_s);
    assert_near(fills(&forecast, entries, 10_000), 5.0);
    assert_near(fills(&forecast, entries, 105_000), 100.0);
    assert_eq!(fills(&forecast, entries, 4_000).estimate, 0.0);
}

#[test]
fn the_range_contains_the_truth_of_random_arrivals() {
    let (mut within, mut near, mut all) = (0, 0, 0);
    for seed in 0..200 {
        let rate = 1_000.0;
        let mut arrivals = Poisson::new(seed, rate);
        let mut forecast = Forecast::new();
        for i in 0..=120 {
            let now_s = f64::from(i) * 0.1;
            let entries = arrivals.until(now_s);
            forecast.observe(Duration::from_secs_f64(now_s), entries);
            if now_s >= 3.0 && i % 15 == 0 {
                let time = fills(&forecast, entries, entries + 50_000);
                all += 1;
                within += u32::from(time.low <= 50.0 && 50.0 <= time.high);
                near += u32::from((time.estimate - 50.0).abs() <= 5.0);
            }
        }
    }
    assert!(within * 100 >= all * 95, "{within} of {all}");
    assert!(near * 100 >= all * 99, "{near} of {all}");
}

#[test]
fn a_random_walk_is_seldom_taken_for_a_fill() {
    let (mut fills, mut all) = (0, 0);
    for seed in 0..200 {
        let mut come = Poisson::new(seed, 3_000.0);
        let mut go = Poisson::new(seed + 10_000, 3_000.0);
        let mut forecast = Forecast::new();
        for i in 0..=300 {
            let now_s = f64::from(i) * 0.1;
            let entries = 50_000 + come.until(now_s) - go.until(now_s);
            forecast.observe(Duration::from_secs_f64(now_s), entries);
            if i >= 30 && i % 10 == 0 {
                let outlook = forecast.outlook(Some(entries), Some(MAX));
                fills += u32::from(outlook.time_to_full().is_some());
                all += 1;
            }
        }
    }
    assert!(fills * 100 <= all * 5, "{fills} of {all}");
}

proptest! {
    /// Any input at any times: never panics, and the range contains a positive estimate.
    #[test]
    fn ranges_contain_their_estimates(
        steps in prop::collection::vec((1..100_000_u64, 0..300_000_u64), 1..200),
        max in 0..400_000_u64,
    ) {
        let mut forecast = Forecast::new();
        let mut now = Duration::ZERO;
        for (ms, entries) in steps {
            now += Duration::from_millis(ms);
            forecast.observe(now, entries);
            if let Some(rate) = forecast.rate() {
                prop_assert!(rate.low <= rate.estimate && rate.estimate <= rate.high);
                prop_assert!(rate.low.is_finite() && rate.high.is_finite());
            }
            match forecast.outlook(Some(entries), Some(max)) {
                Outlook::Fills(time) => {
                    prop_assert!(max > 0);
                    prop_assert!(0.0 <= time.low && time.low <= time.estimate);
                    prop_assert!(time.estimate <= time.high && time.estimate <= HORIZON_S);
                    prop_assert!(time.high <= MEANINGFUL * time.estimate * (1.0 + 1e-9));
                    prop_assert_eq!(time.estimate == 0.0, entries >= max);
                }
                Outlook::Steady => prop_assert!(entries < max),
                Outlook::Unknown(_) => {}
            }
            for scale in &forecast.scales {
                prop_assert!(scale.points.len() <= SLOTS as usize + 1);
            }
        }
    }

    /// The same fill sampled at different intervals gives the same forecast.
    #[test]
    fn the_sampling_interval_does_not_matter(
        rate in 50.0..50_000.0_f64,
        first_ms in 10..1_000_u32,
        second_ms in 10..1_000_u32,
        seconds in 4..60_u32,
    ) {
        let foretold = |interval_ms: u32| {
            let mut forecast = Forecast::new();
            let interval_s = f64::from(interval_ms) / 1e3;
            let entries = sampled(&mut forecast, interval_s, 0.0, f64::from(seconds), |now_s| rate * now_s);
            fills(&forecast, entries, entries + (rate * 100.0) as u64).estimate
        };
        let (first, second) = (foretold(first_ms), foretold(second_ms));
        prop_assert!((first - second).abs() <= 0.02 * first, "{} {}", first, second);
    }
}
