use std::collections::BTreeMap;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::{
    model::{kernel::counters::Counter, record::Percentiles},
    reading::buckets::{BUCKET_MS, LATE},
};

const BUCKET: i64 = conntrack_ebpf::BUCKET_NS as i64;
/// A multiple of a minute.
const START: i64 = 1_700_000_040 * 1_000_000_000;
const SECOND: i64 = 1_000_000_000;

fn time(nanos: i64) -> String {
    format!("{:.9}", Timestamp::from_nanosecond(nanos.into()).unwrap())
}

fn record(value: Value) -> Record {
    serde_json::from_value(value).unwrap()
}

fn hello(names: &[&str]) -> Record {
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

/// A sample of the instance `a` that ends at `end`, after `length`, as JSON to change.
fn plain(end: i64, length: i64) -> Value {
    json!({
        "type": "sample", "time": time(end), "interval_s": length as f64 / 1e9, "instance": "a",
        "entries": 10, "max": 100, "utilization": 10.0, "charts": {},
        "sources": {"netfilter.conntrack_new": {"new": "probe"}, "netfilter.conntrack_errors": {"drop": "proc"}},
        "counters": {"new": 5, "drop": 7, "alloc": 9}, "peaks": {}, "alerts": {}, "verdict": null,
    })
}

/// The same with buckets of new flows: the counts of buckets on a grid with this phase, from the bucket that starts at `start` on.
fn with_buckets(end: i64, length: i64, start: i64, counts: &[u64]) -> Value {
    let mut sample = plain(end, length);
    sample["peaks"] = json!({"new": {"rate": 0.0, "window_ms": BUCKET_MS, "at": null}});
    sample["buckets"] =
        json!({"new": {"start": time(start), "width_ms": BUCKET_MS, "counts": counts}});
    sample
}

fn exposition(records: impl IntoIterator<Item = Value>) -> Exposition {
    let mut exposition = Exposition::default();
    exposition.take(&hello(&["a"]));
    for value in records {
        exposition.take(&record(value));
    }
    exposition
}

fn only(exposition: &Exposition) -> Arc<InstanceReadout> {
    let mut instances = exposition.readout().instances;
    assert_eq!(instances.len(), 1);
    instances.remove(0)
}

/// The rest of a run: a second each, without events, until `end`.
fn quiet(from: i64, end: i64, phase: i64) -> Vec<Value> {
    (from / SECOND..end / SECOND)
        .map(|second| {
            let start = second * SECOND;
            let first = (start - phase).div_euclid(BUCKET) * BUCKET + phase;
            with_buckets(start + SECOND, SECOND, first, &[])
        })
        .collect()
}

#[test]
fn a_window_is_there_when_it_is_complete_and_until_the_next_is() {
    let mut exposition = exposition(quiet(START - SECOND, START, 0));
    let burst = START + 3 * SECOND;
    let aligned = burst.div_euclid(BUCKET) * BUCKET;
    let mut seen = Vec::new();
    for second in 0..25 {
        let start = START + second * SECOND;
        let sample = match start == burst {
            true => with_buckets(start + SECOND, SECOND, aligned, &[0, 0, 40, 2]),
            false => quiet(start, start + SECOND, 0).remove(0),
        };
        exposition.take(&record(sample));
        let windows = only(&exposition).windows.get(Counter::New).copied();
        seen.push(windows.and_then(|windows| windows[0]).map(|p| p.max));
    }
    let peak = 40.0 / crate::reading::buckets::BUCKET_SECONDS;
    // Late counts are waited for, so the first window is complete with the second sample after its end.
    let expected: Vec<Option<f64>> = [(10, None), (10, Some(peak)), (5, Some(0.0))]
        .into_iter()
        .flat_map(|(times, value)| vec![value; times])
        .collect();
    assert_eq!(seen, expected);
}

#[test]
fn what_was_not_seen_whole_is_absent() {
    let at_end = |records: Vec<Value>| {
        let readout = only(&exposition(records));
        (
            readout
                .windows
                .get(Counter::New)
                .and_then(|w| w[0])
                .is_some(),
            readout.most_entries[0].is_some(),
        )
    };
    let end = START + 11 * SECOND;
    let whole = quiet(START - SECOND, end, 0);
    assert_eq!(at_end(whole.clone()), (true, true));
    assert_eq!(at_end(quiet(START + SECOND, end, 0)), (false, false));
    // Buckets of a second were lost.
    let mut lost = whole.clone();
    lost[4]["buckets_lost_ms"] = json!(20.0);
    assert_eq!(at_end(lost), (false, true));
    // The probes were gone for a second.
    let mut gone = whole.clone();
    gone[4] = plain(START + 4 * SECOND, SECOND);
    assert_eq!(at_end(gone), (false, true));
    // The entries could not be read.
    let mut unread = whole.clone();
    unread[4]["entries"] = Value::Null;
    assert_eq!(at_end(unread), (true, false));
    // The clock was set.
    let set = quiet(START - 3600 * SECOND, START - 3595 * SECOND, 0);
    assert_eq!(
        at_end([set, quiet(START + SECOND, end, 0)].concat()),
        (false, false)
    );
    let back = [
        whole,
        quiet(START - 1800 * SECOND, START - 1798 * SECOND, 0),
    ]
    .concat();
    assert_eq!(at_end(back), (false, false));
}

#[test]
fn what_has_ended_is_gone_and_what_comes_again_starts_anew() {
    let mut exposition = exposition(quiet(START - SECOND, START + 11 * SECOND, 0));
    exposition.take(&hello(&["b", "a"]));
    let names = |exposition: &Exposition| -> Vec<String> {
        let instances = exposition.readout().instances;
        instances.iter().map(|i| i.name.to_string()).collect()
    };
    assert_eq!(names(&exposition), ["b", "a"]);
    let awaited = exposition.readout();
    assert_eq!(awaited.awaited(), Some(vec![&Text::fixed("b")]));
    assert!(
        exposition.readout().instances[1]
            .windows
            .get(Counter::New)
            .is_some()
    );
    exposition.take(&hello(&["b"]));
    // A record of what has ended brings nothing back.
    exposition.take(&record(plain(START + 12 * SECOND, SECOND)));
    assert_eq!(names(&exposition), ["b"]);
    exposition.take(&hello(&["a"]));
    assert!(only(&exposition).latest.is_none());
    assert_eq!(Exposition::default().readout().awaited(), None);
}

#[test]
fn totals_say_where_they_come_from() {
    let check = |verdict: &str| {
        json!({"type": "crosscheck", "time": time(START), "instance": "a", "checks": [{
            "name": "clash_resolve", "probe": 1, "kernel_low": null, "kernel_high": null, "residual": null,
            "verdict": verdict, "reason": null,
        }]})
    };
    let mut sample = plain(START, SECOND);
    sample["counters"]["clash_resolve"] = json!(3);
    let of = |records: Vec<Value>, counter| only(&exposition(records)).total(counter);
    use crate::model::record::SourceKind;
    use SourceKind::{Probe, Proc};
    for (counter, expected) in [
        (Counter::New, Some((Probe, 5))),
        (Counter::Drop, Some((Proc, 7))),
        (Counter::Alloc, Some((Probe, 9))),
        (Counter::ClashResolve, Some((Proc, 3))),
        (Counter::Free, None),
    ] {
        assert_eq!(of(vec![sample.clone()], counter), expected, "{counter:?}");
    }
    for (verdict, expected) in [("exact", Proc), ("not_comparable", Probe)] {
        let records = vec![sample.clone(), check(verdict)];
        assert_eq!(of(records, Counter::ClashResolve), Some((expected, 3)));
    }
    // What a check proves wrong is no total; what the kernel counts is not wrong.
    sample["wrong"] = json!({"new": "too many", "drop": "too few"});
    assert_eq!(of(vec![sample.clone()], Counter::New), None);
    assert_eq!(of(vec![sample.clone()], Counter::Drop), Some((Proc, 7)));
    assert!(only(&exposition([sample])).is_wrong(Counter::New));
}

#[test]
fn bursts_are_summed_by_counter_from_0() {
    let burst = |count| {
        json!({"type": "burst", "instance": "a", "counter": "new", "start": time(START), "end": time(START + BUCKET),
            "duration_ms": 1.0, "count": count, "peak_rate": 1.0, "window_ms": BUCKET_MS})
    };
    let first = quiet(START, START + SECOND, 0);
    let bursts = |records| only(&exposition(records)).bursts.get(Counter::New).copied();
    let sums = |number, events| Some(super::instance::BurstCount { number, events });
    assert_eq!(bursts(vec![plain(START, SECOND)]), None);
    assert_eq!(bursts(first.clone()), sums(0, 0));
    assert_eq!(
        bursts([first, vec![burst(5), burst(7)]].concat()),
        sums(2, 12)
    );
}

#[test]
fn a_limit_of_0_is_none() {
    let mut sample = plain(START, SECOND);
    sample["max"] = json!(0);
    assert_eq!(
        only(&exposition([sample])).latest.clone().unwrap().limit,
        None
    );
}

/// What the windows must hold, computed from all buckets at once.
fn expected(counts: &BTreeMap<i64, u64>, phase: i64, end: i64, length: i64) -> Option<Percentiles> {
    let first_in = |time: i64| -((phase - time).div_euclid(BUCKET));
    let range = first_in(end - length)..first_in(end);
    let busy = counts.range(range.clone()).map(|(_, &count)| count);
    Percentiles::of(
        busy.filter(|&count| count > 0).collect(),
        (range.end - range.start) as u64,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However a run is cut into samples, and whatever comes late, whoever reads at any time sees the same of a window.
    #[test]
    fn readers_at_any_time_see_the_same(
        phase in 0..BUCKET,
        busy in prop::collection::btree_map(0_i64..80_000, 1_u64..200, 0..40),
        cuts in prop::collection::btree_set(1_i64..86_000, 0..60),
        late in 0_u64..3,
    ) {
        // Numbers of buckets since 1970, from a second before a minute.
        let base = (START - SECOND - phase).div_euclid(BUCKET);
        let at = |bucket: i64| bucket * BUCKET + phase;
        let counts: BTreeMap<i64, u64> = busy.into_iter().map(|(bucket, n)| (base + bucket, n)).collect();
        let mut exposition = exposition([]);
        let mut from = base;
        let mut owed: BTreeMap<i64, u64> = BTreeMap::new();
        let mut seen: BTreeMap<(usize, i64), Vec<Percentiles>> = BTreeMap::new();
        for to in cuts.into_iter().map(|cut| base + cut).chain([base + 87_000]) {
            let mut now = std::mem::take(&mut owed);
            for (&bucket, &count) in counts.range(from..to) {
                // Some counts of the last 60 buckets come with the next sample.
                let later = if to - bucket < 60 && to < base + 86_000 { late.min(count) } else { 0 };
                *now.entry(bucket).or_default() += count - later;
                if later > 0 {
                    owed.insert(bucket, later);
                }
            }
            let start = now.keys().next().copied().unwrap_or(from);
            let last = now.keys().next_back().copied().unwrap_or(start);
            let series: Vec<u64> = (start..=last).map(|bucket| now.get(&bucket).copied().unwrap_or_default()).collect();
            let end = at(to) + BUCKET / 3;
            exposition.take(&record(with_buckets(end, (to - from) * BUCKET, at(start), &series)));
            from = to;
            let readout = only(&exposition);
            // All buckets that start before this have settled: the sample ends within bucket `to`.
            let settled = at(to + 1 - LATE as i64);
            for (i, window) in WINDOWS.iter().enumerate() {
                if let Some(found) = readout.windows.get(Counter::New).and_then(|w| w[i]) {
                    seen.entry((i, window.end_of(settled) - window.length)).or_default().push(found);
                }
            }
        }
        for ((i, end), found) in &seen {
            let expected = expected(&counts, phase, *end, WINDOWS[*i].length).unwrap();
            for found in found {
                prop_assert_eq!(found.max, expected.max, "window {} that ends at {}", i, end);
                prop_assert_eq!(found.p99, expected.p99);
            }
        }
        let histogram = only(&exposition).histograms.get(Counter::New).cloned().unwrap();
        let all: u64 = counts.range(..base + 87_001 - LATE as i64).map(|(_, n)| n).sum();
        prop_assert_eq!(histogram.events, all);
    }

    /// Any values of a sample, and any order of times, can be taken.
    #[test]
    fn anything_can_be_taken(samples in prop::collection::vec((any::<i64>(), any::<f64>(), any::<i32>(), any::<f64>(), prop::collection::vec(0_u64..1 << 50, 0..4)), 1..12)) {
        let mut exposition = exposition([]);
        for (end, length, start, lost, counts) in samples {
            let within = |nanos: i64| nanos.rem_euclid(4 * START);
            let mut sample = with_buckets(within(end), SECOND, within(end.wrapping_add(i64::from(start))), &counts);
            sample["interval_s"] = json!(length.abs());
            sample["buckets_lost_ms"] = json!(lost.abs());
            if let Ok(Record::Sample(sample)) = serde_json::from_value(sample) {
                exposition.take(&Record::Sample(sample));
            }
        }
        only(&exposition);
    }
}
