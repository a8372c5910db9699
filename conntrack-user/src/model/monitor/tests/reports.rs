//! What is reported of instances besides their samples.

use super::*;
use crate::{
    model::record::Verdict,
    reading::{
        hooks::Hooks,
        proc_stat::{ProcStat, kernel_text},
        top::{TopReading, TopWindow},
    },
};

/// A table of so many entries after so many allocations.
fn allocated(ms: u64, entries: u64, allocations: u64) -> InstanceReading {
    let totals = totals(&[(ProbeCounter::AllocCall, allocations)]);
    InstanceReading {
        probes: Some(probed(totals)),
        ..holding(ms, entries)
    }
}

#[test]
fn a_reading_disagrees_with_what_its_own_instance_had_before() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", Some(1)));
    let mut monitor = monitor(&probes);
    let both = [(&a, allocated(0, 10, 0)), (&b, allocated(0, 12, 0))];
    monitor.observe(&reading(0, Purpose::Baseline, &probes, &both));
    let next = allocated(1_000, 13, 3);
    assert!(!monitor.disagrees(&a, &next));
    assert!(monitor.disagrees(&b, &next));
    // What moved while it was read is no disagreement.
    let mut moving = allocated(1_000, 12, 3);
    let before = totals(&[(ProbeCounter::AllocCall, 1)]);
    if let Some(probes) = &mut moving.probes {
        probes.before = before;
    }
    assert!(!monitor.disagrees(&a, &moving));
}

#[test]
fn an_alert_has_the_number_of_checks_that_disagree() {
    let probes = status(0, everything());
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&probes);
    let mut observe = |ms, entries, allocations| {
        let one = [(&a, allocated(ms, entries, allocations))];
        let observed = monitor.observe(&reading(ms, Purpose::Interval, &probes, &one));
        let mismatches = observed.records.iter().find_map(|record| match record {
            Record::Crosscheck(found) => {
                let verdicts = found.checks.iter().map(|check| check.verdict);
                Some(
                    verdicts
                        .filter(|verdict| *verdict == Verdict::Mismatch)
                        .count(),
                )
            }
            _ => None,
        });
        let samples = samples(&observed);
        let alerts = samples.get("a").map(|sample| sample.alerts.clone());
        let alert = alerts.and_then(|alerts| alerts.get("conntrack_probe_mismatch").copied());
        Some((alert?.value?, mismatches?))
    };
    observe(0, 10, 0);
    assert_eq!(observe(1_000, 12, 2), Some((0.0, 0)));
    let (value, mismatches) = observe(2_000, 12, 9).unwrap();
    assert_eq!(value, mismatches as f64);
    assert!(mismatches > 0);
}

#[test]
fn why_a_table_is_empty_is_noted_once() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let (a, b) = (info(1, "a", None), info(2, "b", None));
    let mut monitor = monitor(&probes);
    let mut notes = |ms, hooks: [Hooks; 2]| {
        let instances = [&a, &b].into_iter().zip(hooks).map(|(info, hooks)| {
            let mut reading = holding(ms, 0);
            reading.hooks = Some(hooks);
            (info, reading)
        });
        let instances: Vec<_> = instances.collect();
        let observed = monitor.observe(&reading(ms, Purpose::Interval, &probes, &instances));
        for (name, sample) in samples(&observed) {
            let of_sample = sample.untracked.as_ref().map(Text::raw);
            let at = usize::from(name == "b");
            let why = instances[at]
                .1
                .hooks
                .as_ref()
                .and_then(Hooks::explain_empty_table);
            assert_eq!(of_sample, why.as_deref());
        }
        let notes = observed.notes.into_iter();
        let notes = notes.map(|note| (note.instance.raw().to_owned(), note.message));
        notes.collect::<Vec<_>>()
    };
    let none = Hooks::Absent.explain_empty_table().unwrap();
    // With the first reading.
    let first = notes(0, [Hooks::Absent, Hooks::Registered]);
    assert_eq!(first, [("a".to_owned(), none.clone())]);
    // And when it changes.
    let later = notes(1_000, [Hooks::Absent, Hooks::Absent]);
    assert_eq!(later, [("b".to_owned(), none)]);
    assert_eq!(notes(2_000, [Hooks::Absent, Hooks::Absent]), []);
}

#[test]
fn top_talkers_are_those_of_all_that_are_watched() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(0)), info(2, "b", Some(1)));
    let prefixes = conntrack_ebpf::heavy_hitters::Prefixes {
        ipv4: 32,
        ipv6: 128,
    };
    let settings = TopSettings { rows: 5, prefixes };
    let mut monitor = Monitor::new(
        MonitorSettings {
            top: Some(settings),
            ..monitor(&probes).settings
        },
        Rc::clone(&probes),
    );
    let mut tops = |ms, purpose| {
        let both = [(&a, counting(ms, 10, ms)), (&b, counting(ms, 10, ms))];
        let mut reading = reading(ms, purpose, &probes, &both);
        reading.top = Some(TopReading {
            window: Some(TopWindow {
                end: at(ms),
                length: Duration::from_secs(1),
                sketches: Vec::new(),
            }),
            ..TopReading::default()
        });
        let observed = monitor.observe(&reading);
        let tops = observed.records.iter().filter_map(|record| match record {
            Record::Top(top) => Some((top.instance.raw().to_owned(), top.closing)),
            _ => None,
        });
        tops.collect::<Vec<_>>()
    };
    let named = |closing| ["a", "b"].map(|name| (name.to_owned(), closing));
    assert_eq!(tops(1_000, Purpose::Interval), named(false));
    let last = tops(2_000, Purpose::Last);
    assert_eq!(last, [named(false), named(true)].concat());
}

#[test]
fn a_hello_has_what_is_watched_and_how_often() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let mut a = (*info(1, "a", Some(0))).clone();
    a.netns = Some(4_026_531_840);
    let a = Rc::new(a);
    let mut monitor = monitor(&probes);
    let observed = monitor.observe(&reading(
        0,
        Purpose::Baseline,
        &probes,
        &[(&a, holding(0, 10))],
    ));
    let hello = hellos(&observed)[0];
    assert_eq!((hello.hostname.raw(), hello.interval_ms), ("host", 1_000.0));
    assert_eq!(hello.instances[0].netns, a.netns);
    let why = hello.unavailable.get(Counter::Alloc).map(Text::raw);
    assert!(why.is_some_and(|why| why.contains(NO_PROBES)), "{why:?}");
}

/// What the kernel's file has of a kernel up to 5.9, in which nothing was counted.
fn old_file() -> ProcStat {
    let columns = [
        "entries",
        "searched",
        "found",
        "new",
        "delete",
        "delete_list",
    ];
    ProcStat::parse(&kernel_text(&columns, &[vec![0; columns.len()]])).unwrap()
}

#[test]
fn another_hello_says_what_is_counted_in_another_way() {
    let probes = status(0, Coverage::none(NO_PROBES));
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&probes);
    let mut observe = |ms, probes: &Rc<ProbeStatus>, release: &'static str, file: bool| {
        let mut instance = holding(ms, 10);
        instance.kernel.stat = file.then(old_file);
        let mut reading = reading(ms, Purpose::Interval, probes, &[(&a, instance)]);
        reading.kernel_release = Some(release.into());
        let observed = monitor.observe(&reading);
        let hello = hellos(&observed).first().map(|hello| (*hello).clone())?;
        let reason = |counter| {
            hello
                .unavailable
                .get(counter)
                .map(|why| why.raw().to_owned())
        };
        let reasons = [Counter::Found, Counter::New].map(reason);
        Some((reasons.map(|why| why.is_some()), hello.probes.reason))
    };
    let why = |why: &'static str| Some(why.into());
    assert_eq!(
        observe(0, &probes, "5.4.0", false),
        Some(([true, true], why(NO_PROBES)))
    );
    // The file can be read now.
    assert_eq!(
        observe(1_000, &probes, "5.4.0", true),
        Some(([false, true], why(NO_PROBES)))
    );
    assert_eq!(observe(2_000, &probes, "5.4.0", true), None);
    // This kernel counts new flows.
    assert_eq!(
        observe(3_000, &probes, "4.4.0", true),
        Some(([false, false], why(NO_PROBES)))
    );
    assert_eq!(observe(4_000, &probes, "4.4.0", true), None);
    let other = Rc::new(ProbeStatus {
        number: 1,
        report: Probes::off("they were lost"),
        coverage: Coverage::none("they were lost"),
    });
    let lost = Some(([false, false], why("they were lost")));
    assert_eq!(observe(5_000, &other, "4.4.0", true), lost);
    assert_eq!(observe(6_000, &other, "4.4.0", true), None);
}

#[test]
fn what_earlier_probes_got_wrong_is_in_the_summary() {
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&status(0, everything()));
    let mut verdicts = Vec::new();
    // The first probes miss allocations, the second and third ones miss none.
    for (ms, number, purpose, entries, allocations) in [
        (0, 0, Purpose::Baseline, 10, 0),
        (2_000, 0, Purpose::Interval, 20, 1),
        (4_000, 0, Purpose::Interval, 20, 1),
        (5_000, 1, Purpose::Baseline, 20, 0),
        (6_000, 1, Purpose::Interval, 23, 3),
        (7_000, 2, Purpose::Baseline, 23, 0),
        (8_000, 2, Purpose::Last, 24, 1),
    ] {
        let probes = status(number, everything());
        let one = [(&a, allocated(ms, entries, allocations))];
        let observed = monitor.observe(&reading(ms, purpose, &probes, &one));
        let found = observed.records.iter().find_map(|record| match record {
            Record::Crosscheck(found) => Some(found.checks.as_slice()),
            Record::Summary(summary) => Some(summary.instances[0].crosscheck.as_slice()),
            _ => None,
        });
        let sample = samples(&observed)
            .get("a")
            .and_then(|sample| sample.verdict);
        verdicts.push((sample, found.and_then(crate::model::record::worst)));
        if let Some(Record::Summary(_)) = observed.records.last() {
            let checks = &summary(&observed).instances[0].crosscheck;
            let balance = checks
                .iter()
                .filter(|check| check.name == "entries_balance");
            let verdicts: Vec<_> = balance.map(|check| (check.verdict, check.probe)).collect();
            assert_eq!(verdicts, [(Verdict::Mismatch, Some(1))]);
            // What was right all the time is there as it was last.
            assert!(checks.len() > 1);
        }
    }
    let of_samples: Vec<_> = verdicts
        .into_iter()
        .filter_map(|(sample, _)| sample)
        .collect();
    assert_eq!(
        of_samples,
        [
            Verdict::Mismatch,
            Verdict::Mismatch,
            Verdict::Exact,
            Verdict::Exact
        ]
    );
}

/// With what the kernel's file has of these columns.
fn with_file(mut reading: InstanceReading, cells: &[(&str, u32)]) -> InstanceReading {
    let entries = reading.kernel.count.unwrap_or_default() as u32;
    let all = ["entries", "clashres", "drop", "expect_new", "chainlength"];
    let row = all.map(|column| match column {
        "entries" => entries,
        _ => cells
            .iter()
            .find(|(name, _)| *name == column)
            .map_or(0, |(_, n)| *n),
    });
    reading.kernel.stat = ProcStat::parse(&kernel_text(&all, &[row.to_vec()])).ok();
    reading
}

#[test]
fn a_column_is_compared_from_where_the_probes_started() {
    let (off, on) = (
        status(0, Coverage::none(NO_PROBES)),
        status(1, everything()),
    );
    let a = info(1, "a", Some(0));
    let mut monitor = monitor(&off);
    let expected = |ms, count: u32| {
        let probes = probed(totals(&[(ProbeCounter::ExpectNew, u64::from(count))]));
        let reading = InstanceReading {
            probes: Some(probes),
            ..holding(ms, 10)
        };
        with_file(reading, &[("expect_new", 5 + count)])
    };
    let before = |ms, count| with_file(holding(ms, 10), &[("expect_new", count)]);
    for (ms, purpose, probes, instance) in [
        (0, Purpose::Baseline, &off, before(0, 0)),
        (1_000, Purpose::Interval, &off, before(1_000, 5)),
        (1_500, Purpose::Baseline, &on, expected(1_500, 0)),
    ] {
        monitor.observe(&reading(ms, purpose, probes, &[(&a, instance)]));
    }
    let one = [(&a, expected(2_000, 2))];
    let observed = monitor.observe(&reading(2_000, Purpose::Interval, &on, &one));
    assert_eq!(samples(&observed)["a"].verdict, Some(Verdict::Exact));
}

#[test]
fn an_allocation_that_failed_for_want_of_memory_is_a_drop() {
    let probes = status(0, everything());
    let a = info(1, "a", Some(0));
    for (drops, verdict) in [(0, Verdict::Mismatch), (1, Verdict::WithinBracket)] {
        let mut monitor = monitor(&probes);
        let first = [(&a, with_file(allocated(0, 10, 0), &[]))];
        monitor.observe(&reading(0, Purpose::Baseline, &probes, &first));
        // The probe sees the call, and not that it fails.
        let tried = with_file(allocated(1_000, 10, 1), &[("drop", drops)]);
        let observed = monitor.observe(&reading(1_000, Purpose::Interval, &probes, &[(&a, tried)]));
        let checks = observed.records.iter().find_map(|record| match record {
            Record::Crosscheck(found) => Some(found.checks.as_slice()),
            _ => None,
        });
        let balance = checks.and_then(|checks| checks.first());
        let found = balance.map(|check| (check.name.raw(), check.verdict));
        assert_eq!(found, Some(("entries_balance", verdict)), "{drops}");
    }
}

#[test]
fn a_hello_says_what_a_namespace_belongs_to() {
    use crate::reading::workload::Workload;
    let probes = status(0, Coverage::none(NO_PROBES));
    let mut a = (*info(1, "a", Some(0))).clone();
    a.netns = Some(9);
    let (a, b) = (Rc::new(a), info(2, "b", None));
    let mut monitor = monitor(&probes);
    let mut observe = |ms, workloads: Option<Workloads>| {
        let both = [(&a, holding(ms, 10)), (&b, holding(ms, 10))];
        let mut reading = reading(ms, Purpose::Interval, &probes, &both);
        reading.workloads = workloads.map(Rc::new);
        let observed = monitor.observe(&reading);
        let hello = hellos(&observed).first().map(|hello| (*hello).clone())?;
        let pods = hello.instances.into_iter();
        let pods = pods.map(|instance| instance.workload?.pod.clone());
        Some(pods.collect::<Vec<_>>())
    };
    assert_eq!(observe(0, None), Some(vec![None, None]));
    let cart = Workload {
        pod: Some("cart".into()),
        ..Workload::default()
    };
    let mut workloads = Workloads::default();
    workloads.add(Some(9), [[10, 0, 0, 1].into()], Some(cart.into()));
    assert_eq!(
        observe(1_000, Some(workloads)),
        Some(vec![Some("cart".into()), None])
    );
    // That holds until it is found out again.
    assert_eq!(observe(2_000, None), None);
}
