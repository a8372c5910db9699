//! Every alert with its default settings: feeds one interval a second, and checks the notifications.

use crate::model::{
    alert::{
        AlertStatus::{self, Clear, Critical, Warning},
        instance::*,
        named,
    },
    forecast::TimeToFull,
};

/// The value that an alert judges in one second.
#[derive(Clone, Copy)]
enum Value {
    /// In the alert's unit: events, seconds, checks, entries of 1000.
    Is(u64),
    /// The table does not fill.
    Steady,
    Unavailable,
}
use Value::{Is, Steady, Unavailable};

const REASON: &str = "its source is away";

fn second(alerts: &mut Alerts, now: u64, counter: Counter, value: Value) -> Vec<DueNotification> {
    let number = match value {
        Is(number) => Some(number),
        Steady => Some(0),
        Unavailable => None,
    };
    let events = |asked| match number {
        None => Err(REASON.into()),
        Some(events) => Ok(Some(if asked == counter { events } else { 0 })),
    };
    let inputs = AlertInputs {
        interval: Duration::from_secs(1),
        entries: number,
        max: number.map(|_| 1000),
        events: &events,
        outlook: match value {
            Is(seconds) => Outlook::Fills(TimeToFull {
                estimate: seconds as f64,
                low: seconds as f64 * 0.9,
                high: seconds as f64 * 1.1,
            }),
            Steady => Outlook::Steady,
            Unavailable => Outlook::Unknown(REASON),
        },
        mismatches: number
            .map(|checks| checks as usize)
            .ok_or_else(|| REASON.into()),
    };
    alerts.observe(Duration::from_secs(now), &inputs)
}

/// Feeds, from each `(second, value)` on, that value to an alert with its defaults; returns (second, previous, status, value) of
/// its notifications.
fn run(
    name: &str,
    counter: Counter,
    values: &[(u64, Value)],
    until: u64,
) -> Vec<(u64, AlertStatus, AlertStatus, f64)> {
    let id = named(name).expect("an alert").id;
    let mut alerts = Alerts::new(&AlertSettings::default());
    let mut all = Vec::new();
    for now in 0..=until {
        let at = values.iter().rev().find(|(from, _)| *from <= now);
        let value = at.map_or(Is(0), |(_, value)| *value);
        for notified in second(&mut alerts, now, counter, value) {
            let n = notified.notification;
            assert_eq!(n.at, Duration::from_secs(now));
            if notified.alert == id {
                all.push((now, n.previous, n.status, n.value));
            }
        }
    }
    all
}

#[track_caller]
fn check(
    name: &str,
    counter: Counter,
    values: &[(u64, Value)],
    expected: &[(u64, AlertStatus, AlertStatus, f64)],
) {
    assert_eq!(run(name, counter, values, 1000), expected, "{name}");
}

#[test]
fn full_raises_holds_and_recovers() {
    check(
        "netfilter_conntrack_full",
        Counter::New,
        &[(0, Is(800)), (20, Is(910)), (40, Is(851)), (200, Is(850))],
        // Evaluated every 10 s; the last 851 leaves the window at 210 s.
        &[(20, Clear, Warning, 91.0), (510, Warning, Clear, 85.0)],
    );
}

#[test]
fn table_full_raises_holds_and_recovers() {
    check(
        "conntrack_table_full",
        Counter::TableFull,
        &[(20, Is(1)), (21, Is(0)), (25, Is(1)), (26, Is(0))],
        // One refused flow raises; each is in the window for 10 s, and then 5 minutes pass.
        &[(20, Clear, Warning, 0.1), (335, Warning, Clear, 0.0)],
    );
    check(
        "conntrack_table_full",
        Counter::TableFull,
        // 11/s; then 6/s holds it down to 5/s.
        &[(20, Is(110)), (21, Is(6)), (100, Is(5))],
        &[(20, Clear, Critical, 11.0), (409, Critical, Warning, 5.0)],
    );
}

#[test]
fn insert_failed_raises_holds_and_recovers() {
    check(
        "conntrack_insert_failed",
        Counter::InsertFailed,
        // 1/s is not above 1/s; 0.6/s holds until the 6 of 41 s leave the window.
        &[
            (0, Is(1)),
            (20, Is(2)),
            (21, Is(1)),
            (40, Is(0)),
            (41, Is(6)),
            (42, Is(0)),
            (60, Is(0)),
        ],
        &[(20, Clear, Warning, 1.1), (351, Warning, Clear, 0.0)],
    );
    check(
        "conntrack_insert_failed",
        Counter::InsertFailed,
        &[(20, Is(1001)), (21, Is(51)), (200, Is(50))],
        &[(20, Clear, Critical, 100.1), (509, Critical, Warning, 50.0)],
    );
}

#[test]
fn early_drop_raises_holds_and_recovers() {
    check(
        "conntrack_early_drop",
        Counter::EarlyDrop,
        &[(20, Is(5)), (22, Is(0))],
        &[(20, Clear, Warning, 0.5), (331, Warning, Clear, 0.0)],
    );
    check(
        "conntrack_early_drop",
        Counter::EarlyDrop,
        &[(20, Is(1001)), (21, Is(51)), (200, Is(50))],
        &[(20, Clear, Critical, 100.1), (509, Critical, Warning, 50.0)],
    );
}

#[test]
fn time_to_full_raises_holds_and_recovers() {
    check(
        "conntrack_time_to_full",
        Counter::New,
        &[
            (0, Steady),
            (20, Is(300)),
            (30, Is(299)),
            (40, Is(449)),
            (100, Is(450)),
        ],
        &[(30, Clear, Warning, 299.0), (400, Warning, Clear, 450.0)],
    );
    check(
        "conntrack_time_to_full",
        Counter::New,
        &[
            (0, Steady),
            (20, Is(59)),
            (30, Is(89)),
            (60, Is(90)),
            (100, Steady),
        ],
        // The fall to clear at 100 s replaces that to a warning, and waits half as long again.
        &[
            (20, Clear, Critical, 59.0),
            (100 + 450, Critical, Clear, HORIZON_S),
        ],
    );
}

#[test]
fn probe_mismatch_raises_holds_and_recovers() {
    check(
        "conntrack_probe_mismatch",
        Counter::New,
        &[(20, Is(2)), (100, Is(1)), (200, Is(0))],
        &[(20, Clear, Warning, 2.0), (500, Warning, Clear, 0.0)],
    );
}

#[test]
fn an_unavailable_alert_has_a_reason_and_no_status() {
    let mut alerts = Alerts::new(&AlertSettings::default());
    let unavailable = |alerts: &Alerts| -> Vec<(AlertId, String)> {
        alerts
            .evaluations()
            .filter_map(|(id, evaluation)| match evaluation {
                AlertEvaluation::Unavailable(reason) => Some((id, reason.to_string())),
                AlertEvaluation::Judged(_) => None,
            })
            .collect()
    };
    assert!(unavailable(&alerts).iter().all(|(_, r)| r == NOT_JUDGED));
    assert!(second(&mut alerts, 0, Counter::New, Unavailable).is_empty());
    let all = unavailable(&alerts);
    assert_eq!(all.len(), COUNT);
    assert!(all.iter().all(|(_, reason)| reason == REASON), "{all:?}");
    second(&mut alerts, 1, Counter::New, Is(0));
    assert!(unavailable(&alerts).is_empty());
    // The utilization keeps the status that was judged last.
    second(&mut alerts, 2, Counter::New, Unavailable);
    let names: Vec<_> = unavailable(&alerts).into_iter().map(|(id, _)| id).collect();
    assert!(!names.contains(&AlertId::Full));
    assert_eq!(names.len(), COUNT - 1);
}

#[test]
fn an_alert_that_becomes_unavailable_does_not_notify() {
    for (name, counter) in [
        ("conntrack_table_full", Counter::TableFull),
        ("conntrack_probe_mismatch", Counter::New),
        ("conntrack_time_to_full", Counter::New),
    ] {
        // The recovery falls due while the source is away; it is notified when that is back.
        let values = [
            (0, Steady),
            (20, Is(50)),
            (21, Steady),
            (100, Unavailable),
            (600, Steady),
        ];
        let notified = run(name, counter, &values, 1000);
        let when: Vec<_> = notified
            .iter()
            .map(|(at, _, status, _)| (*at, *status))
            .collect();
        assert_eq!(when[0].0, 20, "{name}");
        assert_eq!(when[1..], [(600, Clear)], "{name}");
    }
}

#[test]
fn a_disabled_alert_does_not_notify() {
    let mut settings = AlertSettings::default();
    settings.0[AlertId::TableFull as usize].enabled = false;
    let mut alerts = Alerts::new(&settings);
    for now in 0..30 {
        let notified = second(&mut alerts, now, Counter::TableFull, Is(50));
        assert!(
            notified
                .iter()
                .all(|notified| notified.alert != AlertId::TableFull)
        );
    }
    let evaluation = alerts
        .evaluations()
        .find(|(id, _)| *id == AlertId::TableFull);
    let Some((_, AlertEvaluation::Unavailable(reason))) = evaluation else {
        panic!("it is judged")
    };
    assert_eq!(reason, DISABLED.into());
}
