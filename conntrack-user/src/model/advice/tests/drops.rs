//! Tables that refuse, evict, race or fill with connections that nobody answers.

use super::*;

/// Two samples, a second apart, with what was counted between them.
fn counted(entries: u64, max: u64, counts: &[(&'static str, u64)]) -> Advisor {
    let mut advisor = Advisor::default();
    let none = counts.iter().map(|(name, _)| (*name, 0)).collect();
    advisor.take(&sample(0, entries, max, &none));
    let counts = counts.iter().copied().collect();
    advisor.take(&sample(1, entries, max, &counts));
    advisor
}

/// The limits of a table with some timeouts.
fn timeouts(max: u64, timeouts: &[(&str, u64)]) -> Record {
    let timeouts: Vec<Value> = timeouts
        .iter()
        .map(|(name, seconds)| json!({"name": name, "seconds": seconds}))
        .collect();
    record(json!({
        "type": "limits", "time": time(1), "instance": "a", "entries": null, "max": max, "expectations": null,
        "hash": null, "memory": null, "timeouts": timeouts, "policies": null,
    }))
}

/// The current entries, by one kind of key with one row.
fn top(of: &str, key: &str, share: f64) -> Record {
    record(json!({
        "type": "top", "time": time(1), "instance": "a", "window_s": 0.0, "tables": [{"by": "entries", "of": of,
        "total": 100, "error": 0, "rows": [{"key": key, "count": share as u64, "share": share}]}],
    }))
}

fn cause(advisor: &Advisor, topic: AdviceTopic) -> Option<Advice> {
    let all = advisor.advise(&AdviceWishes::default());
    let found = of(&all, topic);
    assert!(found.len() < 2, "{found:?}");
    found.first().map(|&advice| advice.clone())
}

fn lines(of: &[Text]) -> Vec<&str> {
    of.iter().map(Text::raw).collect()
}

#[test]
fn packets_dropped_for_other_reasons_are_no_full_table() {
    let counts = [
        ("inserted", 1_000),
        ("table_full", 40),
        ("early_drop", 1_500),
    ];
    let full = cause(&counted(9_500, 10_000, &counts), AdviceTopic::TableFull).unwrap();
    assert_eq!(
        full.finding,
        "the table was full: 40 flows were refused and 1,500 evicted"
    );
    assert_eq!(
        lines(&full.evidence),
        [
            "40 flows were refused, 1,500 entries evicted",
            "in 1.0 s of 1.0 s",
            "9,500 of 10,000 entries at the highest",
            "a sender that repeats a refused packet is counted each time",
        ]
    );
    let change = full.change.unwrap();
    let to = change.to.unwrap();
    assert!(change.from == Some(10_000) && to > 10_000, "{change:?}");
    let line = |value: u64| format!("sysctl -w net.netfilter.nf_conntrack_max={value}");
    assert_eq!(lines(&change.commands), [line(to)]);
    assert_eq!(lines(&change.undo), [line(10_000)]);
    // Refused and inserted.
    let effect = change.effect.raw();
    assert!(
        effect.contains(": 1,040 flows a second, each for "),
        "{effect}"
    );

    let other = cause(&counted(9_499, 10_000, &counts), AdviceTopic::TableFull).unwrap();
    assert!(
        other
            .finding
            .raw()
            .starts_with("packets were dropped although the table was not full"),
        "{}",
        other.finding
    );
    assert!(
        other.change.is_none() && other.evidence.len() == 3,
        "{other:?}"
    );
    let nothing = [("inserted", 1_000), ("table_full", 0), ("early_drop", 0)];
    assert_eq!(
        cause(&counted(9_500, 10_000, &nothing), AdviceTopic::TableFull),
        None
    );
}

#[test]
fn eviction_alone_repeats_no_packet() {
    let counts = [("inserted", 1_000), ("table_full", 0), ("early_drop", 7)];
    let full = cause(&counted(10_000, 10_000, &counts), AdviceTopic::TableFull).unwrap();
    assert_eq!(
        full.finding,
        "the table was full: 0 flows were refused and 7 evicted"
    );
    assert_eq!(full.evidence.len(), 3, "{full:?}");
}

/// A table of 1,000 entries with so many half-open connections, of ages up to 60 s.
fn flooded(state: &str, half_open: usize, setting: (&str, u64)) -> Advisor {
    let counts = [("inserted", 500), ("table_full", 90)];
    let mut advisor = counted(1_000, 1_000, &counts);
    let spread_over = |entries: usize, seconds: f64| -> Vec<f64> {
        let each = seconds / entries.max(1) as f64;
        (0..entries).map(|at| at as f64 * each).collect()
    };
    let groups = [
        (
            "tcp",
            state,
            setting.0,
            60,
            spread_over(half_open, 60.0),
            0.0,
        ),
        (
            "udp",
            "UNREPLIED",
            "udp_timeout",
            30,
            spread_over(1_000 - half_open, 30.0),
            0.0,
        ),
    ];
    advisor.take(&contents(1, &groups));
    advisor.take(&timeouts(1_000, &[setting]));
    advisor
}

#[test]
fn connections_that_nobody_answers_are_held_for_less() {
    let syn_sent = ("tcp_timeout_syn_sent", 60);
    let mut advisor = flooded("SYN_SENT", 600, syn_sent);
    advisor.take(&top("src", "198.51.100.7", 55.0));
    let found = cause(&advisor, AdviceTopic::HalfOpen).unwrap();
    let finding = found.finding.raw();
    assert!(
        finding.starts_with("60 % of the entries are connections that were begun and not answered"),
        "{finding}"
    );
    assert_eq!(
        lines(&found.evidence),
        [
            "600 of 1,000 entries are tcp SYN_SENT",
            "55 % of all entries are from 198.51.100.7",
        ]
    );
    let change = found.change.unwrap();
    assert_eq!((change.from, change.to), (Some(60), Some(20)));
    let line =
        |value: u64| format!("sysctl -w net.netfilter.nf_conntrack_tcp_timeout_syn_sent={value}");
    assert_eq!(lines(&change.commands), [line(20)]);
    assert_eq!(lines(&change.undo), [line(60)]);
    // Two thirds of those 600 are older than 20 s.
    let effect = change.effect.raw();
    let freed = effect
        .strip_prefix("each is held for 20 s instead of 60 s, which frees ")
        .and_then(|rest| rest.strip_suffix(" % of the table"))
        .and_then(|percent| percent.parse::<f64>().ok());
    assert!(
        freed.is_some_and(|freed| (freed - 40.0).abs() < 2.0),
        "{effect}"
    );
    // A larger table fills with those, too, so that none is proposed.
    let full = cause(&advisor, AdviceTopic::TableFull).unwrap();
    assert!(full.finding.raw().contains("90 flows were refused"));
    assert_eq!(full.change, None);
    assert_eq!(cause(&advisor, AdviceTopic::Maximum), None);
}

#[test]
fn each_half_open_state_has_its_setting() {
    let recv = ("tcp_timeout_syn_recv", 60);
    let set = |state: &str, setting: (&str, u64)| {
        let found = cause(&flooded(state, 600, setting), AdviceTopic::HalfOpen)?;
        Some(found.change?.setting.raw().to_owned())
    };
    let name = |setting: &str| Some(format!("net.netfilter.nf_conntrack_{setting}"));
    assert_eq!(set("SYN_RECV", recv), name("tcp_timeout_syn_recv"));
    let sent = ("tcp_timeout_syn_sent", 120);
    assert_eq!(set("SYN_SENT2", sent), name("tcp_timeout_syn_sent"));
    // Of a setting that could not be read nothing is said.
    assert_eq!(set("SYN_SENT", recv), None);
    assert_eq!(set("ESTABLISHED", sent), None);
}

#[test]
fn a_short_timeout_is_no_shorter_and_few_half_open_connections_are_usual() {
    let found = cause(
        &flooded("SYN_SENT", 600, ("tcp_timeout_syn_sent", 20)),
        AdviceTopic::HalfOpen,
    );
    assert_eq!(found.unwrap().change, None);
    // Then the table is what can be larger.
    let advisor = flooded("SYN_SENT", 600, ("tcp_timeout_syn_sent", 20));
    let full = cause(&advisor, AdviceTopic::TableFull).unwrap();
    assert!(full.change.is_some(), "{full:?}");
    let usual = |half_open: usize| {
        let advisor = flooded("SYN_SENT", half_open, ("tcp_timeout_syn_sent", 60));
        cause(&advisor, AdviceTopic::HalfOpen).is_none()
    };
    assert_eq!((usual(299), usual(300)), (true, false));
}

#[test]
fn races_of_a_resolver_have_an_option() {
    let counts = [("insert_failed", 12), ("clash_resolve", 3)];
    let mut advisor = counted(900, 65_536, &counts);
    let found = cause(&advisor, AdviceTopic::Clashes).unwrap();
    assert_eq!(
        lines(&found.evidence),
        [
            "12 packets lost such a race and were dropped",
            "3 more were resolved by the kernel",
        ]
    );
    // What races is not known.
    assert_eq!(found.change, None);
    for of in ["dport", "outbound"] {
        advisor.take(&top(of, "udp/53", 71.0));
        let found = cause(&advisor, AdviceTopic::Clashes).unwrap();
        assert_eq!(found.evidence[2], "71 % of the entries are DNS (udp/53)");
        let change = found.change.unwrap();
        assert_eq!(
            lines(&change.commands),
            ["echo 'options single-request-reopen' >> /etc/resolv.conf"]
        );
        assert_eq!(
            lines(&change.undo),
            ["sed -i '/single-request-reopen/d' /etc/resolv.conf"]
        );
    }
    advisor.take(&top("outbound", "tcp/53", 71.0));
    assert_eq!(cause(&advisor, AdviceTopic::Clashes).unwrap().change, None);
}

#[test]
fn what_the_kernel_counts_as_failed_for_other_reasons_is_no_race() {
    let failed = |others: &[(&'static str, u64)]| {
        let mut counts = vec![("insert_failed", 10)];
        counts.extend(others);
        let found = cause(&counted(900, 65_536, &counts), AdviceTopic::Clashes)?;
        Some(found.finding.raw().split(' ').next()?.to_owned())
    };
    assert_eq!(failed(&[]).as_deref(), Some("10"));
    let some = [("chaintoolong", 3), ("nat_exhausted", 4)];
    assert_eq!(failed(&some).as_deref(), Some("3"));
    assert_eq!(failed(&[("nat_exhausted", 10)]), None);
    assert_eq!(failed(&[("chaintoolong", 11)]), None);
}

#[test]
fn expectations_are_doubled_before_they_are_refused() {
    let advised = |held: u64, max: u64| {
        let mut advisor = counted(900, 65_536, &[]);
        let utilization = held as f64 / max as f64 * 100.0;
        advisor.take(&record(json!({
            "type": "limits", "time": time(1), "instance": "a", "entries": 900, "max": 65_536, "hash": null, "memory": null,
            "expectations": {"held": held, "max": max, "utilization": utilization}, "timeouts": [], "policies": null,
        })));
        cause(&advisor, AdviceTopic::Expectations)
    };
    assert_eq!(advised(1_599, 2_000), None);
    let found = advised(1_600, 2_000).unwrap();
    let finding = found.finding.raw();
    assert!(
        finding.starts_with("1,600 of 2,000 expectations are held"),
        "{finding}"
    );
    assert_eq!(lines(&found.evidence), ["80 % of nf_conntrack_expect_max"]);
    let change = found.change.unwrap();
    let line = |value: u64| format!("sysctl -w net.netfilter.nf_conntrack_expect_max={value}");
    assert_eq!(lines(&change.commands), [line(4_000)]);
    assert_eq!(lines(&change.undo), [line(2_000)]);
    // The setting was made smaller than what is held.
    assert_eq!(advised(500, 100).unwrap().change.unwrap().to, Some(1_000));
}
