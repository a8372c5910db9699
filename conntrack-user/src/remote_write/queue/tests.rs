use std::{collections::BTreeMap, fs};

use proptest::prelude::*;
use prost::Message as _;

use super::*;
use crate::{
    model::{cells::GridCell, kernel::counters::Counter},
    remote_write::wire::WriteRequest,
};

const LIMITS: BatchLimits = BatchLimits {
    samples: 50,
    bytes: 1 << 20,
};

/// The most bytes of a queue that drops nothing here.
const PLENTY: u64 = 64 << 20;

fn names() -> SeriesNames {
    SeriesNames::new("host", &[], "100ms".parse().unwrap())
}

/// A cell of two values, which only it has.
fn cells(end_ms: i64) -> InstanceCells {
    InstanceCells {
        instance: format!("ns{}", end_ms % 3).into(),
        cells: vec![GridCell {
            end_ms,
            values: vec![
                (GridMetric::Entries, end_ms as f64 * 2.0),
                (GridMetric::ProbeTotal(Counter::New), end_ms as f64 * 3.0),
            ],
        }],
    }
}

type Received = BTreeMap<(Vec<(String, String)>, i64), f64>;

/// What a receiver that drops duplicates has; one that is not the same is no duplicate.
fn receive(into: &mut Received, batch: &Batch) {
    let bytes = snap::raw::Decoder::new()
        .decompress_vec(&batch.body)
        .unwrap();
    let mut samples = 0;
    for series in WriteRequest::decode(&*bytes).unwrap().timeseries {
        let labels = series
            .labels
            .into_iter()
            .map(|label| (label.name, label.value));
        let labels: Vec<(String, String)> = labels.collect();
        assert!(labels.is_sorted_by(|a, b| a.0 < b.0), "{labels:?}");
        let times: Vec<i64> = series
            .samples
            .iter()
            .map(|sample| sample.timestamp)
            .collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
        for sample in series.samples {
            samples += 1;
            let key = (labels.clone(), sample.timestamp);
            let before = into.insert(key, sample.value);
            assert!(before.is_none_or(|before| before == sample.value));
        }
    }
    assert_eq!(samples, batch.samples);
}

fn drain<S: SegmentStore>(queue: &mut Queue<S>, into: &mut Received) -> u64 {
    let mut samples = 0;
    while let Some(batch) = queue.next(LIMITS).unwrap() {
        receive(into, &batch);
        queue.done(&batch).unwrap();
        samples += batch.samples;
    }
    samples
}

#[test]
fn series_have_the_names_that_are_scraped() {
    let mut queue = Queue::open(MemoryStore::default(), PLENTY, names()).unwrap();
    queue.add(&cells(1)).unwrap();
    let mut received = Received::new();
    drain(&mut queue, &mut received);
    let labels: Vec<String> = received
        .keys()
        .map(|(labels, _)| format!("{labels:?}"))
        .collect();
    insta::assert_snapshot!(labels.join("\n"), @r#"
    [("__name__", "ctpulse_entries"), ("instance", "host"), ("job", "ctpulse"), ("netns", "ns1")]
    [("__name__", "ctpulse_new_total"), ("instance", "host"), ("job", "ctpulse"), ("netns", "ns1"), ("source", "probe")]
    "#);
}

#[test]
fn what_is_dropped_for_the_bound_is_counted() {
    let limit = 1 << 20;
    let mut queue = Queue::open(MemoryStore::default(), limit, names()).unwrap();
    let mut received = Received::new();
    let mut sent = 0;
    for end in 1..=40_000 {
        queue.add(&cells(end)).unwrap();
        assert!(queue.waiting().bytes <= limit);
        if end == 100 {
            // Half of what there is, and some that is read and not answered when its segment is dropped.
            let batch = queue.next(LIMITS).unwrap().unwrap();
            receive(&mut received, &batch);
            queue.done(&batch).unwrap();
            sent += batch.samples;
        }
    }
    assert!(queue.dropped() > 10_000);
    assert_eq!(queue.waiting().samples + queue.dropped() + sent, 80_000);
    let waiting = queue.waiting().samples;
    assert_eq!(drain(&mut queue, &mut received), waiting);
    assert_eq!(received.len() as u64 + queue.dropped(), 80_000);
    assert_eq!(queue.waiting().samples, 0);
    assert_eq!(queue.waiting().since_ms, None);
}

#[test]
fn a_request_in_flight_outlives_its_segment() {
    let mut queue = Queue::open(MemoryStore::default(), 1 << 20, names()).unwrap();
    queue.add(&cells(1)).unwrap();
    let batch = queue.next(LIMITS).unwrap().unwrap();
    for end in 2..=40_000 {
        queue.add(&cells(end)).unwrap();
    }
    queue.done(&batch).unwrap();
    let mut received = Received::new();
    receive(&mut received, &batch);
    drain(&mut queue, &mut received);
    assert_eq!(received.len() as u64 + queue.dropped(), 80_000);
}

#[test]
fn a_directory_continues_and_is_used_by_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("queue");
    let open = || DirStore::open(&path);
    let mut queue = Queue::open(open().unwrap(), PLENTY, names()).unwrap();
    assert_eq!(queue.last(), None);
    for end in 1..=100 {
        queue.add(&cells(end)).unwrap();
    }
    assert_eq!(open().unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let mut received = Received::new();
    let batch = queue.next(LIMITS).unwrap().unwrap();
    receive(&mut received, &batch);
    queue.done(&batch).unwrap();
    drop(queue);

    let mut queue = Queue::open(open().unwrap(), PLENTY, names()).unwrap();
    assert_eq!(queue.last(), Some(100));
    assert_eq!(queue.waiting().samples, 200 - batch.samples);
    assert_eq!(queue.waiting().since_ms, Some(25));
    queue.add(&cells(101)).unwrap();
    assert_eq!(drain(&mut queue, &mut received), 202 - batch.samples);
    assert_eq!(received.len(), 202);
    drop(queue);
    // What was sent takes no room, but for the newest segment.
    let names = fs::read_dir(&path).unwrap().flatten();
    let segments = names.filter(|entry| entry.path().extension().is_some_and(|e| e == "segment"));
    assert_eq!(segments.count(), 1);
    let queue = Queue::open(open().unwrap(), PLENTY, self::names()).unwrap();
    assert_eq!((queue.last(), queue.waiting().samples), (Some(101), 0));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    /// A request is sent, and answered.
    Send,
    /// A request is sent, and its answer is lost with the process.
    SendAndCrash,
    /// The process is killed, and perhaps a frame was being written: of it there are some bytes, perhaps others than it had.
    Crash(Option<(usize, bool)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..60_u8).prop_map(Step::Add),
        2 => Just(Step::Send),
        1 => Just(Step::SendAndCrash),
        1 => prop::option::of((1..200_usize, any::<bool>())).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever is sent, lost and killed: what was added is there in the end, each sample with its value.
    #[test]
    fn nothing_is_lost_or_changed(steps in steps()) {
        let mut store = MemoryStore::default();
        let mut queue = Queue::open(store.clone(), PLENTY, names()).unwrap();
        let mut received = Received::new();
        let mut added = 0;
        for step in steps {
            let crash = match step {
                Step::Add(number) => {
                    for _ in 0..number {
                        added += 1;
                        queue.add(&cells(added)).unwrap();
                    }
                    None
                }
                Step::Send | Step::SendAndCrash => {
                    let batch = queue.next(LIMITS).unwrap();
                    let crashes = matches!(step, Step::SendAndCrash);
                    if let Some(batch) = &batch {
                        receive(&mut received, batch);
                        if !crashes {
                            queue.done(batch).unwrap();
                        }
                    }
                    crashes.then_some(None)
                }
                Step::Crash(torn) => Some(torn),
            };
            if let Some(torn) = crash {
                store = queue.store.clone();
                if let Some((length, changed)) = torn {
                    let mut frame = frame::encode(&queue.frame(&cells(added + 1))).unwrap();
                    frame.truncate(length.min(frame.len() - 1));
                    if changed {
                        frame.iter_mut().for_each(|byte| *byte = !*byte);
                    }
                    if let Some(mut last) = store.segments.last_entry() {
                        last.get_mut().extend(frame);
                    }
                }
                queue = Queue::open(store.clone(), PLENTY, names()).unwrap();
                prop_assert_eq!(queue.last().unwrap_or_default(), added);
            }
        }
        drain(&mut queue, &mut received);
        prop_assert_eq!(received.len() as i64, added * 2);
        for ((labels, end), value) in &received {
            let factor = if labels[0].1 == "ctpulse_entries" { 2.0 } else { 3.0 };
            prop_assert_eq!(*value, *end as f64 * factor);
        }
        prop_assert_eq!(queue.dropped(), 0);
    }

    /// Bytes that are no frames are no reason to fail.
    #[test]
    fn any_bytes_can_be_opened(bytes in prop::collection::vec(any::<u8>(), 0..300), mark in prop::collection::vec(any::<u8>(), 0..30)) {
        let mut store = MemoryStore::default();
        store.append(1, &bytes).unwrap();
        store.set_mark(&mark).unwrap();
        let mut queue = Queue::open(store, PLENTY, names()).unwrap();
        queue.add(&cells(1)).unwrap();
        let mut received = Received::new();
        drain(&mut queue, &mut received);
        prop_assert_eq!(received.len(), 2);
    }
}
