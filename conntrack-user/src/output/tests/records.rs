//! Records made by hand, and the runs they make up.

use super::samples::{PROBED, blind, busy, idle, lossy, per_counter, time, unprobed};
use crate::{
    model::{
        alert::{AlertStatus, ConntrackFull},
        event::{Family, Protocol, Tuple},
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{
            Alert, Burst, Check, Crosscheck, Event, EventTotals, Hello, Instance, InstanceSummary,
            Ordered, Percentiles, Record, SCHEMA, Summary, Total, Verdict,
        },
    },
    reading::probes::{Missing, ProbedFunction, Probes},
    text::Text,
};

/// The unavailable counters with these probes, with reasons.
pub(super) fn unavailable(probes: &Probes) -> PerCounter<Text> {
    let missing = |function: &str| probes.missing.iter().find(|m| m.function == function);
    PerCounter::from_fn(|spec| {
        let probe = match (spec.id, &probes.reason) {
            (Counter::Ignore, _) => return Some("not counted by the kernel since 5.10".into()),
            (Counter::Searched, _) => {
                return Some("not counted by the kernel since 4.9".into());
            }
            (Counter::Alloc | Counter::Free, reason) => return reason.clone(),
            (counter, Some(reason)) if PROBED.contains(&counter) => reason,
            (Counter::DeleteList, None) => &missing("__nf_ct_delete_from_lists")?.reason,
            _ => return None,
        };
        Some(format!("not counted by the kernel since 4.9; no probe: {probe}").into())
    })
}

pub(super) fn hello(probes: Probes) -> Record {
    Record::Hello(Box::new(Hello {
        schema: SCHEMA,
        version: "0.1.0".into(),
        kernel: "6.12.117+deb12-amd64".into(),
        hostname: "gateway".into(),
        interval_ms: 100.0,
        unavailable: unavailable(&probes),
        probes,
        instances: vec![Instance {
            name: "self".into(),
            netns: Some(4_026_531_840),
            host: None,
            workload: None,
        }],
    }))
}

pub(super) fn probes_on() -> Probes {
    Probes {
        mode: "kprobe".into(),
        group: "flow".into(),
        reason: None,
        attached: [
            "__nf_conntrack_alloc",
            "nf_conntrack_free",
            "__nf_conntrack_hash_insert",
            "nf_ct_destroy",
            "__nf_ct_delete_from_lists",
            "nf_ct_find_expectation",
        ]
        .map(Text::fixed)
        .into(),
        by_kprobe: Vec::new(),
        missing: Vec::new(),
        functions: Vec::new(),
    }
}

/// All probes except one.
pub(super) fn probes_on_but_one() -> Probes {
    let mut probes = probes_on();
    let function = probes.attached.remove(4);
    let reason = format!("6.12.117+deb12-amd64 has no function {function} (inlined or renamed)");
    probes.missing.push(Missing {
        function,
        reason: reason.into(),
    });
    probes
}

pub(super) fn probes_off() -> Probes {
    Probes {
        functions: Vec::new(),
        mode: "off".into(),
        group: "off".into(),
        reason: Some("this kernel has no kprobes".into()),
        attached: Vec::new(),
        by_kprobe: Vec::new(),
        missing: vec![Missing {
            function: "__nf_conntrack_alloc".into(),
            reason: "this kernel has no kprobes".into(),
        }],
    }
}

/// By fentry, but for three functions.
pub(super) fn probes_mixed() -> Probes {
    let refused = "the kernel refused a trampoline: Device or resource busy (os error 16)";
    let by_kprobe = [
        ("nf_conntrack_free", "turned off with --no-fentry"),
        ("nf_ct_destroy", refused),
        ("nf_ct_find_expectation", "turned off with --no-fentry"),
    ];
    let mut probes = probes_on();
    probes.mode = "fentry".into();
    probes.by_kprobe = by_kprobe.map(|(function, _)| Text::fixed(function)).into();
    let functions = probes.attached.iter().map(|function| {
        let reason = by_kprobe.iter().find(|(name, _)| *function == *name);
        ProbedFunction {
            function: function.clone(),
            by: reason.map_or("fentry", |_| "kprobe").into(),
            reason: reason.map(|(_, reason)| Text::fixed(reason)),
        }
    });
    probes.functions = functions.collect();
    probes
}

pub(super) fn check(name: &'static str, probe: i64, kernel: [i64; 2], verdict: Verdict) -> Check {
    let [low, high] = kernel;
    Check {
        name: name.into(),
        probe: Some(probe),
        kernel_low: Some(low),
        kernel_high: Some(high),
        residual: Some(probe - probe.clamp(low, high)),
        verdict,
        reason: match verdict {
            Verdict::Undercount => Some("the kernel missed 3 probe hits".into()),
            Verdict::Mismatch => Some("the kernel reports only 0 missed probe hits".into()),
            _ => None,
        },
    }
}

pub(super) fn not_comparable(name: &'static str, probe: i64, reason: &str) -> Check {
    Check {
        name: name.into(),
        probe: Some(probe),
        kernel_low: None,
        kernel_high: None,
        residual: None,
        verdict: Verdict::NotComparable,
        reason: Some(reason.to_owned().into()),
    }
}

pub(super) fn crosscheck(ms: u64, checks: Vec<Check>) -> Record {
    Record::Crosscheck(Crosscheck {
        time: time(ms),
        instance: "self".into(),
        checks,
    })
}

pub(super) fn good_checks() -> Vec<Check> {
    vec![
        check("entries_balance", 700, [698, 703], Verdict::WithinBracket),
        not_comparable("new", 800, "not counted by the kernel since 4.9"),
        check("expect_new", 2, [2, 2], Verdict::Exact),
    ]
}

pub(super) fn bad_checks() -> Vec<Check> {
    vec![
        check("entries_balance", 697, [700, 700], Verdict::Undercount),
        check("expect_new", 1, [2, 2], Verdict::Mismatch),
    ]
}

pub(super) fn alert(ms: u64, previous: AlertStatus, status: AlertStatus, value: f64) -> Record {
    Record::Alert(Alert {
        time: time(ms),
        instance: "self".into(),
        name: ConntrackFull::NAME.into(),
        status,
        value,
        unit: ConntrackFull::UNIT.into(),
        previous,
        reason: None,
    })
}

pub(super) fn event() -> Record {
    Record::Event(Box::new(Event {
        time: time(250),
        instance: "self".into(),
        kind: "insert_failed".into(),
        tuple: Some(Tuple {
            family: Some(Family::Ipv4),
            proto: Some(Protocol(17)),
            src: Some([192, 0, 2, 1].into()),
            sport: Some(40_000),
            dst: Some([198, 51, 100, 7].into()),
            dport: None,
            ..Tuple::default()
        }),
        by: None,
        translated: None,
        workloads: Ordered::default(),
    }))
}

pub(super) fn summary(crosscheck: Vec<Check>) -> Record {
    let total = |probe, kernel| Total { probe, kernel };
    let percentiles = |max: f64| Percentiles {
        p50: 0.0,
        p90: 0.0,
        p99: max / 50.0,
        p999: max / 2.0,
        max,
        dispersion: (max > 0.0).then_some(41.7),
    };

    let probed = !crosscheck.is_empty();
    let probe = |n| probed.then_some(n);
    let mut totals = vec![
        (Counter::Found, total(None, Some(0))),
        (Counter::Drop, total(None, Some(12_345_678_901))),
        (Counter::ExpectNew, total(probe(2), Some(2))),
    ];
    let mut histograms = Vec::new();
    if probed {
        totals.push((Counter::Alloc, total(Some(800), None)));
        totals.push((Counter::New, total(Some(800), None)));
        totals.push((Counter::Free, total(Some(0), None)));
        histograms.push((Counter::New, percentiles(53_000.0)));
        histograms.push((Counter::Free, percentiles(0.0)));
    }
    Record::Summary(Box::new(Summary {
        duration_s: 12.345,
        events: Some(Ordered(vec![(
            "early_drop".into(),
            EventTotals {
                sent: 100,
                suppressed: 9_900,
                lost: 3,
            },
        )])),
        instances_left_out: 0,
        instances: vec![InstanceSummary {
            name: "self".into(),
            totals: per_counter(&totals),
            crosscheck,
            missed: probe(0),
            lost_events: probe(0),
            buckets_lost_ms: 0.0,
            lifetimes: None,
            latency: None,
            histograms: per_counter(&histograms),
            bursts: PerCounter::default(),
        }],
    }))
}

pub(super) fn burst() -> Record {
    Record::Burst(Burst {
        instance: "self".into(),
        counter: "new".into(),
        start: time(1_000),
        end: time(1_040),
        duration_ms: 40.0,
        count: 500,
        peak_rate: 53_000.0,
        window_ms: 1.048_576,
        usual_rate: 0.0,
    })
}

/// A run with probes in which everything happens.
pub(super) fn eventful() -> Vec<Record> {
    vec![
        hello(probes_on()),
        Record::Sample(Box::new(idle())),
        crosscheck(0, good_checks()),
        Record::Sample(Box::new(busy())),
        alert(100, AlertStatus::Clear, AlertStatus::Critical, 100.0),
        Record::Sample(Box::new(lossy())),
        crosscheck(400, bad_checks()),
        // The same verdict is not explained twice.
        crosscheck(500, bad_checks()),
        alert(600, AlertStatus::Critical, AlertStatus::Clear, 3.4),
        summary(bad_checks()),
    ]
}

/// A run without probes.
pub(super) fn plain() -> Vec<Record> {
    vec![
        hello(probes_off()),
        Record::Sample(Box::new(unprobed())),
        Record::Sample(Box::new(blind())),
        alert(300, AlertStatus::Clear, AlertStatus::Warning, 92.316),
        summary(Vec::new()),
    ]
}
