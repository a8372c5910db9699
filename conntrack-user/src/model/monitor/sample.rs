//! The sample of an interval.

use super::{instance::InstanceMonitor, interval::Interval};
use crate::{
    model::{
        kernel::{
            charts::{CHARTS, Chart, Quantity},
            counters::CounterSpec,
            origin::Origin,
            per_counter::PerCounter,
        },
        rates::pipeline::of_batch,
        record::{Buckets, Check, Ordered, Peak, PerCpu, Sample, SourceKind, Time, Verdict, worst},
    },
    reading::buckets::{BUCKET_MS, BUCKET_SECONDS, start_of},
    text::Text,
};

impl InstanceMonitor {
    pub(super) fn sample(&self, interval: Interval<'_>, per_cpu: Option<PerCpu>) -> Sample {
        let reading = interval.reading;
        let entries = reading.kernel.entries();
        let max = reading.kernel.max;
        let rate = |spec: &CounterSpec| {
            let events = interval.events(spec, &self.origins)?;
            (interval.seconds > 0.0).then(|| events as f64 / interval.seconds)
        };
        let time = |monotonic| Time(reading.at.wall(monotonic));
        let series = &interval.series;
        let bucketed = reading
            .probes
            .as_ref()
            .filter(|probes| probes.buckets_missing.is_none());
        let (alerts, alerts_unavailable) = self.alert_states(interval.started);
        Sample {
            time: Time(reading.at.realtime),
            interval_s: interval.seconds,
            instance: self.settings.instance.clone(),
            entries,
            max,
            utilization: utilization(entries, max),
            entries_per_s: interval.entries_per_s(),
            time_to_full_s: self.outlook.time_to_full(),
            charts: by_dimension(|quantity| match quantity {
                Quantity::Entries => entries.map(|n| n as f64),
                Quantity::Rate(counter) => rate(counter.spec()),
            }),
            sources: by_dimension(|quantity| match quantity {
                Quantity::Entries if entries.is_some() => SourceKind::Proc,
                Quantity::Entries => SourceKind::Unavailable,
                Quantity::Rate(counter) => match self.origins.get(counter) {
                    Some(Origin::Kernel(_)) => SourceKind::Proc,
                    Some(Origin::Probe(_)) => SourceKind::Probe,
                    Some(Origin::Unavailable(_)) | None => SourceKind::Unavailable,
                },
            }),
            peaks: PerCounter::from_fn(|spec| {
                bucketed?;
                let busiest = series.get(spec.id)?.busiest();
                Some(Peak {
                    rate: busiest.map_or(0.0, |(_, count)| count as f64 / BUCKET_SECONDS),
                    window_ms: BUCKET_MS,
                    at: busiest.map(|(epoch, _)| time(start_of(epoch))),
                })
            }),
            histograms: bucketed.map(|probes| {
                PerCounter::from_fn(|spec| {
                    let percentiles = of_batch(&probes.buckets, series.get(spec.id)?)?;
                    percentiles.dispersion.is_some().then_some(percentiles)
                })
            }),
            buckets: (self.settings.buckets && bucketed.is_some()).then(|| {
                PerCounter::from_fn(|spec| {
                    let series = series.get(spec.id)?;
                    Some(Buckets {
                        start: time(start_of(series.start)),
                        width_ms: BUCKET_MS,
                        counts: series.counts.clone(),
                    })
                })
            }),
            per_cpu,
            buckets_lost_ms: reading
                .probes
                .as_ref()
                .map_or(0.0, |probes| probes.buckets.lost as f64 * BUCKET_MS),
            buckets_unavailable: reading.probes.as_ref().and_then(|probes| {
                let reason = probes.buckets_missing.as_ref()?;
                Some(reason.reason().clone())
            }),
            untracked: self.untracked(),
            alerts,
            alerts_unavailable,
            verdict: worst(&self.checks),
            wrong: PerCounter::from_fn(|spec| self.proven_wrong(spec)),
            counters: interval.counters,
        }
    }
}

impl InstanceMonitor {
    /// What the check of a counter says, if it proves the probes' count wrong.
    fn proven_wrong(&self, spec: &CounterSpec) -> Option<Text> {
        let check = self.checks.iter().find(|check| check.name == *spec.name)?;
        (check.verdict == Verdict::Mismatch).then(|| disproof(check))
    }
}

/// What a check that ended in a mismatch says. The reason of a counter that laws disprove has its numbers.
pub(super) fn disproof(check: &Check) -> Text {
    let counted = match (check.probe, check.kernel_low, check.kernel_high) {
        (Some(probe), Some(low), Some(high)) if low == high => {
            format!("the probes counted {probe}, the kernel {low}")
        }
        (Some(probe), Some(low), Some(high)) => {
            format!("the probes counted {probe}, the kernel {low} to {high}")
        }
        _ => String::new(),
    };
    match (&check.reason, counted.is_empty()) {
        (Some(reason), true) => reason.clone(),
        (Some(reason), false) => format!("{counted}; {}", reason.raw()).into(),
        (None, _) => counted.into(),
    }
}

fn utilization(entries: Option<u64>, max: Option<u64>) -> Option<f64> {
    let (entries, max) = entries.zip(max)?;
    (max > 0).then(|| entries as f64 * 100.0 / max as f64)
}

fn by_dimension<T>(value: impl Fn(Quantity) -> T) -> Ordered<Ordered<T>> {
    let dimensions = |chart: &Chart| {
        Ordered(
            chart
                .dimensions
                .iter()
                .map(|dimension| (dimension.name.into(), value(dimension.quantity)))
                .collect(),
        )
    };
    Ordered(
        CHARTS
            .iter()
            .map(|chart| (chart.name.into(), dimensions(chart)))
            .collect(),
    )
}
