//! Alerts, and what is said with them.

use super::*;
use crate::model::alert::{AlertEvaluation, AlertStatus, ConntrackFull};

/// The worst status of all alerts that are evaluated.
fn worst_alert(monitor: &InstanceMonitor) -> AlertStatus {
    let states = monitor
        .alerts
        .evaluations()
        .filter_map(|(_, state)| match state {
            AlertEvaluation::Judged(alarm) => Some(alarm.notifier().status()),
            AlertEvaluation::Unavailable(_) => None,
        });
    states.max().unwrap_or_default()
}

#[test]
fn a_table_full_from_the_start_is_notified_with_the_first_sample() -> TestResult {
    let mut monitor = unprobed();
    let full = |ms, entries| -> Result<_, ParseError> {
        Ok(snapshot(ms, Some(stat(MODERN, entries, &[])?), None))
    };
    monitor.observe(&full(0, 923)?);
    let observation = next(&mut monitor, &full(100, 923)?)?;
    let alert = observation
        .alerts
        .first()
        .cloned()
        .ok_or("nothing was notified")?;
    assert_eq!(
        (alert.status, alert.previous),
        (AlertStatus::Warning, AlertStatus::Clear)
    );
    assert_eq!(
        (alert.name.raw(), alert.unit.raw()),
        ("netfilter_conntrack_full", "%")
    );
    assert!((alert.value - 92.3).abs() < 1e-9, "{}", alert.value);
    assert_eq!(alert.time, Time(at(100).realtime));

    let observation = next(&mut monitor, &full(200, 923)?)?;
    assert!(observation.alerts.is_empty(), "notified once");
    let state = observation
        .sample
        .alerts
        .get(ConntrackFull::NAME)
        .ok_or("no state")?;
    assert_eq!(
        (state.status, state.notified),
        (AlertStatus::Warning, AlertStatus::Warning)
    );
    assert!(state.value.is_some_and(|value| (value - 92.3).abs() < 1e-9));
    assert_eq!(state.notify_at, None);
    Ok(())
}

#[test]
fn a_recovery_is_in_the_sample_before_it_is_notified() -> TestResult {
    let mut monitor = unprobed();
    let full = |ms, entries| -> Result<_, ParseError> {
        Ok(snapshot(ms, Some(stat(MODERN, entries, &[])?), None))
    };
    monitor.observe(&full(0, 960)?);
    let alert = next(&mut monitor, &full(1, 960)?)?
        .alerts
        .first()
        .cloned()
        .ok_or("nothing was notified")?;
    assert_eq!(alert.status, AlertStatus::Critical);

    // Evaluated every 10 s over the last 10 s: the second evaluation does not see the peak.
    let mut state = None;
    for second in 1..=21 {
        let observation = next(&mut monitor, &full(second * 1000, 100)?)?;
        assert!(
            observation.alerts.is_empty(),
            "a recovery waits for 5 minutes"
        );
        state = observation.sample.alerts.get(ConntrackFull::NAME).copied();
    }
    let state = state.ok_or("no state")?;
    assert_eq!(
        (state.status, state.notified),
        (AlertStatus::Clear, AlertStatus::Critical)
    );
    assert_eq!(worst_alert(&monitor), AlertStatus::Clear);
    let due = state.notify_at.ok_or("nothing is pending")?;
    let wait = due.0.duration_since(at(0).realtime).as_secs();
    assert!(
        (310..=321).contains(&wait),
        "notified 5 minutes after the evaluation, not {wait} s"
    );

    let observation = next(&mut monitor, &full(330_000, 100)?)?;
    let alert = observation
        .alerts
        .first()
        .cloned()
        .ok_or("the recovery was not notified")?;
    assert_eq!(
        (alert.status, alert.previous),
        (AlertStatus::Clear, AlertStatus::Critical)
    );
    Ok(())
}

#[test]
fn the_alert_on_a_mismatch_names_what_broke() -> TestResult {
    let mut monitor = monitor(everything());
    monitor.observe(&in_flight(0, 0, 0)?);
    let alerts = next(&mut monitor, &in_flight(200, 10, 50)?)?.alerts;
    let alert = alerts
        .iter()
        .find(|alert| alert.name == *"conntrack_probe_mismatch")
        .ok_or("no alert")?;
    let reason = alert.reason.as_ref().ok_or("no reason")?.raw();
    for part in [
        "entries_balance: the probes counted 10, the kernel 50; ",
        "alloc: breaks entries_balance (the probes counted 10; at least 50, if free is right)",
    ] {
        assert!(reason.contains(part), "{reason}");
    }
    Ok(())
}
