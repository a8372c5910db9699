//! Several instances over time: those that come, go and have no probes.

mod events;
mod reports;
mod values;

use std::collections::HashMap;

use conntrack_ebpf::ProbeCounter;

use super::*;
use crate::{
    model::{
        kernel::counters::Counter,
        monitor::instance::tests::{at, everything, reading as probed, snapshot, totals},
        record::{Hello, Sample, Severity, SourceKind},
    },
    reading::{probes::Probes, usage::Usage},
};

const NO_PROBES: &str = "not asked for";

fn status(number: u32, coverage: Coverage) -> Rc<ProbeStatus> {
    Rc::new(ProbeStatus {
        number,
        report: Probes::off(NO_PROBES),
        coverage,
    })
}

fn monitor(probes: &Rc<ProbeStatus>) -> Monitor {
    let settings = MonitorSettings {
        hostname: "host".into(),
        interval: Duration::from_secs(1),
        buckets: false,
        bursts: burst::BurstSettings::default(),
        alerts: AlertSettings::default(),
        top: None,
        lifetimes: false,
        latency: false,
    };
    Monitor::new(settings, Rc::clone(probes))
}

fn info(id: u64, name: &'static str, slot: Option<u32>) -> Rc<InstanceInfo> {
    Rc::new(InstanceInfo {
        id,
        name: name.into(),
        netns: None,
        slot,
    })
}

/// So many entries of 1,000, without probes.
fn holding(ms: u64, entries: u64) -> InstanceReading {
    let mut reading = snapshot(ms, None, None);
    reading.kernel.count = Some(entries);
    reading
}

/// The same with insertions that probes have counted.
fn counting(ms: u64, entries: u64, inserted: u64) -> InstanceReading {
    let totals = totals(&[(ProbeCounter::Inserted, inserted)]);
    InstanceReading {
        probes: Some(probed(totals)),
        ..holding(ms, entries)
    }
}

fn reading(
    ms: u64,
    purpose: Purpose,
    probes: &Rc<ProbeStatus>,
    instances: &[(&Rc<InstanceInfo>, InstanceReading)],
) -> Reading {
    Reading {
        at: at(ms),
        purpose,
        kernel_release: Some("6.12.0".into()),
        probes: Rc::clone(probes),
        instances: instances
            .iter()
            .map(|(info, reading)| (Rc::clone(info), reading.clone()))
            .collect(),
        gone: Vec::new(),
        events: Vec::new(),
        event_counts: None,
        top: None,
        workloads: None,
        own: None,
    }
}

fn hellos(observed: &Observed) -> Vec<&Hello> {
    let hello = |record: &'_ Record| matches!(record, Record::Hello(_));
    assert!(observed.records.iter().skip(1).all(|record| !hello(record)));
    observed
        .records
        .iter()
        .filter_map(|record| match record {
            Record::Hello(hello) => Some(&**hello),
            _ => None,
        })
        .collect()
}

fn samples(observed: &Observed) -> HashMap<&str, &Sample> {
    let samples = observed.records.iter().filter_map(|record| match record {
        Record::Sample(sample) => Some((sample.instance.raw(), &**sample)),
        _ => None,
    });
    samples.collect()
}

fn summary(observed: &Observed) -> &Summary {
    match observed.records.last() {
        Some(Record::Summary(summary)) => summary,
        other => panic!("a summary is last: {other:?}"),
    }
}

fn names(hello: &Hello) -> Vec<&str> {
    hello.instances.iter().map(|i| i.name.raw()).collect()
}

#[test]
fn a_namespace_that_comes_later_has_a_baseline_of_its_own() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let (a, b) = (info(1, "a", None), info(2, "b", None));
    let mut monitor = monitor(&probes);
    let first = reading(0, Purpose::Baseline, &probes, &[(&a, holding(0, 10))]);
    let observed = monitor.observe(&first);
    assert_eq!(names(hellos(&observed)[0]), ["a"]);
    assert!(samples(&observed).is_empty());
    let both = [(&a, holding(1_000, 20)), (&b, holding(1_000, 30))];
    let observed = monitor.observe(&reading(1_000, Purpose::Interval, &probes, &both));
    assert_eq!(names(hellos(&observed)[0]), ["a", "b"]);
    assert_eq!(samples(&observed).into_keys().collect::<Vec<_>>(), ["a"]);
    let both = [(&a, holding(3_000, 20)), (&b, holding(3_000, 31))];
    // A baseline of others ends no interval of these.
    let observed = monitor.observe(&reading(2_000, Purpose::Baseline, &probes, &both));
    assert!(observed.records.is_empty(), "{observed:?}");
    let observed = monitor.observe(&reading(3_000, Purpose::Interval, &probes, &both));
    assert!(hellos(&observed).is_empty());
    let found = samples(&observed);
    assert_eq!((found["a"].interval_s, found["b"].interval_s), (2.0, 2.0));
    assert_eq!(
        (found["a"].entries, found["b"].entries),
        (Some(20), Some(31))
    );
}

#[test]
fn a_namespace_that_is_gone_is_in_the_summary() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", Some(1)));
    let mut monitor = monitor(&probes);
    for ms in [0, 1_000] {
        let both = [(&a, counting(ms, 10, ms)), (&b, counting(ms, 10, 2 * ms))];
        monitor.observe(&reading(ms, Purpose::Interval, &probes, &both));
    }
    assert!(monitor.verdict(&a.name).is_some());
    let mut third = reading(
        2_000,
        Purpose::Interval,
        &probes,
        &[(&b, counting(2_000, 10, 4_000))],
    );
    let ended = |info: &Rc<InstanceInfo>, inserted: u64| EndedReading {
        info: Rc::clone(info),
        probes: Some(probed(totals(&[(ProbeCounter::Inserted, inserted)]))),
        durations: None,
    };
    // That of a namespace which was never watched changes nothing.
    third.gone = vec![ended(&a, 1_700), ended(&info(9, "never", None), 5)];
    let observed = monitor.observe(&third);
    assert_eq!(names(hellos(&observed)[0]), ["b"]);
    assert_eq!(samples(&observed).into_keys().collect::<Vec<_>>(), ["b"]);
    let last = reading(
        3_000,
        Purpose::Last,
        &probes,
        &[(&b, counting(3_000, 10, 6_000))],
    );
    let observed = monitor.observe(&last);
    let summary = summary(&observed);
    assert_eq!((summary.duration_s, summary.instances_left_out), (3.0, 0));
    let inserted = summary.instances.iter().map(|instance| {
        let total = instance.totals.get(Counter::Inserted);
        (instance.name.raw(), total.and_then(|total| total.probe))
    });
    // Its rest included: those that are watched first.
    assert_eq!(
        inserted.collect::<Vec<_>>(),
        [("b", Some(6_000)), ("a", Some(1_700))]
    );
    let closing = observed.records.iter().filter_map(|record| match record {
        Record::Verdict(verdict) if verdict.closing => Some(verdict.instance.raw()),
        _ => None,
    });
    assert_eq!(closing.collect::<Vec<_>>(), ["b"]);
}

#[test]
fn a_namespace_without_a_slot_has_no_probes_while_others_do() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", None));
    let mut monitor = monitor(&probes);
    let mut observed = Observed::default();
    for ms in [0, 1_000] {
        let both = [(&a, counting(ms, 10, ms)), (&b, holding(ms, 10))];
        observed = monitor.observe(&reading(ms, Purpose::Interval, &probes, &both));
    }
    let found = samples(&observed);
    let chart = "netfilter.conntrack_changes";
    let inserted = |name: &str| {
        let sample = found[name];
        let value = sample.charts.get(chart).and_then(|of| of.get("inserted"));
        let source = sample.sources.get(chart).and_then(|of| of.get("inserted"));
        (value.copied().flatten(), source.copied())
    };
    assert_eq!(inserted("a").0, Some(1_000.0));
    assert_eq!(inserted("b"), (None, Some(SourceKind::Unavailable)));
    let alerts = &found["b"].alerts_unavailable;
    let why = alerts.get("conntrack_table_full").map(Text::raw);
    assert!(why.is_some_and(|why| why.contains(NO_SLOT)), "{alerts:?}");
    assert!(
        found["a"]
            .alerts_unavailable
            .get("conntrack_table_full")
            .is_none()
    );
}

#[test]
fn a_kernel_release_that_becomes_known_is_in_another_hello() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let a = info(1, "a", None);
    let mut monitor = monitor(&probes);
    let mut observe = |ms, release: Option<&'static str>| {
        let mut reading = reading(ms, Purpose::Interval, &probes, &[(&a, holding(ms, 10))]);
        reading.kernel_release = release.map(Into::into);
        let observed = monitor.observe(&reading);
        let hello = hellos(&observed).first().map(|hello| hello.kernel.clone());
        hello.map(|kernel| kernel.raw().to_owned())
    };
    assert_eq!(observe(0, None).as_deref(), Some("unknown"));
    assert_eq!(observe(1_000, Some("6.12.0")).as_deref(), Some("6.12.0"));
    assert_eq!(observe(2_000, Some("6.12.0")), None);
}

#[test]
fn probes_that_change_while_nothing_is_watched_are_in_another_hello() {
    let with = |number, why: &'static str| {
        Rc::new(ProbeStatus {
            number,
            report: Probes::off(why),
            coverage: Coverage::none(why),
        })
    };
    let mut monitor = monitor(&with(0, NO_PROBES));
    let mut observe = |ms, probes: &Rc<ProbeStatus>| {
        let observed = monitor.observe(&reading(ms, Purpose::Interval, probes, &[]));
        let hello = hellos(&observed).first().map(|hello| (*hello).clone());
        hello.and_then(|hello| hello.probes.reason)
    };
    assert_eq!(observe(0, &with(0, NO_PROBES)), Some(NO_PROBES.into()));
    assert_eq!(observe(1_000, &with(1, "lost")), Some("lost".into()));
    assert_eq!(observe(2_000, &with(1, "lost")), None);
}

#[test]
fn probes_that_are_attached_later_count_from_their_baseline() {
    let (none, all) = (
        status(0, Coverage::none(NO_PROBES)),
        status(1, everything()),
    );
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&none);
    monitor.observe(&reading(
        0,
        Purpose::Baseline,
        &none,
        &[(&a, holding(0, 10))],
    ));
    let attached = [(&a, counting(500, 10, 7_000))];
    let observed = monitor.observe(&reading(500, Purpose::Baseline, &all, &attached));
    assert!(samples(&observed).is_empty());
    let interval = [(&a, counting(1_000, 10, 7_005))];
    let observed = monitor.observe(&reading(1_000, Purpose::Interval, &all, &interval));
    let found = samples(&observed);
    assert_eq!(found["a"].counters.get(Counter::Inserted), Some(&5));
}

#[test]
fn the_overhead_remains_until_it_is_measured_again() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let mut monitor = monitor(&probes);
    let mut observe = |ms: u64, cpu_ms: Option<u64>| {
        let mut reading = reading(ms, Purpose::Interval, &probes, &[]);
        reading.own = cpu_ms.map(|cpu| Usage {
            at: Duration::from_millis(ms),
            cpu: Duration::from_millis(cpu),
            memory: None,
        });
        monitor.observe(&reading);
        let wants = |after| monitor.wants_usage(Duration::from_millis(ms + after));
        let due = (wants(0), wants(2_000));
        (monitor.overhead().map(|overhead| overhead.cpu_percent), due)
    };
    assert_eq!(observe(0, None), (None, (true, true)));
    assert_eq!(observe(1_000, Some(0)), (None, (false, true)));
    assert_eq!(observe(3_000, Some(40)), (Some(2.0), (false, true)));
    // Of no time nothing is known.
    assert_eq!(observe(3_000, Some(40)), (Some(2.0), (false, true)));
    assert_eq!(observe(5_000, None), (Some(2.0), (true, true)));
}

#[test]
fn nothing_disagrees_with_a_kernel_that_was_not_watched_and_a_full_table_is_critical() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let (a, b) = (info(1, "a", None), info(2, "b", None));
    let mut monitor = monitor(&probes);
    for ms in [0, 1_000] {
        let one = [(&a, holding(ms, 1_000))];
        monitor.observe(&reading(ms, Purpose::Interval, &probes, &one));
    }
    assert!(!monitor.disagrees(&b, &holding(2_000, 5)));
    let severity = |info: &InstanceInfo| monitor.verdict(&info.name).map(|v| v.severity);
    assert_eq!(
        (severity(&a), severity(&b)),
        (Some(Severity::Critical), None)
    );
}
