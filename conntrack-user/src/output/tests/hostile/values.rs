//! Names, numbers and times: usual ones, extreme ones, and hostile ones.

use jiff::Timestamp;
use proptest::{collection::vec, option, prelude::*, sample::select};

use crate::{
    model::{
        alert::AlertStatus,
        kernel::{counters::COUNTERS, per_counter::PerCounter},
        record::{Percentiles, Time, Verdict},
    },
    reading::workload::Workload,
    text::Text,
};

/// Names: empty, known, and hostile.
pub(super) fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        select(vec![
            "",
            "self",
            "off",
            "new",
            "src",
            "zone",
            "0",
            "entries_balance",
            "table_full",
            "early_drop",
            "netfilter_conntrack_full",
            "conntrack_time_to_full",
            "\u{1b}]0;owned\u{7}\u{1b}[2J",
            "\u{9b}31m\u{202e}\u{2066}\u{e0041}\r\n\t",
            "</script><img src=x onerror=alert(1)>\"'&",
            "a,\"b\"\n=1+1",
        ])
        .prop_map(Text::from),
        any::<String>().prop_map(Text::from),
        Just(Text::from("\u{1b}x".repeat(5000))),
    ]
}

pub(super) fn workload() -> impl Strategy<Value = Workload> {
    let some = || option::of(text());
    [some(), some(), some(), some(), some(), some(), some()].prop_map(
        |[
            pod_namespace,
            pod,
            pod_uid,
            container,
            container_id,
            runtime,
            unit,
        ]| Workload {
            pod_namespace,
            pod,
            pod_uid,
            container,
            container_id,
            runtime,
            unit,
        },
    )
}

/// Names of instances: mostly the same one, so that it has many records.
pub(super) fn instance() -> impl Strategy<Value = Text> {
    prop_oneof![3 => Just(Text::from("self")), 1 => text()]
}

pub(super) fn float() -> impl Strategy<Value = f64> {
    prop_oneof![
        select(vec![
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.1,
            1.048_576,
            100.0,
            1e15,
            1e300,
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ]),
        any::<f64>(),
        0.0..1e6_f64,
    ]
}

pub(super) fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        select(vec![0, 1, u64::MAX, u64::MAX - 1, 1 << 53]),
        0..10_000_u64,
        any::<u64>()
    ]
}

pub(super) fn signed() -> impl Strategy<Value = i64> {
    prop_oneof![select(vec![0, i64::MIN, i64::MAX]), any::<i64>()]
}

/// Times: mostly within one minute, so that records overlap; else any.
pub(super) fn time() -> impl Strategy<Value = Time> {
    let at = |us| Time(Timestamp::from_microsecond(us).unwrap_or_default());
    prop_oneof![
        4 => (0..60_000_000_i64).prop_map(move |us| at(1_767_323_045_000_000 + us)),
        1 => select(vec![Timestamp::MIN, Timestamp::MAX, Timestamp::UNIX_EPOCH]).prop_map(Time),
        // The extremes in nanoseconds and in microseconds.
        1 => select(vec![i64::MAX / 1000, i64::MIN / 1000, (1 << 62) / 1000, -1]).prop_map(at),
        1 => any::<i64>().prop_map(at),
    ]
}

pub(super) fn per_counter<T: Clone + std::fmt::Debug + 'static>(
    value: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<PerCounter<T>> {
    let values = option::of(value);
    vec((0..COUNTERS.len(), values), 0..8)
        .prop_map(|values| {
            let mut all = PerCounter::default();
            for (at, value) in values {
                all.set(COUNTERS[at].id, value);
            }
            all
        })
        .boxed()
}

pub(super) fn status() -> impl Strategy<Value = AlertStatus> {
    select(vec![
        AlertStatus::Clear,
        AlertStatus::Warning,
        AlertStatus::Critical,
    ])
}

pub(super) fn verdict() -> impl Strategy<Value = Verdict> {
    select(vec![
        Verdict::NotComparable,
        Verdict::Exact,
        Verdict::WithinBracket,
        Verdict::Undercount,
        Verdict::Mismatch,
    ])
}

pub(super) fn percentiles() -> impl Strategy<Value = Percentiles> {
    (
        [float(), float(), float(), float(), float()],
        option::of(float()),
    )
        .prop_map(|([p50, p90, p99, p999, max], dispersion)| Percentiles {
            p50,
            p90,
            p99,
            p999,
            max,
            dispersion,
        })
}
