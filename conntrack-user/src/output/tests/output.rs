//! Tests of all formats, with records made by hand.
//!
//! A changed snapshot changes what users see: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use std::io;

use crate::{
    model::{
        alert::{AlertStatus, ConntrackFull},
        event::{Family, Protocol, Tuple},
        forecast::TimeToFull,
        kernel::{
            charts::{CHARTS, Quantity},
            counters::{COUNT, COUNTERS, Counter},
            per_counter::PerCounter,
        },
        record::{
            Alert, AlertState, Buckets, Burst, Check, Crosscheck, Event, EventTotals, Hello,
            Instance, InstanceSummary, Ordered, Peak, Percentiles, Record, SCHEMA, Sample,
            SourceKind, Summary, Time, Total, Verdict,
        },
    },
    output::{
        Sink,
        csv::Csv,
        doctor::{
            CounterLine, DoctorFinding, DoctorReport, PrivilegeLine, RequirementStatus, text,
        },
        json::Json,
        terminal::Size,
        text::{TextSink, View},
    },
    reading::{
        buckets::{BUCKET_MS, BUCKET_SECONDS},
        probes::{Missing, ProbedFunction, Probes},
    },
    text::Text,
};
use conntrack_ebpf::BUCKET_NS;
use jiff::Timestamp;
use serde_json::Value;

pub(super) type TestResult = Result<(), Box<dyn std::error::Error>>;

pub(super) const SMALL: Option<Size> = Some(Size {
    columns: 80,
    rows: 24,
});
pub(super) const LARGE: Option<Size> = Some(Size {
    columns: 200,
    rows: 50,
});

/// 2026-01-02 03:04:05.678901 plus milliseconds.
fn time(ms: u64) -> Time {
    Time(Timestamp::constant(1_767_323_045, 678_901_000) + std::time::Duration::from_millis(ms))
}

pub(super) fn per_counter<T: Copy>(values: &[(Counter, T)]) -> PerCounter<T> {
    PerCounter::from_fn(|spec| values.iter().find(|(c, _)| *c == spec.id).map(|(_, v)| *v))
}

/// Counters that only probes count.
const PROBED: [Counter; 6] = [
    Counter::Alloc,
    Counter::Free,
    Counter::New,
    Counter::Inserted,
    Counter::Deleted,
    Counter::DeleteList,
];

/// Counters that kernels since 5.10 do not count, nor any probe.
const DEAD: [Counter; 2] = [Counter::Ignore, Counter::Searched];

/// The unavailable counters with these probes, with reasons.
fn unavailable(probes: &Probes) -> PerCounter<Text> {
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
fn probes_on_but_one() -> Probes {
    let mut probes = probes_on();
    let function = probes.attached.remove(4);
    let reason = format!("6.12.117+deb12-amd64 has no function {function} (inlined or renamed)");
    probes.missing.push(Missing {
        function,
        reason: reason.into(),
    });
    probes
}

fn probes_off() -> Probes {
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

/// A sample `ms` into the run with these rates; other counters are idle, or dead.
fn sample(ms: u64, probes: bool, entries: u64, rates: &[(Counter, f64)]) -> Sample {
    let max = 262_144;
    let alive = |counter| !DEAD.contains(&counter) && (probes || !PROBED.contains(&counter));
    let rate = |counter| {
        let rate = rates
            .iter()
            .find(|(c, _)| *c == counter)
            .map_or(0.0, |(_, rate)| *rate);
        alive(counter).then_some(rate)
    };
    Sample {
        wrong: PerCounter::default(),
        time: time(ms),
        interval_s: 0.1,
        instance: "self".into(),
        entries: Some(entries),
        max: Some(max),
        utilization: Some(entries as f64 * 100.0 / max as f64),
        entries_per_s: Some(-12.5),
        time_to_full_s: None,
        charts: charts(|quantity| match quantity {
            Quantity::Entries => Some(entries as f64),
            Quantity::Rate(counter) => rate(counter),
        }),
        sources: charts(|quantity| match quantity {
            Quantity::Rate(counter) if !alive(counter) => SourceKind::Unavailable,
            Quantity::Rate(counter) if PROBED.contains(&counter) => SourceKind::Probe,
            _ => SourceKind::Proc,
        }),
        counters: PerCounter::from_fn(|spec| rate(spec.id).map(|rate| (rate / 10.0) as u64)),
        peaks: PerCounter::from_fn(|spec| {
            let rate = rate(spec.id).filter(|_| probes && PROBED.contains(&spec.id))?;
            Some(Peak {
                rate: rate * 20.0,
                window_ms: BUCKET_MS,
                at: (rate > 0.0).then(|| time(ms)),
            })
        }),
        histograms: None,
        buckets: None,
        per_cpu: None,
        buckets_lost_ms: 0.0,
        buckets_unavailable: None,
        untracked: None,
        alerts: Ordered(vec![(
            ConntrackFull::NAME.into(),
            AlertState {
                status: AlertStatus::Clear,
                value: Some(entries as f64 * 100.0 / max as f64),
                notified: AlertStatus::Clear,
                notify_at: None,
            },
        )]),
        alerts_unavailable: Ordered::default(),
        verdict: probes.then_some(Verdict::Exact),
    }
}

fn charts<T>(value: impl Fn(Quantity) -> T) -> Ordered<Ordered<T>> {
    let dimensions = |chart: &crate::model::kernel::charts::Chart| {
        chart
            .dimensions
            .iter()
            .map(|d| (d.name.into(), value(d.quantity)))
            .collect()
    };
    Ordered(
        CHARTS
            .iter()
            .map(|chart| (chart.name.into(), Ordered(dimensions(chart))))
            .collect(),
    )
}

pub(super) fn idle() -> Sample {
    sample(0, true, 0, &[])
}

pub(super) fn busy() -> Sample {
    let rates = [
        (Counter::New, 81_250.0),
        (Counter::Invalid, 2.5),
        (Counter::Inserted, 81_240.0),
        (Counter::Deleted, 1_234_567.0),
        (Counter::DeleteList, 1_234_000.0),
        (Counter::ExpectNew, 10.0),
        (Counter::SearchRestart, 813.4),
        (Counter::Found, 9_990.0),
        (Counter::IcmpError, 70.0),
        (Counter::InsertFailed, 20.0),
        (Counter::Drop, 123_456.0),
        (Counter::EarlyDrop, 99_949.0),
    ];
    let mut sample = sample(100, true, 262_144, &rates);
    sample.time_to_full_s = Some(TimeToFull {
        estimate: 42.25,
        low: 35.0,
        high: 55.5,
    });
    sample.verdict = Some(Verdict::WithinBracket);
    sample
}

pub(super) fn unprobed() -> Sample {
    sample(200, false, 17, &[(Counter::Drop, 10.0)])
}

/// A sample without any readable file.
pub(super) fn blind() -> Sample {
    Sample {
        entries: None,
        entries_per_s: None,
        max: None,
        utilization: None,
        charts: charts(|_| None),
        sources: charts(|_| SourceKind::Unavailable),
        counters: PerCounter::default(),
        peaks: PerCounter::default(),
        alerts: Ordered::default(),
        alerts_unavailable: Ordered(vec![(
            ConntrackFull::NAME.into(),
            "the number of entries cannot be read".into(),
        )]),
        verdict: None,
        ..sample(300, false, 0, &[])
    }
}

fn lossy() -> Sample {
    Sample {
        buckets_lost_ms: 123.0 * BUCKET_MS,
        verdict: Some(Verdict::Mismatch),
        ..sample(400, true, 1000, &[(Counter::New, 5.0)])
    }
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

fn good_checks() -> Vec<Check> {
    vec![
        check("entries_balance", 700, [698, 703], Verdict::WithinBracket),
        not_comparable("new", 800, "not counted by the kernel since 4.9"),
        check("expect_new", 2, [2, 2], Verdict::Exact),
    ]
}

fn bad_checks() -> Vec<Check> {
    vec![
        check("entries_balance", 697, [700, 700], Verdict::Undercount),
        check("expect_new", 1, [2, 2], Verdict::Mismatch),
    ]
}

fn alert(ms: u64, previous: AlertStatus, status: AlertStatus, value: f64) -> Record {
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

fn event() -> Record {
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

fn write<S: Sink>(sink: &mut S, records: &[Record]) -> io::Result<()> {
    records.iter().try_for_each(|record| sink.write(record))?;
    sink.flush()
}

pub(super) fn as_text(terminal: Option<Size>, records: &[Record]) -> io::Result<String> {
    let mut out = Vec::new();
    write(
        &mut TextSink::new(&mut out, terminal, View::default()),
        records,
    )?;
    String::from_utf8(out).map_err(io::Error::other)
}

pub(super) fn as_csv(records: &[Record]) -> io::Result<String> {
    let mut out = Vec::new();
    write(&mut Csv::new(&mut out), records)?;
    String::from_utf8(out).map_err(io::Error::other)
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

pub(super) fn as_json(record: Record) -> io::Result<(String, Value)> {
    let mut out = Vec::new();
    write(&mut Json::new(&mut out), std::slice::from_ref(&record))?;
    let line = String::from_utf8(out).map_err(io::Error::other)?;
    assert_eq!(line.matches('\n').count(), 1, "one line: {line}");
    // A record does not change when it is parsed and written again.
    let again: Record = serde_json::from_str(&line)?;
    assert_eq!(again, record);
    assert_eq!(serde_json::to_string(&again)?, line.trim_end());
    let value = serde_json::from_str(&line)?;
    Ok((line, value))
}

/// A run with probes in which everything happens.
fn eventful() -> Vec<Record> {
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
fn plain() -> Vec<Record> {
    vec![
        hello(probes_off()),
        Record::Sample(Box::new(unprobed())),
        Record::Sample(Box::new(blind())),
        alert(300, AlertStatus::Clear, AlertStatus::Warning, 92.316),
        summary(Vec::new()),
    ]
}

#[test]
fn text_without_a_terminal_has_every_column() -> TestResult {
    insta::assert_snapshot!("text_piped_with_probes", as_text(None, &eventful())?);
    insta::assert_snapshot!("text_piped_without_probes", as_text(None, &plain())?);
    Ok(())
}

#[test]
fn text_on_a_small_terminal() -> TestResult {
    insta::assert_snapshot!("text_80x24_with_probes", as_text(SMALL, &eventful())?);
    insta::assert_snapshot!("text_80x24_without_probes", as_text(SMALL, &plain())?);
    Ok(())
}

#[test]
fn text_on_a_large_terminal() -> TestResult {
    insta::assert_snapshot!("text_200x50_with_probes", as_text(LARGE, &eventful())?);
    insta::assert_snapshot!("text_200x50_without_probes", as_text(LARGE, &plain())?);
    Ok(())
}

#[test]
fn text_names_what_a_missing_probe_costs() -> TestResult {
    insta::assert_snapshot!(as_text(None, &[hello(probes_on_but_one())])?);
    Ok(())
}

/// By fentry, but for three functions.
fn probes_mixed() -> Probes {
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

#[test]
fn text_names_functions_with_a_kprobe_instead_of_fentry() -> TestResult {
    insta::assert_snapshot!(as_text(None, &[hello(probes_mixed())])?);
    let mut all = probes_mixed();
    all.by_kprobe.clear();
    let text = as_text(None, &[hello(all)])?;
    assert!(text.contains("probes: fentry, flow group, on "), "{text}");
    assert!(!text.contains("kprobe"), "{text}");
    Ok(())
}

#[test]
fn text_of_a_good_summary() -> TestResult {
    insta::assert_snapshot!(as_text(SMALL, &[summary(good_checks())])?);
    Ok(())
}

/// Whether a line is a sample or its header: it starts with the time, or its heading.
fn is_tabular(line: &str) -> bool {
    line.starts_with("----UTC") || line.starts_with("time ") || line.starts_with("03:04:")
}

#[test]
fn tables_are_never_wider_than_the_terminal() -> TestResult {
    for columns in [40, 60, 79, 80, 81, 100, 120, 132, 160, 200, 300] {
        let terminal = Some(Size { columns, rows: 24 });
        for records in [eventful(), plain()] {
            let text = as_text(terminal, &records)?;
            let mut seen = 0;
            for line in text.lines().filter(|line| is_tabular(line)) {
                let width = line.chars().count();
                // Below this width the most important columns do not fit.
                let limit = usize::from(columns.max(64));
                assert!(width <= limit, "{width} of {columns}: {line}");
                seen += 1;
            }
            assert!(seen >= 4, "{text}");
        }
    }
    Ok(())
}

#[test]
fn every_line_of_a_table_has_its_cells_below_their_titles() -> TestResult {
    for terminal in [None, SMALL, LARGE] {
        let text = as_text(terminal, &eventful())?;
        let lines: Vec<_> = text.lines().filter(|line| is_tabular(line)).collect();
        let titles = lines
            .iter()
            .find(|line| line.starts_with("time "))
            .ok_or("no titles")?;
        let cells = titles.split_whitespace().count();
        for line in lines.iter().filter(|line| line.starts_with("03:04:")) {
            assert_eq!(line.split_whitespace().count(), cells, "{titles}\n{line}");
        }
    }
    Ok(())
}

#[test]
fn the_header_is_repeated_on_every_screen_of_a_terminal() -> TestResult {
    let samples: Vec<_> = (0..100).map(|_| Record::Sample(Box::new(idle()))).collect();
    let headers = |terminal| -> io::Result<usize> {
        let text = as_text(terminal, &samples)?;
        Ok(text
            .lines()
            .filter(|line| line.starts_with("time "))
            .count())
    };
    assert_eq!(
        headers(None)?,
        0,
        "a file is read from its top, where hello says it once"
    );
    // 21 samples below each header; the first header comes with hello.
    assert_eq!(headers(SMALL)?, 4);
    assert_eq!(headers(LARGE)?, 2);
    Ok(())
}

#[test]
fn unavailable_is_a_dash_and_idle_a_zero() -> TestResult {
    let cells = |sample: Sample| -> io::Result<Vec<String>> {
        let text = as_text(None, &[Record::Sample(Box::new(sample))])?;
        Ok(text.split_whitespace().skip(1).map(str::to_owned).collect())
    };
    let blind = cells(blind())?;
    assert!(blind.iter().all(|cell| cell == "—"), "{blind:?}");
    let dashes = cells(idle())?.iter().filter(|cell| *cell == "—").count();
    assert_eq!(dashes, DEAD.len());
    Ok(())
}

#[test]
fn text_has_no_escapes_of_a_terminal() -> TestResult {
    for records in [eventful(), plain()] {
        assert!(!as_text(None, &records)?.contains('\u{1b}'));
    }
    Ok(())
}

#[test]
fn json_of_each_record() -> TestResult {
    let mut sample = busy();
    sample.buckets = Some(per_counter_of_buckets());
    for (name, record) in [
        ("json_hello", hello(probes_on_but_one())),
        ("json_hello_off", hello(probes_off())),
        ("json_hello_mixed", hello(probes_mixed())),
        ("json_sample", Record::Sample(Box::new(sample))),
        ("json_sample_blind", Record::Sample(Box::new(blind()))),
        ("json_crosscheck", crosscheck(400, bad_checks())),
        (
            "json_alert",
            alert(300, AlertStatus::Clear, AlertStatus::Warning, 92.3),
        ),
        ("json_event", event()),
        ("json_summary", summary(good_checks())),
    ] {
        let (line, _) = as_json(record)?;
        insta::assert_snapshot!(name, with_few_counters(&line));
    }
    Ok(())
}

/// The `counters` of a sample, as text, and what is before and after them.
fn around_counters(line: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = line.split_once(r#""counters":{"#)?;
    let (counters, after) = rest.split_once('}')?;
    Some((before, counters, after))
}

/// The line with some of its counters only: a new counter changes no snapshot.
fn with_few_counters(line: &str) -> String {
    let Some((before, counters, after)) = around_counters(line) else {
        return line.to_owned();
    };
    let shown = ["new", "ignore", "drop", "table_full"].map(|name| format!("\"{name}\":"));
    let shown: Vec<&str> = counters
        .split(',')
        .filter(|counter| shown.iter().any(|name| counter.starts_with(name)))
        .collect();
    format!(r#"{before}"counters":{{{},…}}{after}"#, shown.join(","))
}

#[test]
fn every_counter_is_in_a_sample_by_its_name_and_in_its_order() -> TestResult {
    for sample in [busy(), blind()] {
        let expected: Vec<String> = COUNTERS
            .iter()
            .map(|spec| match sample.counters.get(spec.id) {
                Some(count) => format!("\"{}\":{count}", spec.name),
                None => format!("\"{}\":null", spec.name),
            })
            .collect();
        let (line, _) = as_json(Record::Sample(Box::new(sample)))?;
        let counters = around_counters(&line).map(|(_, counters, _)| counters);
        assert_eq!(counters, Some(&*expected.join(",")));
    }
    Ok(())
}

fn per_counter_of_buckets() -> PerCounter<Buckets> {
    PerCounter::from_fn(|spec| {
        PROBED.contains(&spec.id).then(|| Buckets {
            start: time(20),
            width_ms: BUCKET_MS,
            counts: if spec.id == Counter::New {
                vec![3, 0, 7]
            } else {
                Vec::new()
            },
        })
    })
}

/// The object has these fields of the contract; it may have more.
#[track_caller]
fn has_keys(object: &Value, keys: &[&str]) {
    let Some(object) = object.as_object() else {
        panic!("not an object: {object}")
    };
    for key in keys {
        assert!(object.contains_key(*key), "no {key} in {object:?}");
    }
}

#[test]
fn json_has_the_contracts_fields() -> TestResult {
    let (_, hello) = as_json(hello(probes_on_but_one()))?;
    has_keys(
        &hello,
        &[
            "type",
            "schema",
            "version",
            "kernel",
            "hostname",
            "interval_ms",
            "probes",
            "instances",
        ],
    );
    assert_eq!(
        (&hello["type"], &hello["schema"]),
        (&Value::from("hello"), &Value::from(1))
    );
    has_keys(&hello["probes"], &["mode", "group", "attached", "missing"]);
    has_keys(&hello["probes"]["missing"][0], &["function", "reason"]);
    has_keys(&hello["instances"][0], &["name", "netns"]);
    assert!(hello["interval_ms"].is_number() && hello["instances"][0]["netns"].is_u64());

    let mut sample = busy();
    sample.buckets = Some(per_counter_of_buckets());
    let (_, sample) = as_json(Record::Sample(Box::new(sample)))?;
    has_keys(
        &sample,
        &[
            "type",
            "time",
            "interval_s",
            "instance",
            "entries",
            "max",
            "utilization",
            "charts",
            "sources",
            "counters",
            "peaks",
            "buckets",
        ],
    );
    assert_eq!(sample["time"], "2026-01-02T03:04:05.778901Z");
    has_keys(
        &sample["counters"],
        &[
            "alloc",
            "free",
            "new",
            "inserted",
            "deleted",
            "delete_list",
            "insert_failed",
            "drop",
            "early_drop",
        ],
    );
    has_keys(&sample["peaks"]["new"], &["rate", "window_ms", "at"]);
    has_keys(&sample["buckets"]["new"], &["start", "width_ms", "counts"]);

    let (_, crosscheck) = as_json(crosscheck(0, good_checks()))?;
    has_keys(&crosscheck, &["type", "time", "instance", "checks"]);
    for check in crosscheck["checks"].as_array().ok_or("checks is no list")? {
        has_keys(
            check,
            &[
                "name",
                "probe",
                "kernel_low",
                "kernel_high",
                "residual",
                "verdict",
                "reason",
            ],
        );
    }
    assert_eq!(crosscheck["checks"][0]["name"], "entries_balance");

    let (_, alert) = as_json(alert(0, AlertStatus::Clear, AlertStatus::Warning, 92.3))?;
    has_keys(
        &alert,
        &[
            "type", "time", "instance", "name", "status", "value", "unit", "previous",
        ],
    );
    assert_eq!(alert["name"], "netfilter_conntrack_full");

    let (_, event) = as_json(event())?;
    has_keys(&event, &["type", "time", "instance", "kind", "tuple"]);
    let tuple = &event["tuple"];
    has_keys(tuple, &["family", "proto", "src", "sport", "dst", "dport"]);
    assert_eq!(
        (&tuple["proto"], &tuple["dport"]),
        (&Value::from("udp"), &Value::Null)
    );

    let (_, burst) = as_json(burst())?;
    has_keys(
        &burst,
        &[
            "type",
            "instance",
            "counter",
            "start",
            "end",
            "duration_ms",
            "count",
            "peak_rate",
            "window_ms",
        ],
    );

    let (_, summary) = as_json(summary(good_checks()))?;
    has_keys(&summary, &["type", "duration_s", "instances"]);
    let instance = &summary["instances"][0];
    has_keys(
        instance,
        &[
            "name",
            "totals",
            "crosscheck",
            "missed",
            "lost_events",
            "histograms",
        ],
    );
    has_keys(&instance["totals"]["new"], &["probe", "kernel"]);
    has_keys(
        &instance["histograms"]["new"],
        &["p50", "p90", "p99", "p999", "max"],
    );
    Ok(())
}

/// The documented charts and dimensions in their order, written out independently.
const DOCUMENTED: [(&str, &[&str]); 6] = [
    ("netfilter.conntrack_sockets", &["connections"]),
    ("netfilter.conntrack_new", &["new", "ignore", "invalid"]),
    (
        "netfilter.conntrack_changes",
        &["inserted", "deleted", "delete_list"],
    ),
    ("netfilter.conntrack_expect", &["created", "deleted", "new"]),
    (
        "netfilter.conntrack_search",
        &["searched", "restarted", "found"],
    ),
    (
        "netfilter.conntrack_errors",
        &["icmp_error", "error_failed", "drop", "early_drop"],
    ),
];

#[test]
fn json_has_the_documented_charts_in_their_order() -> TestResult {
    let (line, sample) = as_json(Record::Sample(Box::new(blind())))?;
    assert!(line.starts_with(r#"{"type":"sample","#));
    let mut rest = line.as_str();
    for part in ["charts", "sources"] {
        for (chart, dimensions) in DOCUMENTED {
            has_keys(&sample[part], &[chart]);
            assert_eq!(
                sample[part][chart].as_object().map(serde_json::Map::len),
                Some(dimensions.len())
            );
            rest = rest.split_once(&format!("{chart:?}:{{")).ok_or(chart)?.1;
            for dimension in dimensions {
                rest = rest
                    .split_once(&format!("{dimension:?}:"))
                    .ok_or(*dimension)?
                    .1;
            }
        }
        assert_eq!(
            sample[part].as_object().map(serde_json::Map::len),
            Some(DOCUMENTED.len())
        );
    }
    Ok(())
}

#[test]
fn json_has_null_for_unknown_values() -> TestResult {
    let (_, sample) = as_json(Record::Sample(Box::new(blind())))?;
    for key in ["entries", "max", "utilization"] {
        assert_eq!(sample[key], Value::Null, "{key}");
    }
    let counters = sample["counters"].as_object().ok_or("no counters")?;
    assert_eq!(counters.len(), COUNT);
    for spec in &COUNTERS {
        assert_eq!(counters.get(spec.name), Some(&Value::Null), "{}", spec.name);
    }
    for (chart, dimensions) in DOCUMENTED {
        for dimension in dimensions {
            assert_eq!(sample["charts"][chart][dimension], Value::Null);
            assert_eq!(sample["sources"][chart][dimension], "unavailable");
        }
    }
    Ok(())
}

#[test]
fn csv_of_a_run() -> TestResult {
    let mut records = eventful();
    records.extend(plain());
    insta::assert_snapshot!(as_csv(&records)?);
    Ok(())
}

#[test]
fn csv_has_as_many_cells_on_every_line() -> TestResult {
    let mut records = eventful();
    records.extend(plain());
    let csv = as_csv(&records)?;
    let mut lines = csv.lines();
    let header: Vec<_> = lines.next().ok_or("no header")?.split(',').collect();
    let mut expected = vec![
        "time",
        "interval_s",
        "instance",
        "entries",
        "max",
        "utilization",
    ];
    let dimensions: Vec<_> = DOCUMENTED
        .iter()
        .flat_map(|(chart, dimensions)| {
            let chart = chart.trim_start_matches("netfilter.conntrack_");
            dimensions
                .iter()
                .map(move |dimension| format!("{chart}.{dimension}"))
        })
        .collect();
    expected.extend(dimensions.iter().map(String::as_str));
    expected.extend([
        "crosscheck",
        "time_to_full_s",
        "time_to_full_low_s",
        "time_to_full_high_s",
        "wrong",
    ]);
    assert_eq!(header, expected);
    for line in lines {
        assert_eq!(line.split(',').count(), header.len(), "{line}");
    }
    assert_eq!(
        csv.lines().count(),
        1 + 5,
        "a line for each sample, and nothing else"
    );
    Ok(())
}

/// A few of the counters, so that a new counter does not change the report.
const REPORTED: [Counter; 5] = [
    Counter::Alloc,
    Counter::New,
    Counter::DeleteList,
    Counter::Searched,
    Counter::SearchRestart,
];

fn report(blocked: Option<&str>) -> DoctorReport {
    let finding = |name, status, detail: &str| DoctorFinding {
        name,
        status,
        detail: detail.to_owned(),
        consequence: (status == RequirementStatus::Missing).then(|| "no probes".to_owned()),
        fix: (status == RequirementStatus::Missing).then(|| "another kernel".to_owned()),
    };
    let (kprobes, detail) = match blocked {
        None => (RequirementStatus::Ok, "offered by this kernel"),
        Some(reason) => (RequirementStatus::Missing, reason),
    };
    let probes = match blocked {
        None => probes_on(),
        Some(reason) => Probes {
            reason: Some(reason.to_owned().into()),
            ..probes_off()
        },
    };
    let unavailable = unavailable(&probes);
    DoctorReport {
        version: "0.1.0",
        kernel: "6.12.117+deb12-amd64".to_owned(),
        netns: "self".into(),
        findings: vec![
            finding(
                "kernel counters",
                RequirementStatus::Ok,
                "/proc/thread-self/net/stat/nf_conntrack: 17 columns, a row of each of 4 possible CPUs",
            ),
            finding(
                "lockdown",
                RequirementStatus::Unknown,
                "unknown (no securityfs); attaching will be tried",
            ),
            finding("kprobes", kprobes, detail),
        ],
        blocked: blocked.map(str::to_owned),
        privileges: vec![
            PrivilegeLine {
                capability: "CAP_BPF".to_owned(),
                stage: "attaching",
                option: None,
                purpose: "loading eBPF programs and making their maps",
                held: Some(true),
                without: "no probes",
            },
            PrivilegeLine {
                capability: "CAP_DAC_READ_SEARCH".to_owned(),
                stage: "reading",
                option: Some("--top"),
                purpose: "the names of other users' processes",
                held: Some(false),
                without: "no names of other users' processes",
            },
        ],
        counters: REPORTED
            .iter()
            .map(|counter| counter.spec())
            .map(|spec| CounterLine {
                name: spec.name,
                source: match unavailable.get(spec.id) {
                    Some(_) => "unavailable",
                    None if PROBED.contains(&spec.id) => "probe",
                    None => "proc",
                },
                meaning: spec.meaning,
                reason: unavailable.get(spec.id).map(Text::to_string),
            })
            .collect(),
    }
}

#[test]
fn doctor_on_a_capable_host() {
    insta::assert_snapshot!(text(&report(None), None));
}

#[test]
fn doctor_on_a_host_without_kprobes() {
    insta::assert_snapshot!(text(&report(Some("this kernel has no kprobes")), None));
}

#[test]
fn a_bucket_is_named_by_its_exact_length() {
    // The text contains "1.05 ms".
    assert_eq!(format!("{BUCKET_MS:.2}"), "1.05");
    assert_eq!((BUCKET_SECONDS * 1e9) as u64, BUCKET_NS);
}
