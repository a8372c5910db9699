//! Advice on tables that are simulated: what is predicted of another timeout or rate is held against the same traffic with it.

mod causes;
mod drops;
mod full_table;
mod untracked;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    model::record::{SettingChange, Spread},
    reading::time_classes::TimeClasses,
};

/// A multiple of a minute.
const START: i64 = 1_700_000_040;

/// A small generator with a fixed seed: the same traffic each time.
struct Random(u64);

impl Random {
    /// From 0 to 1.
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.next()).ln()
    }
}

/// Flows that come at random and whose packets have random pauses.
#[derive(Clone, Copy, Debug)]
struct Traffic {
    per_s: f64,
    /// Packets of a flow, on average.
    packets: f64,
    /// Seconds between two of them, on average.
    pause: f64,
}

/// The times left to the entries that a timeout leaves in the table at a moment long after the start.
fn left(traffic: Traffic, timeout: f64, seed: u64) -> Vec<f64> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    // Few flows last for longer than ten times their average.
    let end = timeout + 10.0 * traffic.packets * traffic.pause;
    let mut left = Vec::new();
    let mut now = 0.0;
    while now < end {
        now += random.exponential(1.0 / traffic.per_s);
        let (mut packet, mut last) = (now, now);
        while packet <= end {
            last = packet;
            if random.next() < 1.0 / traffic.packets {
                break;
            }
            packet += random.exponential(traffic.pause);
        }
        // Packets after the entry has expired make another one, with the same time left.
        if last <= end && end - last < timeout {
            left.push(timeout - (end - last));
        }
    }
    left
}

fn spread(left: &[f64]) -> Spread {
    let mut classes = TimeClasses::default();
    left.iter().for_each(|left| classes.add(*left as u64));
    Spread {
        p50_s: 0,
        p90_s: 0,
        p99_s: 0,
        max_s: classes.most().unwrap_or(0),
        classes: classes.iter().map(|(least, _, n)| (least, n)).collect(),
    }
}

fn time(seconds: i64) -> String {
    Timestamp::from_second(START + seconds).unwrap().to_string()
}

fn record(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn sample(second: i64, entries: u64, max: u64, counters: &BTreeMap<&str, u64>) -> Record {
    record(json!({
        "type": "sample", "time": time(second), "interval_s": 1.0, "instance": "a",
        "entries": entries, "max": max, "utilization": null, "charts": {}, "sources": {},
        "counters": counters, "peaks": {}, "alerts": {}, "verdict": null,
    }))
}

/// Groups as (protocol, state, setting, timeout, times left, part that is assured).
type Group<'a> = (&'a str, &'a str, &'a str, u64, Vec<f64>, f64);

fn contents(second: i64, groups: &[Group<'_>]) -> Record {
    let listed: usize = groups.iter().map(|(.., left, _)| left.len()).sum();
    let estimate = |count: u64| json!({"count": count, "share": 0.0, "error": 0.0});
    let groups: Vec<Value> = groups
        .iter()
        .map(|(proto, state, setting, timeout, left, assured)| {
            let count = left.len() as u64;
            json!({
                "proto": proto, "state": state, "count": count, "share": 0.0, "error": 0.0,
                "assured": (count as f64 * assured) as u64, "unreplied": 0, "timeout_s": timeout,
                "setting": setting, "remaining": spread(left), "age": null,
            })
        })
        .collect();
    let none = estimate(0);
    record(json!({
        "type": "contents", "time": time(second), "instance": "a", "entries": listed, "listed": listed,
        "sampled": false, "error": 0.0, "cpu_ms": 1.0, "groups": groups,
        "marks": {"assured": none, "unreplied": none, "neither": none, "offload": none, "hw_offload": none,
            "helper": none, "expected": none, "snat": none, "dnat": none, "dying": null},
        "evictable": {"early_drop": none, "nearly_full": none, "found_percent": null}, "directions": null,
    }))
}

/// A minute of a table that is steady, with a listing in the middle.
fn steady(entries: u64, max: u64, per_s: u64, groups: &[Group<'_>]) -> Advisor {
    let mut advisor = Advisor::default();
    for second in 0..300 {
        let counters = BTreeMap::from([
            ("inserted", per_s * second as u64),
            ("new", per_s * second as u64),
        ]);
        advisor.take(&sample(second, entries, max, &counters));
        if second == 30 {
            advisor.take(&contents(second, groups));
        }
    }
    advisor
}

fn of(advice: &[Advice], topic: AdviceTopic) -> Vec<&Advice> {
    advice
        .iter()
        .filter(|advice| advice.topic == topic)
        .collect()
}

fn change(advice: &[Advice], topic: AdviceTopic) -> Option<&SettingChange> {
    of(advice, topic)
        .first()
        .and_then(|advice| advice.change.as_ref())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Idle times say what a shorter timeout would hold, of whatever traffic; and a longer one, if flows are short against it.
    #[test]
    fn another_timeout_holds_what_was_predicted(
        per_s in 50.0..200.0_f64,
        packets in 1.0..10.0_f64,
        pause in 0.1..20.0_f64,
        part in 0.1..1.0_f64,
        seed in 1_u64..1_000_000,
    ) {
        let traffic = Traffic { per_s, packets, pause };
        let before = left(traffic, 120.0, seed);
        let group = hold::IdleTimes::new(120, &spread(&before), 1.0).unwrap();
        prop_assert!((group.now() - before.len() as f64).abs() < 1e-6);
        let shorter = 120.0 * part;
        let after = left(traffic, shorter, seed + 1).len() as f64;
        let held = group.held_with(shorter);
        let tolerance = 5.0 * held.error.hypot(after.sqrt()) + 0.02 * after;
        prop_assert!((held.entries - after).abs() <= tolerance, "{held:?}, then {after}");
        // Once packets have long ended, entries only wait for their timeouts.
        if packets * pause < 10.0 {
            let longer = left(traffic, 180.0, seed + 2).len() as f64;
            let held = group.held_with(180.0);
            let tolerance = 5.0 * held.error.hypot(longer.sqrt()) + 0.05 * longer;
            prop_assert!((held.entries - longer).abs() <= tolerance, "{held:?}, then {longer}");
        }
    }

    /// Any records in any order give advice, and never a panic.
    #[test]
    fn anything_can_be_taken(
        samples in prop::collection::vec((any::<u32>(), any::<Option<u64>>(), any::<Option<u64>>(), any::<u64>()), 0..20),
        classes in prop::collection::vec((any::<u64>(), any::<u64>()), 0..6),
        timeout in any::<Option<u64>>(),
        rate in 0.0..1e6_f64,
        to in any::<u64>(),
    ) {
        let mut advisor = Advisor::default();
        for (second, entries, max, total) in samples {
            let value = json!({
                "type": "sample", "time": time(second.into()), "interval_s": f64::from(second), "instance": "a",
                "entries": entries, "max": max, "utilization": null, "charts": {}, "sources": {},
                "counters": {"inserted": total, "drop": total / 2, "insert_failed": total, "chaintoolong": total},
                "peaks": {}, "alerts": {}, "verdict": null,
            });
            advisor.take(&record(value));
        }
        let mut listing = contents(5, &[("tcp", "TIME_WAIT", "tcp_timeout_time_wait", 120, vec![1.0, 2.0], 0.0)]);
        if let Record::Contents(contents) = &mut listing {
            contents.groups[0].timeout_s = timeout;
            contents.groups[0].remaining.as_mut().unwrap().classes = classes;
        }
        advisor.take(&listing);
        let wishes = AdviceWishes {
            what_if: Some(WhatIf { rate: Some(rate), timeouts: vec![("tcp_timeout_time_wait".to_owned(), to)] }),
            ..AdviceWishes::default()
        };
        let _ = advisor.advise(&wishes);
    }
}

#[test]
fn a_table_that_is_hardly_used_needs_nothing() {
    let udp = left(
        Traffic {
            per_s: 20.0,
            packets: 1.0,
            pause: 1.0,
        },
        30.0,
        3,
    );
    let entries = udp.len() as u64;
    let groups = [("udp", "UNREPLIED", "udp_timeout", 30, udp, 0.0)];
    let advice = steady(entries, 65_536, 20, &groups).advise(&AdviceWishes::default());
    assert_eq!(advice.len(), 1, "{advice:?}");
    assert_eq!(advice[0].topic, AdviceTopic::Demand);
    assert_eq!(advice[0].confidence, Confidence::High);
    assert!(advice[0].change.is_none());
    assert!(
        advice[0]
            .finding
            .raw()
            .contains("nf_conntrack_max (65,536)")
    );
}

#[test]
fn time_wait_that_fills_a_table_is_found() {
    let waits = left(
        Traffic {
            per_s: 300.0,
            packets: 1.0,
            pause: 1.0,
        },
        120.0,
        5,
    );
    let others = left(
        Traffic {
            per_s: 100.0,
            packets: 10.0,
            pause: 20.0,
        },
        3_000.0,
        6,
    );
    let entries = (waits.len() + others.len()) as u64;
    let share = waits.len() as f64 / entries as f64 * 100.0;
    let groups = [
        ("tcp", "TIME_WAIT", "tcp_timeout_time_wait", 120, waits, 1.0),
        (
            "tcp",
            "ESTABLISHED",
            "tcp_timeout_established",
            432_000,
            others,
            1.0,
        ),
    ];
    let advice = steady(entries, entries + 1_000, 400, &groups).advise(&AdviceWishes::default());
    let found = of(&advice, AdviceTopic::Timeout);
    assert!(
        found[0].finding.raw().starts_with("tcp TIME_WAIT"),
        "{found:?}"
    );
    let set = found[0].change.as_ref().unwrap();
    assert_eq!((set.from, set.to), (Some(120), Some(30)));
    let line = |value: u64| {
        Text::from(format!(
            "sysctl -w net.netfilter.nf_conntrack_tcp_timeout_time_wait={value}"
        ))
    };
    assert_eq!(set.commands, [line(30)]);
    assert_eq!(set.undo, [line(120)]);
    // Three quarters of them.
    let freed: f64 = set
        .effect
        .raw()
        .split_once("free ")
        .unwrap()
        .1
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap();
    assert!((freed - share * 0.75).abs() < 1.5, "{freed} of {share}");
    assert!(change(&advice, AdviceTopic::Maximum).is_some());
}

#[test]
fn flows_that_pause_are_not_cut() {
    // A packet each 50 s: a timeout of 60 s would lose every third.
    let pausing = left(
        Traffic {
            per_s: 50.0,
            packets: 50.0,
            pause: 50.0,
        },
        120.0,
        7,
    );
    let entries = pausing.len() as u64;
    let groups = [("udp", "ASSURED", "udp_timeout_stream", 120, pausing, 1.0)];
    let advice = steady(entries, entries + 100, 50, &groups).advise(&AdviceWishes::default());
    assert!(of(&advice, AdviceTopic::Timeout).is_empty(), "{advice:?}");
    assert!(change(&advice, AdviceTopic::Maximum).is_some());
}

#[test]
fn what_would_be_is_predicted() {
    let waits = left(
        Traffic {
            per_s: 300.0,
            packets: 1.0,
            pause: 1.0,
        },
        120.0,
        5,
    );
    let entries = waits.len() as u64;
    let groups = [("tcp", "TIME_WAIT", "tcp_timeout_time_wait", 120, waits, 1.0)];
    let wishes = AdviceWishes {
        what_if: Some(WhatIf {
            rate: Some(2.0),
            timeouts: vec![("tcp_timeout_time_wait".to_owned(), 30)],
        }),
        ..AdviceWishes::default()
    };
    let advice = steady(entries, 1_000_000, 300, &groups).advise(&wishes);
    let what_if = of(&advice, AdviceTopic::WhatIf)[0];
    let predicted = what_if.predicted.unwrap();
    // 600 a second for 30 s.
    assert!(
        (predicted.expected as f64 / 18_000.0 - 1.0).abs() < 0.03,
        "{predicted:?}"
    );
    assert!(
        (predicted.low..=predicted.high).contains(&18_000),
        "{predicted:?}"
    );
}

#[test]
fn little_is_said_after_a_moment() {
    let mut advisor = Advisor::default();
    for second in 0..3 {
        let counters = BTreeMap::from([("inserted", second as u64)]);
        advisor.take(&sample(second, 900, 1_000, &counters));
    }
    let advice = advisor.advise(&AdviceWishes::default());
    assert_eq!(advice[0].confidence, Confidence::Low);
    assert!(advice[0].needs.is_some());
}
