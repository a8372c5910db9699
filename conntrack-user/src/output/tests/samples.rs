//! Samples made by hand: idle, busy, without probes, and without anything to read.

use std::time::Duration;

use jiff::Timestamp;

use crate::{
    model::{
        alert::{AlertStatus, ConntrackFull},
        forecast::TimeToFull,
        kernel::{
            charts::{CHARTS, Chart, Quantity},
            counters::Counter,
            per_counter::PerCounter,
        },
        record::{AlertState, Ordered, Peak, Sample, SourceKind, Time, Verdict},
    },
    reading::buckets::BUCKET_MS,
};

/// 2026-01-02 03:04:05.678901 plus milliseconds.
pub(super) fn time(ms: u64) -> Time {
    Time(Timestamp::constant(1_767_323_045, 678_901_000) + Duration::from_millis(ms))
}

pub(super) fn per_counter<T: Copy>(values: &[(Counter, T)]) -> PerCounter<T> {
    PerCounter::from_fn(|spec| values.iter().find(|(c, _)| *c == spec.id).map(|(_, v)| *v))
}

/// Counters that only probes count.
pub(super) const PROBED: [Counter; 6] = [
    Counter::Alloc,
    Counter::Free,
    Counter::New,
    Counter::Inserted,
    Counter::Deleted,
    Counter::DeleteList,
];

/// Counters that kernels since 5.10 do not count, nor any probe.
pub(super) const DEAD: [Counter; 2] = [Counter::Ignore, Counter::Searched];

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
    let dimensions = |chart: &Chart| {
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

pub(super) fn lossy() -> Sample {
    Sample {
        buckets_lost_ms: 123.0 * BUCKET_MS,
        verdict: Some(Verdict::Mismatch),
        ..sample(400, true, 1000, &[(Counter::New, 5.0)])
    }
}
