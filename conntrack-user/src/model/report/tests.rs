//! Reports of records made by hand.

use serde_json::{Value, json};

use crate::model::{
    alert::AlertStatus,
    kernel::charts::CHARTS,
    record::Record,
    report::{Builder, InstanceReport, LossConclusion, Losses, RecordingReport},
};

fn record(value: Value) -> Record {
    serde_json::from_value(value).expect("a record")
}

fn hello(probes: &Value) -> Record {
    record(json!({
        "type": "hello", "schema": 1, "version": "0.1.0", "kernel": "6.12", "hostname": "h",
        "interval_ms": 100.0, "probes": probes, "instances": [{"name": "self", "netns": null}],
        "unavailable": {},
    }))
}

fn probes_on() -> Value {
    json!({"mode": "kprobe", "group": "all", "attached": [], "missing": []})
}

fn probes_off() -> Value {
    json!({"mode": "off", "group": "off", "reason": "no kprobes", "attached": [], "missing": []})
}

/// The sample of the `n`th tenth of a second, with a rate for each dimension of each chart.
fn sample(n: u32, rate: &dyn Fn(&str) -> Option<f64>, changes: Value) -> Record {
    let dimensions = |chart: &crate::model::kernel::charts::Chart| {
        let dimensions = chart.dimensions.iter();
        let values = dimensions.map(|d| (d.name.to_owned(), json!(rate(d.name))));
        Value::Object(values.collect())
    };
    let charts = CHARTS
        .iter()
        .map(|chart| (chart.name.to_owned(), dimensions(chart)));
    let mut sample = json!({
        "type": "sample", "time": format!("2026-01-02T03:04:{:02}.{}Z", n / 10, n % 10), "interval_s": 0.1,
        "instance": "self", "entries": 10, "max": 100, "utilization": 10.0,
        "charts": Value::Object(charts.collect()), "sources": {}, "counters": {}, "peaks": {},
        "alerts": {"netfilter_conntrack_full":
            {"status": "CLEAR", "value": 10.0, "notified": "CLEAR", "notify_at": null}},
        "verdict": null,
    });
    for (name, value) in changes.as_object().into_iter().flatten() {
        sample[name] = value.clone();
    }
    record(sample)
}

fn idle(n: u32) -> Record {
    sample(n, &|_| Some(0.0), json!({}))
}

fn report(records: impl IntoIterator<Item = Record>) -> RecordingReport {
    let mut builder = Builder::default();
    for record in records {
        builder.add(&record);
    }
    builder.finish().expect("there are samples")
}

fn only(report: &RecordingReport) -> &InstanceReport {
    &report.instances[0]
}

fn losses(records: impl IntoIterator<Item = Record>) -> Losses {
    let report = report(records);
    Losses::new(&report, only(&report))
}

#[test]
fn no_losses_only_if_they_would_have_been_seen() {
    let conclusion = |records: Vec<Record>| losses(records).conclusion;
    assert_eq!(
        conclusion(vec![hello(&probes_on()), idle(1)]),
        LossConclusion::Nothing
    );
    // Without probes there are no events, and that means nothing.
    assert_eq!(
        conclusion(vec![hello(&probes_off()), idle(1)]),
        LossConclusion::Unknown
    );
    // The same when probes were off for only a part of the time.
    let mut records = vec![hello(&probes_on()), idle(1), hello(&probes_off()), idle(2)];
    records.push(hello(&probes_on()));
    assert_eq!(conclusion(records), LossConclusion::Unknown);
    // The probe that reports a full table is missing.
    let missing = json!({"mode": "kprobe", "group": "flow", "attached": [],
        "missing": [{"function": "early_drop", "reason": "inlined"}]});
    assert_eq!(
        conclusion(vec![hello(&missing), idle(1)]),
        LossConclusion::Unknown
    );
    // A counter that was unavailable for a while.
    let blind = sample(2, &|name| (name != "drop").then_some(0.0), json!({}));
    assert_eq!(
        conclusion(vec![hello(&probes_on()), idle(1), blind]),
        LossConclusion::Unknown
    );
    assert_eq!(
        conclusion(vec![idle(1)]),
        LossConclusion::Unknown,
        "no hello"
    );
}

#[test]
fn losses_counted_by_the_kernel_need_no_probes() {
    let dropping = sample(
        1,
        &|name| Some(if name == "drop" { 70.0 } else { 0.0 }),
        json!({}),
    );
    let losses = losses([hello(&probes_off()), dropping, idle(2)]);
    assert_eq!(losses.conclusion, LossConclusion::Lost);
    let counted: Vec<_> = losses.counted.iter().map(|c| (c.name, c.rise)).collect();
    assert_eq!(
        counted,
        [
            ("drop", Some(7)),
            ("early_drop", Some(0)),
            ("insert_failed", Some(0))
        ]
    );
    assert_eq!(
        (losses.events, losses.without_probes),
        (0, Some("no kprobes".into()))
    );
}

#[test]
fn the_alert_is_as_it_was_recorded() {
    let alert = |status: &str| {
        json!({"entries": 99, "utilization": 99.0, "alerts": {"netfilter_conntrack_full":
            {"status": status, "value": 1.0, "notified": "CLEAR", "notify_at": null}}})
    };
    let at = |n, changes| sample(n, &|_| Some(0.0), changes);
    // The thresholds are configured: above 99 %, or below 10 %.
    let clear = report([at(1, alert("CLEAR")), at(2, alert("CLEAR"))]);
    assert_eq!(only(&clear).full_alert.worst, Some(AlertStatus::Clear));
    let raised = report([
        at(1, alert("CLEAR")),
        at(2, alert("WARNING")),
        at(3, alert("CLEAR")),
    ]);
    assert_eq!(only(&raised).full_alert.worst, Some(AlertStatus::Warning));
    // A missing alert has no status.
    let why = json!({"alerts": {}, "alerts_unavailable": {
        "netfilter_conntrack_full": "turned off in the configuration"}});
    let unjudged = report([at(1, why.clone())]);
    let alert = &only(&unjudged).full_alert;
    assert_eq!(alert.worst, None);
    assert_eq!(
        alert.not_judged,
        Some("turned off in the configuration".into())
    );
    let partly = report([idle(1), at(2, why)]);
    assert!(only(&partly).full_alert.not_judged.is_some());
}

#[test]
fn the_fullest_moment_is_relative_to_the_maximum_at_that_time() {
    let held = |n, entries: u64, max: u64| {
        let utilization = entries as f64 * 100.0 / max as f64;
        let changes = json!({"entries": entries, "max": max, "utilization": utilization});
        sample(n, &|_| Some(0.0), changes)
    };
    let report = report([held(1, 700, 8192), held(2, 600, 500), held(3, 900, 8192)]);
    let fullest = only(&report).fullest.expect("entries were read");
    assert_eq!((fullest.highest.entries, fullest.max), (600, Some(500)));
    assert_eq!(fullest.highest.utilization, Some(120.0));
    assert!(fullest.is_full);
}

#[test]
fn lists_are_cut_and_the_rest_is_counted() {
    let event = |kind: &str| {
        record(
            json!({"type": "event", "time": "2026-01-02T03:04:05Z", "instance": "self", "kind": kind,
            "tuple": null}),
        )
    };
    let mut records = vec![idle(1)];
    records.extend((0..1000).map(|n| event(&format!("kind {n}"))));
    records.extend((0..3000).map(|n| {
        record(json!({"type": "burst", "instance": "self", "counter": "new",
            "start": "2026-01-02T03:04:05Z", "end": "2026-01-02T03:04:06Z", "duration_ms": 1.0, "count": 1,
            "peak_rate": n, "window_ms": 1.0}))
    }));
    records.extend((0..3000).map(|n| {
        record(
            json!({"type": "alert", "time": "2026-01-02T03:04:05Z", "instance": "self", "name": "a",
            "status": if n == 2999 { "CRITICAL" } else { "CLEAR" }, "value": n, "unit": "%",
            "previous": "CLEAR"}),
        )
    }));
    let report = report(records);
    let instance = only(&report);
    assert_eq!(Losses::new(&report, instance).events, 1000);
    assert!(instance.event_counts.len() < 40 && instance.events.len() <= 300);
    assert_eq!((instance.burst_count, instance.bursts.len()), (3000, 500));
    let least = instance.bursts.iter().map(|burst| burst.peak_rate);
    assert_eq!(
        least.fold(f64::MAX, f64::min),
        2500.0,
        "the greatest are kept"
    );
    assert_eq!((instance.alert_count, instance.alerts.len()), (3000, 500));
    assert_eq!(
        instance.worst_alert.as_ref().map(|alert| alert.status),
        Some(AlertStatus::Critical)
    );
}

#[test]
fn too_many_instances_are_left_out_with_a_note() {
    let named = |n: u32| sample(1, &|_| Some(1.0), json!({"instance": format!("ns{n}")}));
    let report = report((0..300).map(named));
    assert_eq!(report.instances.len(), 256);
    assert_eq!(report.notes.len(), 1);
    assert!(
        report.notes[0].raw().starts_with("44 records are left out"),
        "{}",
        report.notes[0]
    );
}

#[test]
fn many_instances_share_the_limit_of_values() {
    let mut records = Vec::new();
    for n in 1..500 {
        for name in [
            "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q",
            "r", "s", "t",
        ] {
            records.push(sample(
                n,
                &|_| Some(f64::from(n)),
                json!({"instance": name}),
            ));
        }
    }
    let report = report(records);
    let values: usize = report
        .instances
        .iter()
        .flat_map(|instance| &instance.charts)
        .flat_map(|chart| &chart.dimensions)
        .map(|dimension| dimension.steps.as_slice().len())
        .sum();
    assert!(values <= 150_000, "{values}");
    assert_eq!(
        only(&report)
            .dimension(crate::model::kernel::counters::Counter::New)
            .and_then(|new| new.peak())
            .map(|(_, peak)| peak),
        Some(499.0)
    );
}
