mod breaks;

use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::reading::buckets::LATE;

const BUCKET: i64 = conntrack_ebpf::BUCKET_NS as i64;
const START: i64 = 1_700_000_040 * 1_000_000_000;
const MS: i64 = 1_000_000;

type Values = BTreeMap<(i64, GridMetric), f64>;

fn time(nanos: i64) -> String {
    format!("{:.9}", Timestamp::from_nanosecond(nanos.into()).unwrap())
}

fn record(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn hello() -> Record {
    hello_of(&["a"])
}

fn hello_of(names: &[&str]) -> Record {
    let instances: Vec<Value> = names
        .iter()
        .map(|name| json!({"name": name, "netns": null}))
        .collect();
    record(json!({
        "type": "hello", "schema": 1, "version": "0", "kernel": "6.12", "hostname": "h", "interval_ms": 1000.0,
        "probes": {"mode": "fentry", "group": "flow", "attached": [], "missing": []},
        "instances": instances, "unavailable": {},
    }))
}

/// A sample of the instance `a` from `start` to `end`: of `new` there are buckets, `drop` is the kernel's own counter.
fn sample(start: i64, end: i64, entries: i64, total: u64, buckets: Option<(i64, &[u64])>) -> Value {
    let mut sample = json!({
        "type": "sample", "time": time(end), "interval_s": (end - start) as f64 / 1e9, "instance": "a",
        "entries": entries, "max": 100, "utilization": 10.0, "charts": {},
        "sources": {"netfilter.conntrack_new": {"new": "probe"}, "netfilter.conntrack_errors": {"drop": "proc"}},
        "counters": {"new": total, "drop": entries}, "peaks": {}, "alerts": {}, "verdict": null,
    });
    if let Some((start, counts)) = buckets {
        sample["buckets"] = json!({"new": {"start": time(start), "width_ms": BUCKET as f64 / 1e6, "counts": counts}});
    }
    sample
}

fn summary() -> Record {
    record(json!({
        "type": "summary", "time": time(START), "elapsed_s": 1.0, "samples": 1, "instances": [], "exit": "x",
        "duration_s": 1.0, "intervals": 1, "overhead": null, "events": null
    }))
}

/// Adds cells, and requires that each value is there once.
fn add(values: &mut Values, cells: Vec<InstanceCells>) {
    for of in cells {
        for cell in of.cells {
            for (metric, value) in cell.values {
                let before = values.insert((cell.end_ms, metric), value);
                assert_eq!(before, None, "{metric:?} at {}", cell.end_ms);
            }
        }
    }
}

fn feed(step: &str, after: Option<i64>) -> GridFeed {
    let mut feed = GridFeed::after(step.parse().unwrap(), after);
    assert!(feed.take(&hello()).is_empty());
    feed
}

#[test]
fn what_is_read_a_little_late_or_early_is_of_the_cell_before() {
    let mut feed = feed("100ms", None);
    let mut values = Values::new();
    let ends = [
        100 * MS + 1,
        200 * MS - MS / 2,
        305 * MS,
        390 * MS,
        600 * MS,
    ];
    let mut last = 0;
    for (i, end) in ends.into_iter().enumerate() {
        let value = sample(START + last, START + end, i as i64, 0, None);
        add(&mut values, feed.take(&record(value)));
        last = end;
    }
    let entries: Vec<(i64, f64)> = values
        .iter()
        .filter(|((_, metric), _)| *metric == GridMetric::Entries)
        .map(|((end, _), value)| (end - START / MS, *value))
        .collect();
    // The fourth came before its cell was over; nobody read at 400 and 500.
    assert_eq!(entries, [(100, 0.0), (200, 1.0), (300, 2.0), (600, 4.0)]);
    let kernel = GridMetric::KernelTotal(Counter::Drop);
    assert_eq!(values.get(&(START / MS + 300, kernel)), Some(&2.0));
    assert_eq!(
        values.get(&(START / MS + 300, GridMetric::Limit)),
        Some(&100.0)
    );
}

#[test]
fn lost_buckets_are_in_the_totals_and_in_no_peak() {
    let mut feed = feed("10ms", None);
    let mut values = Values::new();
    let counts = vec![1_u64; 100];
    let length = 100 * BUCKET;
    let first = sample(START, START + length, 0, 100, Some((START, &counts)));
    add(&mut values, feed.take(&record(first)));
    // 900 events in 100 ms, of which the first 50 ms are lost.
    let rest = vec![2_u64; 40];
    let kept = START + length + 60 * BUCKET;
    let mut second = sample(
        START + length,
        START + 2 * length,
        0,
        1_000,
        Some((kept, &rest)),
    );
    second["buckets_lost_ms"] = json!(60.0 * BUCKET as f64 / 1e6);
    add(&mut values, feed.take(&record(second)));
    let third = sample(
        START + 2 * length,
        START + 3 * length,
        0,
        1_000,
        Some((START + 2 * length, &[])),
    );
    add(&mut values, feed.take(&record(third)));
    let totals = |values: &Values| -> Vec<(i64, f64)> {
        let of = values
            .iter()
            .filter(|((_, metric), _)| matches!(metric, GridMetric::ProbeTotal(_)));
        of.map(|((end, _), value)| (end - START / MS, *value))
            .collect()
    };
    let totals = totals(&values);
    assert_eq!(totals.last(), Some(&(240, 1_000.0)));
    let lost = 105..=160;
    assert!(
        !totals.iter().any(|(end, _)| lost.contains(end)),
        "{totals:?}"
    );
    let first = totals.iter().find(|(end, _)| *end > 160);
    assert!(
        first.is_some_and(|(_, total)| (920.0..=940.0).contains(total)),
        "{totals:?}"
    );
    let peaks = values
        .iter()
        .filter(|((_, metric), _)| matches!(metric, GridMetric::Peak(_)));
    let rates: Vec<f64> = peaks
        .map(|(_, peak)| *peak / (1e9 / BUCKET as f64))
        .collect();
    assert!(
        rates
            .iter()
            .all(|peak| [0.0, 1.0, 2.0].contains(&peak.round())),
        "{rates:?}"
    );
}

#[test]
fn a_clock_that_is_set_back_makes_no_cell_twice() {
    let mut feed = feed("100ms", None);
    let mut values = Values::new();
    for end in 1..=30 {
        let value = sample(
            START + (end - 1) * 100 * MS,
            START + end * 100 * MS,
            end,
            0,
            None,
        );
        add(&mut values, feed.take(&record(value)));
    }
    let before = values.len();
    for end in 1..=30 {
        let value = sample(
            START + (end - 1) * 100 * MS,
            START + end * 100 * MS,
            100 + end,
            0,
            None,
        );
        add(&mut values, feed.take(&record(value)));
        assert_eq!(feed.seconds_behind(), u64::try_from(30 - end).unwrap() / 10);
    }
    assert_eq!(values.len(), before);
    let value = sample(START + 3_000 * MS, START + 3_100 * MS, 7, 0, None);
    add(&mut values, feed.take(&record(value)));
    assert_eq!(
        values.get(&(START / MS + 3_100, GridMetric::Entries)),
        Some(&7.0)
    );
}

#[test]
fn a_table_without_a_limit_has_no_limit_in_its_cells() {
    let mut feed = feed("100ms", None);
    let mut value = sample(START, START + 100 * MS, 7, 0, None);
    value["max"] = json!(0);
    let mut values = Values::new();
    add(&mut values, feed.take(&record(value)));
    let metrics: Vec<GridMetric> = values.keys().map(|(_, metric)| *metric).collect();
    assert!(metrics.contains(&GridMetric::Entries), "{metrics:?}");
    assert!(!metrics.contains(&GridMetric::Limit), "{metrics:?}");
}

#[test]
fn totals_on_no_chart_are_the_programs_where_checks_have_nothing_to_compare() {
    let total = |feed: &mut GridFeed, instance: &str, second: i64| {
        let start = START + second * 1_000 * MS;
        let mut value = sample(start, start + 1_000 * MS, 0, 0, None);
        value["instance"] = json!(instance);
        value["counters"] = json!({"clash_resolve": 3});
        let mut values = Values::new();
        add(&mut values, feed.take(&record(value)));
        let mut metrics = values.into_keys().map(|(_, metric)| metric);
        metrics.find(|m| !matches!(m, GridMetric::Entries | GridMetric::Limit))
    };
    let check = |verdict: &str| {
        record(json!({
            "type": "crosscheck", "time": time(START), "instance": "b",
            "checks": [{"name": "clash_resolve", "probe": 3, "kernel_low": null, "kernel_high": null, "residual": null,
                "verdict": verdict, "reason": null}],
        }))
    };
    let kernel = Some(GridMetric::KernelTotal(Counter::ClashResolve));
    let probe = Some(GridMetric::ProbeTotal(Counter::ClashResolve));
    let mut feed = feed("1s", None);
    assert!(feed.take(&hello_of(&["a", "b"])).is_empty());
    assert!(feed.take(&check("exact")).is_empty());
    assert_eq!(total(&mut feed, "b", 0), kernel);
    assert!(feed.take(&check("not_comparable")).is_empty());
    assert_eq!(total(&mut feed, "b", 1), probe);
    // Those of another instance are its own.
    assert_eq!(total(&mut feed, "a", 1), kernel);
}

#[test]
fn an_instance_goes_on_when_others_come_and_go() {
    let mut feed = feed("10ms", None);
    let mut values = Values::new();
    let counts = [1; 100];
    for (at, names) in [&["a"][..], &["b", "a"], &["a", "c"], &["c", "a"]]
        .iter()
        .enumerate()
    {
        add(&mut values, feed.take(&hello_of(names)));
        let start = START + at as i64 * 100 * BUCKET;
        let total = 100 * (at as u64 + 1);
        let value = sample(
            start,
            start + 100 * BUCKET,
            0,
            total,
            Some((start, &counts)),
        );
        add(&mut values, feed.take(&record(value)));
    }
    // What had not settled was not ended by any of them: all cells are whole.
    let cells = |metric: GridMetric| values.keys().filter(|(_, m)| *m == metric).count();
    let over = ((400 - LATE as i64) * BUCKET / (10 * MS)) as usize;
    assert_eq!(cells(GridMetric::Peak(Counter::New)), over);
    // And the last is ended when it is gone.
    let mut rest = Values::new();
    add(&mut rest, feed.take(&hello_of(&["c"])));
    assert!(!rest.is_empty());
}

prop_compose! {
    /// Counts of buckets, and how many are read at a time.
    fn buckets()(counts in prop::collection::vec(prop_oneof![Just(0_u64), 0..50_u64], 200..900),
                 cuts in prop::collection::vec(1..120_usize, 1..20)) -> (Vec<u64>, Vec<usize>) {
        (counts, cuts)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However buckets are cut into samples and whenever the program is killed: each cell once, with what its buckets had.
    #[test]
    fn each_cell_has_its_buckets_once(
        (counts, cuts) in buckets(),
        phase in 0..BUCKET,
        kills in prop::collection::vec(any::<bool>(), 0..20),
        step in prop_oneof![Just("10ms"), Just("20ms"), Just("100ms")],
    ) {
        let start = START + phase;
        let step_ns = GridStep::nanos(step.parse().unwrap());
        let mut values = Values::new();
        let mut feed = feed(step, None);
        // The bucket at which the present run started.
        let (mut run, mut at) = (0, 0);
        let mut runs = vec![0];
        for (cut, killed) in cuts.iter().cycle().zip(kills.iter().chain(std::iter::repeat(&false))) {
            if at == counts.len() {
                break;
            }
            if *killed {
                let last = values.keys().map(|(end, _)| *end).max();
                feed = self::feed(step, last);
                run = at;
                runs.push(run);
            }
            let to = (at + cut).min(counts.len());
            let total: u64 = counts[run..to].iter().sum();
            let (from, end) = (start + at as i64 * BUCKET, start + to as i64 * BUCKET);
            let value = sample(from, end, 1, total, Some((from, &counts[at..to])));
            add(&mut values, feed.take(&record(value)));
            at = to;
        }
        add(&mut values, feed.take(&summary()));
        let end_of = |bucket: usize| {
            let start = start + bucket as i64 * BUCKET;
            (start.div_euclid(step_ns) + 1) * step_ns
        };
        let mut found = 0;
        for ((end, metric), value) in &values {
            let end = end * MS;
            let own = |run: usize| (run..counts.len()).filter(move |&b| end_of(b) <= end);
            match metric {
                GridMetric::ProbeTotal(_) => {
                    // The run that it is of is one of those that had started.
                    let sums = runs.iter().map(|&run| own(run).map(|b| counts[b]).sum::<u64>());
                    prop_assert!(sums.clone().any(|sum| sum as f64 == *value), "{end}: {value}");
                    found += 1;
                }
                GridMetric::Peak(_) => {
                    let most = (0..counts.len()).filter(|&b| end_of(b) == end).map(|b| counts[b]).max();
                    let rate = most.unwrap_or_default() as f64 / (BUCKET as f64 / 1e9);
                    prop_assert!((rate - value).abs() < 1e-6, "{end}: {value} is not {rate}");
                }
                _ => {}
            }
        }
        if runs.len() == 1 {
            // All that are over, with their peaks: the run started with the first bucket of a cell.
            let peaks = values.keys().filter(|(_, metric)| matches!(metric, GridMetric::Peak(_)));
            prop_assert_eq!(peaks.count(), found);
            let ends: std::collections::BTreeSet<i64> = (0..counts.len()).map(end_of).collect();
            let over = ends.iter().filter(|&&end| end <= start + counts.len() as i64 * BUCKET);
            prop_assert_eq!(found, over.count());
        }
    }
}
