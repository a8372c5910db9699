//! Tests of what the history keeps, and of the windows it shows.

use jiff::Timestamp;
use proptest::prelude::*;

use crate::{
    model::{
        history::{
            History, INSTANCES, MEMORY, NOTABLE,
            activity::ActivitySummary,
            buckets::SLOT,
            samples::{self, DIMENSIONS},
            time::Nanos,
            views::DimensionView,
            window::Window,
        },
        kernel::{
            charts::{CHARTS, Quantity},
            counters::Counter,
            per_counter::PerCounter,
        },
        record::{Buckets, Event, Ordered, Record, SourceKind, Time},
    },
    reading::buckets::{BUCKET_MS, BUCKET_SECONDS},
};

const MS: Nanos = 1_000_000;
const NEW: usize = 1;

fn time(at: Nanos) -> Time {
    Time(Timestamp::from_nanosecond(at.into()).unwrap())
}

/// A sample that ends at `end`, with the rate of `new`, and its buckets if there are probes.
fn sample(end: Nanos, length: Nanos, rate: f64, buckets: Option<(Nanos, Vec<u64>)>) -> Record {
    let by_dimension = |value: &dyn Fn(Quantity) -> Option<f64>| {
        Ordered(
            CHARTS
                .iter()
                .map(|chart| {
                    let dimensions = chart.dimensions.iter();
                    let values = dimensions.map(|d| (d.name.into(), value(d.quantity)));
                    (chart.name.into(), Ordered(values.collect()))
                })
                .collect(),
        )
    };
    let charts = by_dimension(&|quantity| match quantity {
        Quantity::Entries => Some(rate),
        Quantity::Rate(Counter::New) => Some(rate),
        Quantity::Rate(_) => None,
    });
    let sources = Ordered(
        charts
            .0
            .iter()
            .map(|(chart, dimensions)| {
                let kinds = dimensions.0.iter().map(|(name, value)| {
                    let kind = value.map_or(SourceKind::Unavailable, |_| SourceKind::Probe);
                    (name.clone(), kind)
                });
                (chart.clone(), Ordered(kinds.collect()))
            })
            .collect(),
    );
    let json = serde_json::json!({
        "type": "sample", "time": time(end), "interval_s": length as f64 / 1e9, "instance": "self",
        "entries": rate as u64, "max": 1000, "utilization": rate / 10.0,
        "charts": charts, "sources": sources, "counters": {}, "peaks": {}, "alerts": {},
        "verdict": null,
    });
    let mut record: Record = serde_json::from_value(json).unwrap();
    if let (Record::Sample(sample), Some((start, counts))) = (&mut record, buckets) {
        let mut all = PerCounter::default();
        all.set(
            Counter::New,
            Some(Buckets {
                start: time(start),
                width_ms: BUCKET_MS,
                counts,
            }),
        );
        sample.buckets = Some(all);
    }
    record
}

fn history(records: impl IntoIterator<Item = Record>) -> History {
    let mut history = History::default();
    for record in records {
        history.add(record);
    }
    history
}

fn new_in(history: &History, window: &Window) -> DimensionView {
    history
        .instance("self")
        .unwrap()
        .chart(NEW, window, Vec::new())[0]
        .clone()
}

fn means(view: &DimensionView) -> Vec<Option<f64>> {
    view.columns.iter().map(|c| c.map(|c| c.mean)).collect()
}

#[test]
fn intervals_without_buckets_count_by_their_length() {
    let history = history([
        sample(1_000 * MS, 100 * MS, 10.0, None),
        sample(1_100 * MS, 100 * MS, 30.0, None),
    ]);
    let window = Window::ending(1_150 * MS, 400 * MS, 4);
    assert_eq!(window.range(), 800 * MS..1_200 * MS);
    let view = new_in(&history, &window);
    // Unknown is not zero.
    assert_eq!(means(&view), [None, Some(10.0), Some(30.0), None]);
    assert_eq!(
        (view.now, view.peak, view.p99),
        (Some(30.0), Some(30.0), Some(30.0))
    );
    let window = Window::ending(1_200 * MS, 400 * MS, 1);
    assert_eq!(means(&new_in(&history, &window)), [Some(20.0)]);
    // An unavailable dimension has no values at all.
    let views = history
        .instance("self")
        .unwrap()
        .chart(NEW, &window, Vec::new());
    assert_eq!(views[1].source, SourceKind::Unavailable);
    assert_eq!(
        (views[1].now, views[1].peak, views[1].p99),
        (None, None, None)
    );
}

#[test]
fn a_burst_is_seen_in_its_millisecond() {
    let burst = 50 * SLOT;
    let history = history([sample(
        100 * SLOT,
        100 * SLOT,
        9.5,
        Some((burst, vec![7, 3])),
    )]);
    // Columns a quarter of a bucket long: each shows the bucket that contains it.
    let window = Window::ending(burst + 2 * SLOT, 4 * SLOT, 16);
    let view = new_in(&history, &window);
    let rate = |count: f64| Some(count / BUCKET_SECONDS);
    let expected: Vec<_> = [0.0, 0.0, 7.0, 3.0]
        .iter()
        .flat_map(|count| [rate(*count); 4])
        .collect();
    assert_eq!(means(&view), expected);
    // A single long column has the average and the peak.
    let window = Window::ending(100 * SLOT, 100 * SLOT, 1);
    let view = new_in(&history, &window);
    let column = view.columns[0].unwrap();
    assert_eq!(column.mean, 10.0 / (100.0 * BUCKET_SECONDS));
    assert_eq!(Some(column.peak), rate(7.0));
    assert_eq!((view.peak, view.p99), (rate(7.0), rate(3.0)));
}

#[test]
fn the_fullest_moment_of_a_column_is_shown() {
    let history = history((1..=10).map(|n| {
        sample(
            n * 100 * MS,
            100 * MS,
            if n == 5 { 99.0 } else { 1.0 },
            None,
        )
    }));
    let window = Window::ending(1_000 * MS, 1_000 * MS, 2);
    let view = &history
        .instance("self")
        .unwrap()
        .chart(0, &window, Vec::new())[0];
    assert_eq!(means(view), [Some(99.0), Some(1.0)]);
    assert_eq!((view.now, view.peak), (Some(1.0), Some(99.0)));
}

#[test]
fn a_rewound_recording_counts_once() {
    let run = |n: Nanos| {
        let start = n * 100 * SLOT;
        sample(
            start + 100 * SLOT,
            100 * SLOT,
            1.0,
            Some((start + SLOT, vec![5])),
        )
    };
    let mut history = history((0..40).map(run));
    for n in 10..40 {
        history.add(run(n));
    }
    let window = Window {
        start: 0,
        step: 4_000 * SLOT,
        columns: 1,
    };
    let view = new_in(&history, &window);
    assert_eq!(view.peak, Some(5.0 / BUCKET_SECONDS));
    assert_eq!(history.last(), Some(4_000 * SLOT));
}

#[test]
fn memory_is_bounded() {
    let busy = vec![3_u64];
    let mut history = History::default();
    let mut most = 0;
    for n in 0..12_000 {
        let start = n * 1_000 * SLOT;
        let record = sample(
            start + 1_000 * SLOT,
            1_000 * SLOT,
            1.0,
            Some((start, busy.clone())),
        );
        history.add(record);
        most = most.max(history.bytes());
    }
    assert!(most <= MEMORY, "{most}");
    assert!(most > MEMORY / 2, "{most}");
    let (first, last) = history.instance("self").unwrap().extent().unwrap();
    assert!(last - first > 3_600_000 * MS, "{first} {last}");
}

#[test]
fn notable_records_are_in_order_of_time() {
    let event = |at: Nanos| {
        Record::Event(Box::new(Event {
            time: time(at),
            instance: "self".into(),
            kind: "table_full".into(),
            tuple: None,
            by: None,
            translated: None,
            workloads: Ordered::default(),
        }))
    };
    let order = [5, 3, 9, 4];
    let mut history = history(order.map(|n| event(n * MS)));
    let times = |history: &History, until| -> Vec<Nanos> {
        history.notable(until).map(|n| n.time / MS).collect()
    };
    assert_eq!(times(&history, 100 * MS), [9, 5, 4, 3]);
    assert_eq!(times(&history, 5 * MS), [5, 4, 3]);
    for n in 0..2 * NOTABLE {
        history.add(event(100 * MS + n as Nanos));
    }
    assert_eq!(history.notable(Nanos::MAX).count(), NOTABLE);
}

#[test]
fn an_instance_missing_from_the_hello_is_dropped() {
    let mut history = history([sample(MS, MS, 1.0, None)]);
    assert!(history.instance("self").is_some());
    let hello = serde_json::json!({
        "type": "hello", "schema": 1, "version": "0", "kernel": "", "hostname": "",
        "interval_ms": 100.0, "instances": [{"name": "other", "netns": null}], "unavailable": {},
        "probes": {"mode": "off", "group": "off", "attached": [], "missing": []},
    });
    history.add(serde_json::from_value(hello).unwrap());
    assert!(history.instance("self").is_none());
    assert_eq!(history.names(), ["other"]);
}

/// The summary over all rates of a window.
fn summary_of(history: &History, window: &Window) -> ActivitySummary {
    let instance = history.instance("self").unwrap();
    let rates: Vec<_> = (1..CHARTS.len())
        .flat_map(|chart| instance.chart(chart, window, Vec::new()))
        .collect();
    let rates: Vec<_> = rates.iter().collect();
    instance.activity(window, &rates, 1).summary
}

/// The same sample with rates for all counters of flows.
fn with_flows(mut record: Record, value: Option<f64>) -> Record {
    if let Record::Sample(sample) = &mut record {
        let flows = [
            ("new", "new"),
            ("changes", "inserted"),
            ("changes", "deleted"),
        ];
        for (chart, dimensions) in &mut sample.charts.0 {
            for (dimension, known) in &mut dimensions.0 {
                let name = |(c, d): &(&str, &str)| chart.raw().ends_with(c) && dimension == d;
                if flows.iter().any(name) {
                    *known = value;
                }
            }
        }
    }
    record
}

#[test]
fn a_window_is_quiet_only_if_flows_are_counted() {
    let window = Window::ending(1_000 * MS, 100 * MS, 10);
    let of = |record| summary_of(&history([record]), &window);
    let idle = || sample(1_000 * MS, 100 * MS, 0.0, None);
    assert_eq!(of(with_flows(idle(), Some(0.0))), ActivitySummary::Quiet);
    assert_eq!(
        of(with_flows(idle(), None)),
        ActivitySummary::Unknown,
        "no probes"
    );
    let mut lossy = with_flows(idle(), Some(0.0));
    if let Record::Sample(sample) = &mut lossy {
        sample.buckets_lost_ms = 5.0;
    }
    assert_eq!(
        of(lossy),
        ActivitySummary::Unknown,
        "buckets were overwritten"
    );
    assert_eq!(
        of(with_flows(idle(), Some(7.0))),
        ActivitySummary::Busiest(7.0)
    );
    // Nothing is known of another time.
    let history = history([with_flows(idle(), Some(0.0))]);
    let before = Window::ending(500 * MS, 100 * MS, 10);
    assert_eq!(summary_of(&history, &before), ActivitySummary::Unknown);
}

#[test]
fn bursts_that_overlap_the_window_are_counted() {
    let mut history = history([sample(1_000 * MS, 1_000 * MS, 1.0, None)]);
    let burst = |start: Nanos, end: Nanos, rate: f64| {
        let json = serde_json::json!({"type": "burst", "instance": "self", "counter": "new",
            "start": time(start), "end": time(end), "duration_ms": 1.0, "count": 1,
            "peak_rate": rate, "window_ms": 1.0});
        serde_json::from_value(json).unwrap()
    };
    history.add(burst(100 * MS, 110 * MS, 50.0));
    history.add(burst(905 * MS, 915 * MS, 70.0));
    let window = Window::ending(1_000 * MS, 100 * MS, 10);
    let instance = history.instance("self").unwrap();
    let rates = instance.chart(NEW, &window, Vec::new());
    let rates: Vec<_> = rates.iter().collect();
    let activity = instance.activity(&window, &rates, 2);
    assert_eq!(
        activity.summary,
        ActivitySummary::Bursts {
            number: 1,
            peak_rate: 70.0
        }
    );
    assert_eq!(activity.in_burst, [true, false, false, false, false]);
    assert_eq!(
        instance.burst_beside(500 * MS, true),
        Some(905 * MS..915 * MS)
    );
    assert_eq!(
        instance.burst_beside(500 * MS, false),
        Some(100 * MS..110 * MS)
    );
    assert_eq!(instance.burst_beside(950 * MS, true), None);
}

#[test]
fn the_number_of_instances_is_bounded() {
    let mut history = History::default();
    for n in 0..2 * INSTANCES {
        let mut record = sample(n as Nanos * MS, MS, 1.0, None);
        if let Record::Sample(sample) = &mut record {
            sample.instance = n.to_string().into();
        }
        history.add(record);
    }
    assert_eq!(history.names().len(), INSTANCES);
}

#[test]
fn dimensions_have_consecutive_indices() {
    assert_eq!(samples::first_dimension(0), 0);
    assert_eq!(samples::first_dimension(CHARTS.len()), DIMENSIONS);
}

proptest! {
    #[test]
    fn columns_add_up_to_what_was_counted(
        counts in prop::collection::vec(0..50_u64, 1..400),
        phase in 0..SLOT,
        columns in 1..40_usize,
        step in SLOT..20 * SLOT,
    ) {
        let length = counts.len() as Nanos * SLOT;
        let total: u64 = counts.iter().sum();
        let history = history([sample(phase + length, length, 1.0, Some((phase, counts)))]);
        let start = phase - step * columns as Nanos;
        // Long enough to include everything.
        let window = Window { start, step, columns: columns * 2 + (length / step) as usize + 2 };
        let view = new_in(&history, &window);
        let store = &history.instance("self").unwrap().buckets;
        let sum: f64 = view
            .columns
            .iter()
            .enumerate()
            .filter_map(|(i, column)| {
                let span = window.column(i);
                let seen = span.start.max(phase)..span.end.min(phase + length);
                Some(column.as_ref()?.mean * store.slots_in(&seen) as f64 * BUCKET_SECONDS)
            })
            .sum();
        prop_assert!((sum - total as f64).abs() < 1e-6 * total.max(1) as f64, "{} {}", sum, total);
        let peaks = view.columns.iter().flatten().map(|c| c.peak).fold(0.0, f64::max);
        prop_assert_eq!(Some(peaks), view.peak);
    }
}
