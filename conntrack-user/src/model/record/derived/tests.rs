//! Tests with records made by hand.

use conntrack_ebpf::EventKind;
use serde_json::{Value, json};

use crate::{
    model::{
        alert::{AlertId, AlertStatus},
        kernel::counters::Counter,
        record::{Hello, InstanceSummary, PerCpu, Sample, TopTable, derived::Judgement},
    },
    reading::buckets::BUCKET_MS,
    text::Text,
};

fn sample(changes: &Value) -> Sample {
    let mut sample = json!({
        "time": "2026-01-02T03:04:05Z", "interval_s": 0.1, "instance": "self", "entries": 10,
        "max": 100, "utilization": 10.0, "charts": {}, "sources": {}, "counters": {}, "peaks": {},
        "alerts": {"netfilter_conntrack_full":
            {"status": "CLEAR", "value": 10.0, "notified": "CLEAR", "notify_at": null}},
        "verdict": null,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        sample[name] = value.clone();
    }
    serde_json::from_value(sample).expect("a sample")
}

fn hello(probes: &Value) -> Hello {
    serde_json::from_value(json!({
        "schema": 1, "version": "0", "kernel": "", "hostname": "", "interval_ms": 100.0,
        "instances": [], "unavailable": {"new": "gone", "alloc": "gone", "ignore": "dead", "deleted": "gone"},
        "probes": probes,
    }))
    .expect("a hello")
}

fn why(judgement: &Judgement) -> &str {
    match judgement {
        Judgement::Judged(status) => panic!("judged {status}"),
        Judgement::NotJudged(why) => why.raw(),
    }
}

#[test]
fn an_alert_that_is_missing_is_not_clear() {
    let full = |changes: Value| sample(&changes).judgement(AlertId::Full);
    assert_eq!(full(json!({})), Judgement::Judged(AlertStatus::Clear));
    let unavailable = json!({"alerts": {}, "alerts_unavailable": {
        "netfilter_conntrack_full": "turned off in the configuration"}});
    assert_eq!(why(&full(unavailable)), "turned off in the configuration");
    assert_eq!(
        why(&full(json!({"alerts": {}}))),
        "its status is not in the record"
    );
    // It was evaluated before, but its input is unavailable now.
    assert!(why(&full(json!({"entries": null}))).contains("cannot be read"));
    assert!(why(&full(json!({"max": 0}))).contains("no limit"));
    assert_eq!(
        why(&full(json!({"untracked": "no rule asks for it"}))),
        "no rule asks for it"
    );
    // A raised alert persists.
    let raised = json!({"entries": null, "alerts": {"netfilter_conntrack_full":
        {"status": "CRITICAL", "value": 99.0, "notified": "CRITICAL", "notify_at": null}}});
    assert_eq!(full(raised), Judgement::Judged(AlertStatus::Critical));
}

#[test]
fn a_table_is_full_at_its_maximum() {
    let is_full = |changes: Value| sample(&changes).is_full();
    assert!(!is_full(json!({})));
    assert!(is_full(json!({"entries": 100})));
    assert!(is_full(json!({"entries": 200})), "the maximum was lowered");
    assert!(!is_full(json!({"entries": 100, "max": 0})), "no limit");
    assert!(!is_full(json!({"entries": null})));
}

#[test]
fn events_that_no_probe_reports_are_named_with_the_reason() {
    let off = hello(
        &json!({"mode": "off", "group": "off", "reason": "no kprobes", "attached": [], "missing": []}),
    );
    let unseen = off.unseen_events();
    assert_eq!(
        (unseen.len(), unseen[0].kinds.len()),
        (1, EventKind::ALL.len())
    );
    assert_eq!(unseen[0].reason, "no kprobes");

    let missing = |function: &str, reason: &str| json!({"function": function, "reason": reason});
    let some = hello(
        &json!({"mode": "kprobe", "group": "flow", "attached": [], "missing": [
            missing("__nf_conntrack_confirm", "costs every packet"),
            missing("nf_conntrack_in", "costs every packet"),
            missing("early_drop", "inlined"),
        ]}),
    );
    let unseen: Vec<_> = some
        .unseen_events()
        .into_iter()
        .map(|group| (group.reason.raw().to_owned(), group.kinds))
        .collect();
    assert_eq!(
        unseen,
        [
            ("inlined".to_owned(), vec!["table_full", "early_drop"]),
            (
                "costs every packet".to_owned(),
                vec!["insert_failed", "chain_too_long", "invalid"]
            ),
        ]
    );
    let all = hello(&json!({"mode": "kprobe", "group": "all", "attached": [], "missing": []}));
    assert!(all.unseen_events().is_empty());
}

#[test]
fn evictions_take_the_probe_that_sees_removals_under_any_of_its_names() {
    for function in [
        "__nf_ct_delete_from_lists",
        "nf_ct_delete_from_lists",
        "nf_ct_delete",
    ] {
        let missing = json!([{"function": function, "reason": "inlined"}]);
        let probes = json!({"mode": "kprobe", "group": "all", "attached": [], "missing": missing});
        let unseen = hello(&probes).unseen_events();
        assert_eq!(unseen.len(), 1, "{function}");
        assert_eq!(unseen[0].kinds, ["early_drop"], "{function}");
        assert_eq!(unseen[0].reason, "inlined");
    }
}

#[test]
fn each_kind_of_events_can_be_lost() {
    for (function, kinds) in [
        ("early_drop", &["table_full", "early_drop"][..]),
        (
            "nf_ct_resolve_clash",
            &["insert_failed", "clash", "nat_exhausted"],
        ),
        ("nf_conntrack_tuple_taken", &["nat_exhausted"]),
        ("nf_ct_expect_related_report", &["expect_full"]),
        ("nf_conntrack_find_get", &["nat_exhausted"]),
        (
            "__nf_conntrack_confirm",
            &["insert_failed", "chain_too_long"],
        ),
        ("nf_conntrack_hash_check_insert", &["chain_too_long"]),
        ("nf_conntrack_in", &["invalid"]),
        ("nf_conntrack_icmpv4_error", &["icmp_error"]),
        ("nf_conntrack_icmpv6_error", &["icmp_error"]),
        ("__nf_conntrack_alloc", &[]),
    ] {
        let missing = json!([{"function": function, "reason": "inlined"}]);
        let probes = json!({"mode": "kprobe", "group": "all", "attached": [], "missing": missing});
        let unseen = hello(&probes).unseen_events();
        let lost: Vec<&str> = unseen
            .iter()
            .flat_map(|group| &group.kinds)
            .copied()
            .collect();
        assert!(
            lost.len() == kinds.len() && kinds.iter().all(|kind| lost.contains(kind)),
            "{function}: {lost:?}"
        );
    }
}

#[test]
fn functions_with_a_kprobe_instead_of_fentry_are_grouped_by_their_reason() {
    let groups = |probes: &Value| -> Vec<(Vec<String>, Option<String>)> {
        let groups = hello(probes).probes.by_kprobe_and_why().into_iter();
        let names = |functions: Vec<Text>| functions.iter().map(Text::to_string).collect();
        groups
            .map(|group| (names(group.functions), group.reason.map(|r| r.to_string())))
            .collect()
    };
    let by = |function: &str, reason: Option<&str>| {
        let by = if reason.is_some() { "kprobe" } else { "fentry" };
        json!({"function": function, "by": by, "reason": reason})
    };
    let mut mixed = json!({"mode": "fentry", "group": "flow", "missing": [],
    "attached": ["a", "b", "c", "d"], "by_kprobe": ["b", "c", "d"], "functions": [
        by("a", None), by("b", Some("refused")), by("c", Some("turned off")), by("d", Some("refused")),
    ]});
    let group = |names: &[&str], reason: Option<&str>| {
        let names = names.iter().map(ToString::to_string).collect();
        (names, reason.map(str::to_owned))
    };
    assert_eq!(
        groups(&mixed),
        [
            group(&["b", "d"], Some("refused")),
            group(&["c"], Some("turned off"))
        ]
    );
    // Recordings of before do not have how each function is probed.
    mixed["functions"] = json!([]);
    assert_eq!(groups(&mixed), [group(&["b", "c", "d"], None)]);
    // All by kprobe: none is an exception.
    let kprobes = json!({"mode": "kprobe", "group": "flow", "attached": ["a"], "missing": [],
        "functions": [by("a", Some("no types"))]});
    assert!(groups(&kprobes).is_empty());
}

#[test]
fn unavailable_counters_are_grouped_by_their_reason() {
    let hello = hello(&json!({"mode": "off", "group": "off", "attached": [], "missing": []}));
    let groups = hello.unavailable_by_reason();
    let groups: Vec<_> = groups
        .iter()
        .map(|group| (group.reason.raw(), group.names.as_slice()))
        .collect();
    // `alloc` is on no chart.
    assert_eq!(
        groups,
        [("gone", &["new", "deleted"][..]), ("dead", &["ignore"][..])]
    );
}

#[test]
fn the_busiest_cpu_comes_first_and_idle_ones_are_left_out() {
    let per_cpu: PerCpu = serde_json::from_value(json!({
        "cpus": [4, 7, 9], "rates": {"new": [1.0, 0.0, 5.0, 3.0]}, "totals": {}, "skew": {},
    }))
    .expect("rates");
    let busiest: Vec<String> = per_cpu
        .busiest(Counter::New)
        .iter()
        .map(|cpu| format!("{} {}", cpu.cpu, cpu.rate))
        .collect();
    // There are more rates than ids.
    assert_eq!(busiest, ["cpu9 5", "row3 3", "cpu4 1"]);
    assert!(per_cpu.busiest(Counter::Free).is_empty());
}

#[test]
fn a_table_without_information() {
    let table = |of: &str, total: u64, rows: Value| -> TopTable {
        serde_json::from_value(
            json!({"by": "entries", "of": of, "total": total, "error": 0, "rows": rows}),
        )
        .expect("a table")
    };
    let unset = json!([{"key": "0", "count": 5, "share": 100.0}]);
    assert!(!table("zone", 5, unset.clone()).is_informative());
    assert!(table("src", 5, unset).is_informative());
    assert!(!table("src", 0, json!([])).is_informative());
    let small = json!([{"key": "a", "count": 1, "share": 0.99}]);
    assert!(!table("src", 101, small).has_heavy_hitter());
}

#[test]
fn counters_that_did_not_rise_are_listed_separately() {
    let summary: InstanceSummary = serde_json::from_value(json!({
        "name": "self", "missed": null, "lost_events": null, "buckets_lost_ms": 0.0, "histograms": {},
        "totals": {"new": {"probe": 0, "kernel": null}, "found": {"probe": null, "kernel": 0},
            "drop": {"probe": null, "kernel": 3}, "invalid": {"probe": null, "kernel": null}},
        "crosscheck": [{"name": "new", "probe": 0, "kernel_low": null, "kernel_high": null,
            "residual": null, "verdict": "undercount", "reason": null}],
    }))
    .expect("a summary");
    let counted: Vec<_> = summary
        .counted()
        .map(|counted| (counted.counter.spec().name, counted.check.is_some()))
        .collect();
    assert_eq!(
        counted,
        [("new", true), ("invalid", false), ("drop", false)]
    );
    assert_eq!(summary.unchanged().collect::<Vec<_>>(), ["found"]);
    assert_eq!(summary.bad_checks().count(), 1);
}

#[test]
fn lost_buckets_are_as_many_as_were_lost() {
    for lost in 0..1_000_i64 {
        let sample = sample(&json!({"buckets_lost_ms": lost as f64 * BUCKET_MS}));
        assert_eq!(sample.buckets_lost(), lost);
        assert_eq!(sample.has_lost_buckets(), lost > 0);
    }
}

#[test]
fn the_start_of_an_interval_is_exact() {
    for length in (0..1_000).map(|n| 20_000_000 + n * 1_048_577) {
        let sample = sample(&json!({"interval_s": length as f64 / 1e9}));
        let span = sample.span();
        assert_eq!(span.end - span.start, length);
    }
}
