//! What was lost, by cause, and what is set first.

use super::*;

#[test]
fn races_and_long_chains_are_named() {
    let mut advisor = Advisor::default();
    let counters = BTreeMap::from([
        ("inserted", 100),
        ("insert_failed", 10),
        ("chaintoolong", 3),
    ]);
    let none = BTreeMap::from([("inserted", 0), ("insert_failed", 0), ("chaintoolong", 0)]);
    advisor.take(&sample(0, 900, 65_536, &none));
    advisor.take(&sample(1, 900, 65_536, &counters));
    advisor.take(&record(json!({
        "type": "limits", "time": time(1), "instance": "a", "entries": 900, "max": 65_536, "expectations":
        {"held": 95, "max": 100, "utilization": 95.0},
        "hash": {"buckets": 1024, "now": null, "full": null, "limit": 50}, "memory": null, "timeouts": [], "policies": null,
    })));
    let advice = advisor.advise(&AdviceWishes::default());
    assert!(
        of(&advice, AdviceTopic::Clashes)[0]
            .finding
            .raw()
            .starts_with("7 packets")
    );
    let set = change(&advice, AdviceTopic::ChainTooLong).unwrap();
    assert_eq!((set.from, set.to), (Some(1_024), Some(65_536)));
    let set = change(&advice, AdviceTopic::Expectations).unwrap();
    assert_eq!((set.from, set.to), (Some(100), Some(200)));
}

#[test]
fn refused_expectations_are_a_cause() {
    let advised = |held: u64| {
        let mut advisor = Advisor::default();
        advisor.take(&sample(0, 900, 65_536, &BTreeMap::new()));
        for kind in ["expect_full", "clash", "expect_full"] {
            advisor.take(&record(json!({
                "type": "event", "time": time(1), "instance": "a", "kind": kind, "tuple": null,
            })));
        }
        advisor.take(&record(json!({
            "type": "limits", "time": time(1), "instance": "a", "entries": 900, "max": 65_536, "hash": null,
            "expectations": {"held": held, "max": 100, "utilization": held}, "memory": null, "timeouts": [], "policies": null,
        })));
        let advice = advisor.advise(&AdviceWishes::default());
        let cause = of(&advice, AdviceTopic::Expectations)[0].clone();
        let finding = cause.finding.raw();
        assert!(finding.starts_with("at least 2 expectations"), "{finding}");
        cause.change.map(|change| change.to)
    };
    assert_eq!(advised(100), Some(Some(200)));
    // The helper of a connection allows it no more: a larger table does not help.
    assert_eq!(advised(3), None);
}

#[test]
fn a_lost_race_is_no_refusal() {
    let mut advisor = Advisor::default();
    for (second, lost) in [(0, 0), (1, 50)] {
        let counters =
            BTreeMap::from([("inserted", lost), ("drop", lost), ("insert_failed", lost)]);
        advisor.take(&sample(second, 900, 65_536, &counters));
    }
    let advice = advisor.advise(&AdviceWishes::default());
    assert!(of(&advice, AdviceTopic::TableFull).is_empty(), "{advice:?}");
    assert_eq!(of(&advice, AdviceTopic::Clashes).len(), 1);
}

/// What a recording says is data: no command line has it.
#[test]
fn a_hostile_name_gets_into_no_command_line() {
    const HOSTILE: &str = "tcp_timeout_time_wait=1; rm -rf /";
    let mut advisor = Advisor::default();
    for second in 0..100 {
        advisor.take(&sample(second, 2_000, 2_000, &BTreeMap::new()));
    }
    for state in ["SYN_SENT", "SYN_RECV", "TIME_WAIT", HOSTILE] {
        let left = (0..1_000).map(|n| f64::from(n) / 10.0).collect();
        advisor.take(&contents(50, &[("tcp", state, HOSTILE, 100, left, 0.0)]));
        advisor.take(&record(json!({
            "type": "limits", "time": time(50), "instance": "a", "entries": 900, "max": 65_536, "expectations": null,
            "hash": null, "memory": null, "timeouts": [{"name": HOSTILE, "seconds": 100}], "policies": null,
        })));
        advisor.take(&record(json!({
            "type": "top", "time": time(50), "instance": "a", "window_s": 0.0, "tables": [{"by": "entries", "of": "inbound",
            "total": 100, "error": 0, "rows": [{"key": format!("tcp/1; {HOSTILE}"), "count": 90, "share": 90.0}]}],
        })));
        for advice in advisor.advise(&AdviceWishes::default()) {
            let Some(change) = advice.change else {
                continue;
            };
            for line in change.commands.iter().chain(&change.or).chain(&change.undo) {
                assert!(!line.raw().contains("rm -rf"), "{}", line.raw());
            }
        }
    }
}

#[test]
fn what_to_set_first_takes_support() {
    let udp = |entries: usize| -> Vec<Group<'static>> {
        let left = (0..entries).map(|at| at as f64 * 30.0 / entries as f64);
        vec![("udp", "UNREPLIED", "udp_timeout", 30, left.collect(), 0.0)]
    };
    let instance = Text::from("a");
    let first = |advisor: &Advisor| advisor.first_change(&instance);
    // 100 flows a second, each held for 30 s.
    let crowded = steady(3_000, 3_200, 100, &udp(3_000));
    let change = first(&crowded).unwrap();
    assert_eq!(change.setting.raw(), "net.netfilter.nf_conntrack_max");
    assert_eq!(change.from, Some(3_200));
    assert!(change.to.unwrap() > 3_800, "{change:?}");
    assert_eq!(first(&steady(3_000, 65_536, 100, &udp(3_000))), None);
    let mut short = Advisor::default();
    for second in 0..3 {
        let counters = BTreeMap::from([("inserted", 100 * second as u64)]);
        short.take(&sample(second, 3_000, 3_200, &counters));
    }
    assert!(short.advise(&AdviceWishes::default()).len() > 1);
    assert_eq!(first(&short), None);
    assert_eq!(crowded.first_change(&"another".into()), None);
}

#[test]
fn nat_without_ports_is_a_cause() {
    let top = |count: u64, nat: Value| {
        record(json!({
            "type": "top", "time": time(1), "instance": "a", "window_s": 0.0, "closing": false, "tables": [{
                "by": "ports", "of": "nat", "total": count, "error": 0, "rows": [
                    {"key": "192.0.2.1 198.51.100.7", "count": count, "share": 100.0, "nat": nat},
                ],
            }],
        }))
    };
    let advised = |exhausted: u64, top: Record| {
        let mut advisor = Advisor::default();
        for second in 0..2 {
            let counters = BTreeMap::from([("nat_exhausted", exhausted * second as u64)]);
            advisor.take(&sample(second, 100, 65_536, &counters));
        }
        advisor.take(&top);
        let all = advisor.advise(&AdviceWishes::default());
        let cause = all.iter().find(|a| a.topic == AdviceTopic::NatPorts);
        cause.map(|cause| {
            let evidence = cause.evidence.iter().map(ToString::to_string);
            (cause.finding.to_string(), evidence.collect::<Vec<_>>())
        })
    };
    let left = |refused: bool| json!({"limit": 16, "assumed": false, "refused": refused});
    let (finding, evidence) = advised(7, top(16, left(true))).unwrap();
    assert_eq!(
        finding,
        "NAT found no free source port for 7 flows, which were dropped"
    );
    assert_eq!(
        evidence[0],
        "16 of 16 ports are in use for 192.0.2.1 198.51.100.7 (100 %)"
    );
    assert_eq!(evidence.len(), 2);
    assert_eq!(
        advised(0, top(13, left(false))).unwrap().0,
        "NAT runs short of source ports for some destinations"
    );
    assert_eq!(advised(0, top(12, left(false))), None);
    let soon = json!({"limit": 64, "assumed": true, "refused": false,
        "exhausted_in_s": {"estimate": 120.0, "low": 60.0, "high": 240.0}});
    let (_, evidence) = advised(0, top(12, soon)).unwrap();
    assert!(
        evidence[0].ends_with("(19 %), none left in 2 min"),
        "{evidence:?}"
    );
}

#[test]
fn a_table_that_only_grows_is_no_demand() {
    let grown = |per_s: u64, gone: u64, max: u64| {
        let mut advisor = Advisor::default();
        for second in 0..60 {
            let made = per_s * second as u64;
            let counters = BTreeMap::from([("inserted", made)]);
            advisor.take(&sample(
                second,
                10 + made * (100 - gone) / 100,
                max,
                &counters,
            ));
        }
        advisor.advise(&AdviceWishes::default())
    };
    let advice = grown(20, 0, 2_000);
    let growth = of(&advice, AdviceTopic::Growth);
    let evidence = growth[0].evidence[0].raw();
    assert!(evidence.contains(" and 0 went in the last "), "{evidence}");
    assert!(of(&advice, AdviceTopic::Maximum).is_empty(), "{advice:?}");
    assert_eq!(advice[0].confidence, Confidence::Low);
    // More than half of them go: that may be any load.
    assert!(of(&grown(20, 60, 2_000), AdviceTopic::Growth).is_empty());
    // It is not full for days.
    assert!(of(&grown(1, 0, 1_000_000), AdviceTopic::Growth).is_empty());
}

#[test]
fn listings_of_a_table_that_was_filling_are_forgotten() {
    // 10 a second, each held for 60 s, from an empty table on.
    let listed = |second: i64| {
        let left = (0..10 * second.min(60)).map(|at| 60.0 - at as f64 / 10.0);
        contents(
            second,
            &[(
                "tcp",
                "TIME_WAIT",
                "tcp_timeout_time_wait",
                60,
                left.collect(),
                0.0,
            )],
        )
    };
    let mut advisor = Advisor::default();
    for second in 0..=150 {
        let counters = BTreeMap::from([("inserted", 10 * second as u64)]);
        advisor.take(&sample(second, 10 * second.min(60) as u64, 700, &counters));
        if second % 10 == 0 {
            advisor.take(&listed(second));
        }
    }
    let all = advisor.advise(&AdviceWishes::default());
    let change = change(&all, AdviceTopic::Timeout).unwrap();
    assert_eq!((change.from, change.to), (Some(60), Some(30)));
    assert!(of(&all, AdviceTopic::Growth).is_empty(), "{all:?}");
}
