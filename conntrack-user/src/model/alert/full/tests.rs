//! One sample a second in, notifications out.

use proptest::prelude::*;

use crate::model::alert::{
    AlertStatus::{self, Clear, Critical, Warning},
    Change, Notifier,
    full::*,
};

/// With this maximum one entry is a thousandth of a percent.
const MAX: u64 = 100_000;

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn entries(percent: f64) -> u64 {
    (percent * MAX as f64 / 100.0).round() as u64
}

/// Feeds one sample a second, `until` included; from each `(second, percent)` on, the table is that full.
/// Returns (second, previous, status, percent) of each notification.
fn run(
    levels: &[(u64, f64)],
    until: u64,
) -> (ConntrackFull, Vec<(u64, AlertStatus, AlertStatus, f64)>) {
    let mut alert = ConntrackFull::new();
    let mut notified = Vec::new();
    for now in 0..=until {
        let level = levels.iter().rev().find(|(from, _)| *from <= now);
        let percent = level.map_or(0.0, |(_, percent)| *percent);
        if let Some(n) = alert.observe(secs(now), entries(percent), Some(MAX)) {
            assert_eq!(n.at, secs(now));
            notified.push((now, n.previous, n.status, n.value));
        }
    }
    (alert, notified)
}

fn check(levels: &[(u64, f64)], until: u64, expected: &[(u64, AlertStatus, AlertStatus, f64)]) {
    assert_eq!(run(levels, until).1, expected, "{levels:?}");
}

#[test]
fn it_raises_above_90_and_95_and_not_at_them() {
    check(&[(0, 90.0)], 60, &[]);
    check(&[(0, 90.001)], 60, &[(0, Clear, Warning, 90.001)]);
    check(&[(0, 95.0)], 60, &[(0, Clear, Warning, 95.0)]);
    check(&[(0, 95.001)], 60, &[(0, Clear, Critical, 95.001)]);
    check(&[(0, 120.0)], 60, &[(0, Clear, Critical, 120.0)]);
    check(
        &[(0, 50.0), (13, 91.0), (33, 96.0)],
        60,
        &[(20, Clear, Warning, 91.0), (40, Warning, Critical, 96.0)],
    );
}

#[test]
fn it_holds_down_to_85_and_90() {
    let warned = (0, Clear, Warning, 91.0);
    let critical = (0, Clear, Critical, 96.0);
    check(&[(0, 91.0), (1, 85.001)], 2000, &[warned]);
    // The peak at 0 s has left the window at 10 s.
    check(
        &[(0, 91.0), (1, 85.0)],
        2000,
        &[warned, (310, Warning, Clear, 85.0)],
    );
    check(&[(0, 96.0), (1, 90.001)], 2000, &[critical]);
    check(
        &[(0, 96.0), (1, 90.0)],
        2000,
        &[critical, (310, Critical, Warning, 90.0)],
    );
    check(
        &[(0, 96.0), (1, 85.0)],
        2000,
        &[critical, (310, Critical, Clear, 85.0)],
    );
    // Down to warning, critical is entered above 95 again.
    check(
        &[(0, 96.0), (1, 89.0), (400, 95.0)],
        2000,
        &[critical, (310, Critical, Warning, 89.0)],
    );
}

#[test]
fn the_documented_example_warns() {
    let mut alert = ConntrackFull::new();
    let notified = alert.observe(secs(7), 242_000, Some(262_144));
    assert_eq!(
        notified.map(|n| (n.previous, n.status)),
        Some((Clear, Warning))
    );
    assert_eq!(
        alert.value().map(|value| format!("{value:.1}")),
        Some("92.3".into())
    );
}

#[test]
fn a_peak_between_evaluations_is_seen_once() {
    for at in [11, 15, 19, 20] {
        check(
            &[(0, 10.0), (at, 99.0), (at + 1, 10.0)],
            2000,
            &[(20, Clear, Critical, 99.0), (330, Critical, Clear, 10.0)],
        );
    }
    let notified = (30, Clear, Critical, 99.0);
    check(&[(0, 10.0), (21, 99.0), (22, 10.0)], 300, &[notified]);
}

#[test]
fn a_peak_is_seen_at_any_sampling_rate() {
    // Unless it divides 10 s, evaluations come late, by up to a whole period.
    for step in [100, 900, 3_300, 9_999, 10_000, 10_001, 25_000].map(Duration::from_millis) {
        for peak in 1..200 {
            let mut alert = ConntrackFull::new();
            let seen = (0..400).any(|sample| {
                let percent = if sample == peak { 96.0 } else { 1.0 };
                alert
                    .observe(step * sample, entries(percent), Some(MAX))
                    .is_some_and(|n| n.status == Critical)
            });
            assert!(seen, "{step:?} {peak}");
        }
    }
}

/// The values after each of some samples, of (second, percent).
fn values(samples: &[(u64, f64)]) -> Vec<Option<f64>> {
    let mut alert = ConntrackFull::new();
    let observed = samples.iter().map(|&(at, percent)| {
        alert.observe(secs(at), entries(percent), Some(MAX));
        alert.value()
    });
    observed.collect()
}

#[test]
fn a_late_sample_moves_no_later_evaluation() {
    let samples = [(0, 1.0), (13, 2.0), (19, 3.0), (20, 4.0), (29, 5.0)];
    assert_eq!(values(&samples), [1.0, 2.0, 2.0, 4.0, 4.0].map(Some));
    // After a gap in which one is left out, evaluations are ten seconds from that sample on.
    let samples = [(0, 1.0), (20, 2.0), (21, 3.0), (29, 4.0), (30, 5.0)];
    assert_eq!(values(&samples), [1.0, 2.0, 2.0, 2.0, 5.0].map(Some));
}

#[test]
fn a_peak_after_an_evaluation_is_in_the_next_even_if_that_is_late() {
    for (late, value) in [(10, 99.0), (11, 99.0), (19, 99.0), (20, 3.0), (30, 3.0)] {
        let samples = [(0, 1.0), (1, 99.0), (2, 2.0), (late, 3.0)];
        assert_eq!(values(&samples).last(), Some(&Some(value)), "{late}");
    }
}

#[test]
fn a_raise_during_the_delay_cancels_the_recovery_silently() {
    let (alert, notified) = run(&[(0, 91.0), (1, 10.0), (200, 92.0)], 5000);
    assert_eq!(notified, [(0, Clear, Warning, 91.0)]);
    assert_eq!(
        (
            alert.alarm.notifier().status(),
            alert.alarm.notifier().pending()
        ),
        (Warning, None)
    );
}

#[test]
fn a_raise_above_the_notified_status_is_notified_at_once() {
    check(
        &[(0, 91.0), (1, 10.0), (200, 96.0)],
        5000,
        &[(0, Clear, Warning, 91.0), (200, Warning, Critical, 96.0)],
    );
}

#[test]
fn a_raise_at_the_end_of_the_delay_wins() {
    // Cleared at 10 s, so due at 310 s.
    check(
        &[(0, 91.0), (1, 10.0), (310, 92.0)],
        5000,
        &[(0, Clear, Warning, 91.0)],
    );
    check(
        &[(0, 91.0), (1, 10.0), (311, 92.0)],
        5000,
        &[
            (0, Clear, Warning, 91.0),
            (310, Warning, Clear, 10.0),
            (320, Clear, Warning, 92.0),
        ],
    );
}

#[test]
fn a_recovery_in_two_steps_is_delayed_longer() {
    // Warning at 10 s, due at 310 s; clear at 110 s restarts the wait at 7.5 min.
    check(
        &[(0, 96.0), (1, 89.0), (101, 10.0)],
        5000,
        &[
            (0, Clear, Critical, 96.0),
            (110 + 450, Critical, Clear, 10.0),
        ],
    );
}

/// Waits in seconds of the falls of an alert that rises again 10 s into each of them.
fn flapping_waits(notifier: &mut Notifier, start: u64, falls: usize) -> Vec<f64> {
    (0..falls as u64)
        .filter_map(|fall| {
            let rise = secs(start + 20 * fall);
            notifier.update(rise, Warning);
            notifier.take_due(rise);
            notifier.update(rise + secs(10), Clear);
            let (_, due) = notifier.pending()?;
            Some((due - rise - secs(10)).as_secs_f64())
        })
        .collect()
}

#[test]
fn delays_grow_while_the_status_flaps() {
    let mut notifier = Notifier::new(ConntrackFull::DELAY);
    assert_eq!(
        flapping_waits(&mut notifier, 0, 9),
        [
            300.0, 450.0, 675.0, 1012.5, 1518.75, 2278.125, 3417.1875, 3600.0, 3600.0
        ]
    );
}

#[test]
fn growth_is_reset_by_a_notified_recovery() {
    let mut notifier = Notifier::new(ConntrackFull::DELAY);
    flapping_waits(&mut notifier, 0, 3);
    let (_, due) = notifier.pending().expect("a fall is pending");
    assert_eq!(notifier.take_due(due - Duration::from_nanos(1)), None);
    let (previous, status) = (Warning, Clear);
    assert_eq!(notifier.take_due(due), Some(Change { previous, status }));
    assert_eq!(notifier.take_due(due), None);
    assert_eq!(
        flapping_waits(&mut notifier, due.as_secs() + 1, 2),
        [300.0, 450.0]
    );
}

#[test]
fn growth_is_reset_after_a_cancelled_delay_has_passed() {
    for (fall, expected) in [(10 + 300, 450), (10 + 300 + 1, 300)] {
        let mut notifier = Notifier::new(ConntrackFull::DELAY);
        notifier.update(secs(0), Warning);
        notifier.take_due(secs(0));
        notifier.update(secs(10), Clear);
        notifier.update(secs(20), Warning);
        notifier.update(secs(fall), Clear);
        assert_eq!(notifier.pending(), Some((Clear, secs(fall + expected))));
    }
}

#[test]
fn raises_can_be_delayed_too() {
    let mut notifier = Notifier::new(Delay {
        up: secs(60),
        ..ConntrackFull::DELAY
    });
    notifier.update(secs(0), Warning);
    assert_eq!(notifier.pending(), Some((Warning, secs(60))));
    notifier.update(secs(30), Clear);
    assert_eq!(
        (notifier.pending(), notifier.take_due(secs(500))),
        (None, None)
    );
    notifier.update(secs(50), Critical);
    assert_eq!(notifier.pending(), Some((Critical, secs(50 + 90))));
}

#[test]
fn without_a_maximum_nothing_is_evaluated() {
    let mut alert = ConntrackFull::new();
    for max in [None, Some(0)] {
        assert_eq!(alert.observe(secs(0), 50, max), None);
        assert_eq!(
            (alert.value(), alert.alarm.notifier().status()),
            (None, Clear)
        );
    }
    // As soon as there is one, and over the last 10 s only.
    let notified = alert.observe(secs(3), 10, Some(50));
    assert_eq!(
        notified.map(|n| (n.status, n.value)),
        Some((Critical, 100.0))
    );
    assert_eq!(alert.observe(secs(13), 1, None), None);
    assert_eq!(
        (alert.value(), alert.alarm.notifier().status()),
        (Some(100.0), Critical)
    );
    assert_eq!(alert.observe(secs(500), 1, Some(50)), None);
    assert_eq!(
        (alert.value(), alert.alarm.notifier().status()),
        (Some(2.0), Clear)
    );
    // A recovery that is due does not need one.
    let notified = alert.observe(secs(800), 2, None);
    assert_eq!(notified.map(|n| (n.status, n.value)), Some((Clear, 2.0)));
}

#[test]
fn nan_keeps_the_status() {
    for status in [Clear, Warning, Critical] {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(ConntrackFull::THRESHOLDS.status(status, value), status);
        }
    }
}

#[test]
fn statuses_are_written_in_capitals() -> Result<(), serde_json::Error> {
    for (status, name) in [
        (Clear, "CLEAR"),
        (Warning, "WARNING"),
        (Critical, "CRITICAL"),
    ] {
        assert_eq!(status.to_string(), name);
        assert_eq!(serde_json::to_value(status)?, name);
    }
    assert!(Clear < Warning && Warning < Critical);
    Ok(())
}

proptest! {
    #[test]
    fn notifications_form_a_chain_and_raises_are_never_delayed(
        samples in prop::collection::vec((1..2000_u64, prop_oneof![0..110_u64, 84..97_u64]), 1..500),
    ) {
        let mut alert = ConntrackFull::new();
        let (mut now, mut notified) = (Duration::ZERO, Clear);
        for (step, percent) in samples {
            now += secs(step) / 4;
            let before = alert.alarm.notifier().status();
            if let Some(n) = alert.observe(now, percent, Some(100)) {
                prop_assert_eq!(n.previous, notified);
                prop_assert_ne!(n.status, notified);
                prop_assert_eq!(n.status, alert.alarm.notifier().status());
                prop_assert!(n.value.is_finite());
                notified = n.status;
            }
            if alert.alarm.notifier().status() > before {
                prop_assert_eq!(notified, alert.alarm.notifier().status());
            }
            // Either the status was notified, or its notification falls due within the longest delay.
            match alert.alarm.notifier().pending() {
                None => prop_assert_eq!(alert.alarm.notifier().status(), notified),
                Some((status, due)) => {
                    prop_assert_eq!(status, alert.alarm.notifier().status());
                    prop_assert!(due > now && due <= now + ConntrackFull::DELAY.max);
                }
            }
        }
    }
}
