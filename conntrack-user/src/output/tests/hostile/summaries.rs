//! Summaries, and the checks and bursts that they repeat.

use proptest::{collection::vec, option, prelude::*};

use super::values::{
    count, float, instance, per_counter, percentiles, signed, text, time, verdict,
};
use crate::model::{
    durations::{
        latency::{CallTimes, Latency},
        lifetimes::Lifetimes,
    },
    record::{
        Burst, BurstTotals, Check, EventTotals, InstanceSummary, Ordered, Record, Summary, Total,
    },
};

pub(super) fn check() -> impl Strategy<Value = Check> {
    let numbers = [
        option::of(signed()),
        option::of(signed()),
        option::of(signed()),
        option::of(signed()),
    ];
    (text(), numbers, verdict(), option::of(text())).prop_map(
        |(name, [probe, kernel_low, kernel_high, residual], verdict, reason)| Check {
            name,
            probe,
            kernel_low,
            kernel_high,
            residual,
            verdict,
            reason,
        },
    )
}

pub(super) fn burst() -> impl Strategy<Value = Burst> {
    (
        (instance(), text()),
        [time(), time()],
        [float(), float(), float(), float()],
        count(),
    )
        .prop_map(
            |(
                (instance, counter),
                [start, end],
                [duration_ms, peak_rate, window_ms, usual_rate],
                count,
            )| {
                Burst {
                    instance,
                    counter,
                    start,
                    end,
                    duration_ms,
                    count,
                    peak_rate,
                    window_ms,
                    usual_rate,
                }
            },
        )
}

fn call_times() -> impl Strategy<Value = CallTimes> {
    let times = [
        option::of(float()),
        option::of(float()),
        option::of(float()),
        option::of(float()),
        option::of(float()),
    ];
    (option::of(count()), times, option::of(text())).prop_map(
        |(count, [p50_us, p90_us, p99_us, p999_us, max_us], reason)| CallTimes {
            count,
            p50_us,
            p90_us,
            p99_us,
            p999_us,
            max_us,
            reason,
        },
    )
}

pub(super) fn summary() -> impl Strategy<Value = Record> {
    let total = (option::of(count()), option::of(count()))
        .prop_map(|(probe, kernel)| Total { probe, kernel });
    let totals = (count(), count(), burst()).prop_map(|(number, count, largest)| BurstTotals {
        number,
        count,
        largest,
    });
    let lifetimes = call_times().prop_map(|times| Lifetimes {
        count: times.count,
        unknown: times.count,
        p50_s: times.p50_us,
        p90_s: times.p90_us,
        p99_s: times.p99_us,
        p999_s: times.p999_us,
        max_s: times.max_us,
        reason: times.reason,
    });
    let latency = (call_times(), call_times()).prop_map(|(confirm, early_drop)| Latency {
        confirm,
        early_drop,
    });
    let instance = (
        text(),
        per_counter(total),
        vec(check(), 0..4),
        [option::of(count()), option::of(count())],
        float(),
        (option::of(lifetimes), option::of(latency)),
        per_counter(percentiles()),
        per_counter(totals),
    )
        .prop_map(
            |(
                name,
                totals,
                crosscheck,
                [missed, lost_events],
                lost,
                durations,
                histograms,
                bursts,
            )| {
                InstanceSummary {
                    name,
                    totals,
                    crosscheck,
                    missed,
                    lost_events,
                    buckets_lost_ms: lost,
                    lifetimes: durations.0,
                    latency: durations.1,
                    histograms,
                    bursts,
                }
            },
        );
    let events =
        (text(), [count(), count(), count()]).prop_map(|(kind, [sent, suppressed, lost])| {
            (
                kind,
                EventTotals {
                    sent,
                    suppressed,
                    lost,
                },
            )
        });
    (float(), vec(events, 0..3), vec(instance, 0..3), count()).prop_map(
        |(duration_s, events, instances, instances_left_out)| {
            Record::Summary(Box::new(Summary {
                duration_s,
                events: Some(Ordered(events)),
                instances_left_out,
                instances,
            }))
        },
    )
}
