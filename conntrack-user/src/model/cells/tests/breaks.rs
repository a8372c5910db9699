//! Where buckets are lost, stop or start again, or have times that cannot be.

use super::*;
use crate::reading::buckets::MOST_BUCKETS;

/// Takes samples of 100 buckets each, with their totals and their buckets, and one without events; returns the values.
fn run(samples: &[(u64, Option<&[u64]>)]) -> Values {
    let mut feed = feed("10ms", None);
    let mut values = Values::new();
    let last = samples.last().map(|(total, _)| (*total, Some(&[][..])));
    for (at, (total, counts)) in (0_i64..).zip(samples.iter().copied().chain(last)) {
        let (start, end) = (place(100 * at), place(100 * at + 100));
        let value = sample(start, end, 0, total, counts.map(|counts| (start, counts)));
        add(&mut values, feed.take(&record(value)));
    }
    add(&mut values, feed.take(&summary()));
    values
}

/// Where a bucket starts.
fn place(bucket: i64) -> i64 {
    START + bucket * BUCKET
}

fn totals(values: &Values) -> Vec<f64> {
    let is_total = |metric: &GridMetric| *metric == GridMetric::ProbeTotal(Counter::New);
    let of = values.iter().filter(|((_, metric), _)| is_total(metric));
    of.map(|(_, total)| *total).collect()
}

fn peaks(values: &Values) -> usize {
    let peak = GridMetric::Peak(Counter::New);
    values.keys().filter(|(_, metric)| *metric == peak).count()
}

#[test]
fn totals_go_on_from_what_was_counted_before_there_were_buckets() {
    let values = run(&[(500, None), (600, Some(&[1; 100])), (700, Some(&[1; 100]))]);
    let totals = totals(&values);
    assert_eq!((totals[0], totals.last()), (500.0, Some(&700.0)));
    assert!(totals.is_sorted(), "{totals:?}");
}

#[test]
fn what_is_counted_in_a_bucket_that_is_still_open_is_counted_once() {
    // Five events are in the totals of one sample, and in the buckets of the next.
    let values = run(&[(105, Some(&[1; 100])), (200, Some(&[1; 100]))]);
    assert_eq!(totals(&values).last(), Some(&200.0));
}

#[test]
fn buckets_that_the_first_sample_has_lost_are_in_the_totals() {
    let mut feed = feed("10ms", None);
    let mut values = Values::new();
    let mut first = sample(place(0), place(100), 0, 900, Some((place(60), &[1; 40])));
    first["buckets_lost_ms"] = json!(60.0 * BUCKET as f64 / 1e6);
    let second = sample(
        place(100),
        place(200),
        0,
        1_000,
        Some((place(100), &[1; 100])),
    );
    let third = sample(place(200), place(300), 0, 1_000, Some((place(200), &[])));
    for value in [first, second, third] {
        add(&mut values, feed.take(&record(value)));
    }
    assert_eq!(totals(&values).last(), Some(&1_000.0));
}

#[test]
fn a_total_does_not_fall_when_buckets_come_back() {
    // The first bucket had started before the run did: there is more in it than the run has counted.
    let values = run(&[(90, Some(&[1; 100])), (95, None), (195, Some(&[1; 100]))]);
    let totals = totals(&values);
    // Without buckets there is the total of the reading.
    assert!(totals.contains(&95.0), "{totals:?}");
    let after: Vec<f64> = totals
        .iter()
        .copied()
        .skip_while(|total| *total != 95.0)
        .collect();
    assert_eq!((after[1], after.last()), (110.0, Some(&200.0)));
}

#[test]
fn a_clock_that_is_a_little_ahead_costs_no_peak() {
    let mut feed = feed("10ms", None);
    let mut values = Values::new();
    // Each sample starts three buckets after the one before it ended.
    for at in 0..10 {
        let (start, end) = (place(103 * at), place(103 * at + 100));
        let counts = [1; 100];
        let total = 100 * (at as u64 + 1);
        let value = sample(start, end, 0, total, Some((start, &counts)));
        add(&mut values, feed.take(&record(value)));
    }
    assert_eq!(peaks(&values), totals(&values).len());
    assert!(peaks(&values) > 90);
}

#[test]
fn lost_buckets_that_were_read_before_cost_no_peak() {
    for ahead in 8..11_usize {
        let mut feed = feed("10ms", None);
        let mut values = Values::new();
        let first = vec![1; 100 + ahead];
        let value = sample(
            place(0),
            place(100),
            0,
            first.len() as u64,
            Some((place(0), &first)),
        );
        add(&mut values, feed.take(&record(value)));
        let rest = vec![1; 92];
        let mut value = sample(
            place(100),
            place(200),
            0,
            (first.len() + rest.len()) as u64,
            Some((place(108), &rest)),
        );
        value["buckets_lost_ms"] = json!(8.0 * BUCKET as f64 / 1e6);
        add(&mut values, feed.take(&record(value)));
        let last = sample(place(200), place(300), 0, 200, Some((place(200), &[])));
        add(&mut values, feed.take(&record(last)));
        assert_eq!(peaks(&values), totals(&values).len(), "{ahead}");
        assert!(peaks(&values) > 20);
    }
}

#[test]
fn times_that_do_not_fit_together_make_no_cells() {
    // Of one sample: how many buckets its interval has, and how far after its end the only one with an event is.
    let most = MOST_BUCKETS;
    for (length, after, are_cells) in [
        (most, 0, true),
        (most + 1, 0, false),
        (100, most, true),
        (100, most + 1, false),
    ] {
        let mut feed = feed("1s", None);
        let mut values = Values::new();
        let end = place(length);
        let value = sample(
            place(0),
            end,
            0,
            1,
            Some((end + (after - 1) * BUCKET, &[1])),
        );
        add(&mut values, feed.take(&record(value)));
        let settled = (length + after - LATE as i64) * BUCKET / 1_000_000_000;
        let expected = if are_cells { settled } else { 0 };
        assert_eq!(peaks(&values) as i64, expected, "{length} {after}");
    }
}
