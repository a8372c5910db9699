//! What a burst has at least, and beside which usual rate.

use super::*;

#[test]
fn the_usual_rate_is_that_of_the_last_two_seconds() {
    // Twice as many as before are no burst and no new level; then they are what is usual.
    let counts = series(&[(2000, 10), (4000, 20), (10, 200), (2000, 20)]);
    let bursts = bursts_from(ORIGIN, BurstSettings::default(), &counts);
    assert_eq!(bursts.len(), 1, "{bursts:?}");
    assert_eq!(bursts[0].usual, 20.0);
    // And what is a burst is by that.
    let after = series(&[(2000, 10), (4000, 25), (40, 45), (2000, 25)]);
    assert_eq!(found(&after), []);
    let before = series(&[(2000, 10), (40, 45), (2000, 10)]);
    assert_eq!(found(&before).len(), 1);
}

#[test]
fn what_is_usual_does_not_count_as_a_burst() {
    // 5 buckets of 50 where 10 are usual: 200 more than usual.
    let counts = series(&[(2000, 10), (5, 50), (2000, 10)]);
    assert_eq!(
        bursts_from(ORIGIN, settings(200), &counts)
            .iter()
            .map(|burst| burst.count)
            .collect::<Vec<_>>(),
        [250]
    );
    assert_eq!(bursts_from(ORIGIN, settings(201), &counts), []);
}

#[test]
fn on_an_idle_system_the_average_of_a_burst_is_more_than_half_an_event_a_bucket() {
    let pattern = |counts: &[u64], times: usize| {
        let counts = counts.repeat(times);
        found(&[series(&[(2000, 0)]), counts, series(&[(2000, 0)])].concat())
    };
    // 715 and 318 events a second.
    assert_eq!(pattern(&[1, 1, 1, 0], 50), [(2000, 2199, 150, 1)]);
    assert_eq!(pattern(&[1, 0, 0], 100), []);
}
