//! The metrics of each counter, and the bursts of all.

use std::{fmt, sync::LazyLock};

use prometheus_client::encoding::{
    MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
};

use super::{
    families,
    writer::{CounterFamily, Named, Out, counter, gauge},
};
use crate::model::{
    exposition::{CLASSIC_BOUNDS, NATIVE_SCHEMA, PowerHistogram, WINDOWS},
    kernel::counters::CounterSpec,
    record::{Percentiles, SourceKind},
};

/// The width of the native histogram's bucket for no event. Counts are whole numbers, so it has no other.
const ZERO_THRESHOLD: f64 = 0.5;

static TOTAL: LazyLock<CounterFamily> = LazyLock::new(|| CounterFamily::new(families::TOTAL));
static PEAK: LazyLock<CounterFamily> = LazyLock::new(|| CounterFamily::new(families::PEAK));
static P99: LazyLock<CounterFamily> = LazyLock::new(|| CounterFamily::new(families::P99));
static PER_BUCKET: LazyLock<CounterFamily> =
    LazyLock::new(|| CounterFamily::new(families::PER_BUCKET));

/// How often it has happened since the start.
pub(super) fn write_total(
    out: &mut Out<'_>,
    instances: &[Named],
    spec: &CounterSpec,
) -> fmt::Result {
    let totals = instances.iter().filter_map(|(name, instance)| {
        let (source, total) = instance.total(spec.id)?;
        let source = match source {
            SourceKind::Proc => "proc",
            SourceKind::Probe => "probe",
            SourceKind::Unavailable => return None,
        };
        Some(([("netns", &**name), ("source", source)], total))
    });
    out.values_of(&TOTAL, spec, totals, counter)
}

/// How it was spread over the buckets.
pub(super) fn write_spread(
    out: &mut Out<'_>,
    instances: &[Named],
    spec: &CounterSpec,
) -> fmt::Result {
    let peaks = windows(spec, instances, |percentiles| percentiles.max);
    out.values_of(&PEAK, spec, peaks, gauge)?;
    let p99 = windows(spec, instances, |percentiles| percentiles.p99);
    out.values_of(&P99, spec, p99, gauge)?;
    let histograms = instances.iter().filter_map(|(name, instance)| {
        let histogram = instance.histograms.get(spec.id);
        let histogram = histogram.filter(|_| !instance.is_wrong(spec.id))?;
        Some(([("netns", &**name)], histogram))
    });
    out.values_of(&PER_BUCKET, spec, histograms, write_histogram)
}

/// A value of the last complete windows.
fn windows<'a>(
    spec: &'a CounterSpec,
    instances: &'a [Named],
    value: impl Fn(&Percentiles) -> f64 + Copy + 'a,
) -> impl Iterator<Item = ([(&'static str, &'a str); 2], f64)> {
    instances.iter().flat_map(move |(name, instance)| {
        let windows = instance.windows.get(spec.id);
        let windows = windows.filter(|_| !instance.is_wrong(spec.id));
        let of_each = WINDOWS.iter().zip(windows.into_iter().flatten());
        of_each.filter_map(move |(window, percentiles)| {
            let labels = [("netns", &**name), ("window", window.label)];
            Some((labels, value(percentiles.as_ref()?)))
        })
    })
}

fn write_histogram(encoder: &mut MetricEncoder<'_>, histogram: &PowerHistogram) -> fmt::Result {
    let mut bounds = CLASSIC_BOUNDS.iter().map(|&bound| bound as f64);
    let classic = histogram
        .classic()
        .map(|count| (bounds.next().unwrap_or(f64::INFINITY), count));
    let (spans, deltas) = histogram.native();
    encoder.encode_histogram_with_native::<NoLabelSet>(
        histogram.events as f64,
        histogram.buckets(),
        &classic,
        None,
        NativeHistogram {
            schema: NATIVE_SCHEMA,
            zero_threshold: ZERO_THRESHOLD,
            zero_count: histogram.empty,
            negative: NativeHistogramBuckets {
                spans: &[],
                deltas: &[],
            },
            positive: NativeHistogramBuckets {
                spans: &spans,
                deltas: &deltas,
            },
            created: None,
        },
    )
}

pub(super) fn write_bursts(out: &mut Out<'_>, instances: &[Named]) -> fmt::Result {
    let bursts = || {
        instances.iter().flat_map(|(name, instance)| {
            let known = instance.bursts.iter();
            let right = known.filter(|(of, _)| !instance.is_wrong(*of));
            right.map(move |(of, bursts)| {
                let labels = [("netns", &**name), ("counter", of.spec().name)];
                (labels, bursts)
            })
        })
    };
    let numbers = bursts().map(|(labels, bursts)| (labels, bursts.number));
    out.values(&families::BURSTS, numbers, counter)?;
    let events = bursts().map(|(labels, bursts)| (labels, bursts.events));
    out.values(&families::BURST_EVENTS, events, counter)
}
