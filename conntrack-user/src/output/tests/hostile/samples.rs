//! Samples of any counters, charts and CPUs.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::values::{
    count, float, instance, per_counter, percentiles, status, text, time, verdict,
};
use crate::{
    model::{
        forecast::TimeToFull,
        kernel::charts::CHARTS,
        record::{AlertState, Buckets, Ordered, Peak, PerCpu, Record, Sample, Skew, SourceKind},
    },
    text::Text,
};

/// Mostly known charts and dimensions in any order, some twice; and unknown ones.
fn charts<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<Ordered<Ordered<T>>> {
    let known: Vec<&'static str> = CHARTS
        .iter()
        .flat_map(|chart| chart.dimensions.iter().map(|d| d.name))
        .collect();
    let dimension = prop_oneof![select(known).prop_map(Text::from), text()];
    let chart = prop_oneof![
        select(CHARTS.map(|chart| chart.name).to_vec()).prop_map(Text::from),
        text()
    ];
    let dimensions = vec((dimension, value), 0..6).prop_map(Ordered);
    vec((chart, dimensions), 0..8).prop_map(Ordered).boxed()
}

fn source() -> impl Strategy<Value = SourceKind> {
    select(vec![
        SourceKind::Proc,
        SourceKind::Probe,
        SourceKind::Unavailable,
    ])
}

fn full() -> impl Strategy<Value = TimeToFull> {
    [float(), float(), float()].prop_map(|[estimate, low, high]| TimeToFull {
        estimate,
        low,
        high,
    })
}

fn per_cpu() -> impl Strategy<Value = PerCpu> {
    let skew = (any::<usize>(), float(), float()).prop_map(|(busiest, share, ratio)| Skew {
        busiest,
        share,
        ratio,
    });
    (
        option::of(vec(any::<u32>(), 0..4)),
        option::of(text()),
        per_counter(vec(float(), 0..6)),
        per_counter(vec(count(), 0..6)),
        per_counter(skew),
    )
        .prop_map(|(cpus, unknown, rates, totals, skew)| PerCpu {
            cpus,
            unknown,
            rates,
            totals,
            skew,
        })
}

fn alerts() -> impl Strategy<Value = Ordered<AlertState>> {
    let state = (status(), option::of(float()), status(), option::of(time())).prop_map(
        |(status, value, notified, notify_at)| AlertState {
            status,
            value,
            notified,
            notify_at,
        },
    );
    vec((text(), state), 0..4).prop_map(Ordered)
}

pub(super) fn sample() -> impl Strategy<Value = Record> {
    let buckets =
        (time(), float(), vec(count(), 0..40)).prop_map(|(start, width_ms, counts)| Buckets {
            start,
            width_ms,
            counts,
        });
    let peak = (float(), float(), option::of(time())).prop_map(|(rate, window_ms, at)| Peak {
        rate,
        window_ms,
        at,
    });
    let table = (
        option::of(count()),
        option::of(count()),
        option::of(float()),
        option::of(full()),
    );
    let counted = (
        charts(option::of(float())),
        charts(source()),
        per_counter(count()),
        per_counter(peak),
        option::of(per_counter(percentiles())),
        option::of(per_counter(buckets)),
        option::of(per_cpu()),
        float(),
    );
    let judged = (
        option::of(text()),
        option::of(text()),
        alerts(),
        vec((text(), text()), 0..3).prop_map(Ordered),
        option::of(verdict()),
        per_counter(text()),
    );
    (time(), float(), instance(), table, counted, judged).prop_map(
        |(time, interval_s, instance, table, counted, judged)| {
            let (entries, max, utilization, time_to_full_s) = table;
            let (charts, sources, counters, peaks, histograms, buckets, per_cpu, buckets_lost_ms) =
                counted;
            let (untracked, buckets_unavailable, alerts, alerts_unavailable, verdict, wrong) =
                judged;
            Record::Sample(Box::new(Sample {
                entries_per_s: None,
                wrong,
                time,
                interval_s,
                instance,
                entries,
                max,
                utilization,
                time_to_full_s,
                charts,
                sources,
                counters,
                peaks,
                histograms,
                buckets,
                per_cpu,
                buckets_lost_ms,
                buckets_unavailable,
                untracked,
                alerts,
                alerts_unavailable,
                verdict,
            }))
        },
    )
}
