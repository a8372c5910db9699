//! Observations from snapshots, on a clock that the tests set.

mod alerts;
mod buckets;
mod checks;
mod kernel;
mod probes;
mod summary;
mod sums;

use std::time::Duration;

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};
use jiff::Timestamp;

use crate::{
    model::{kernel::counters::Counter, monitor::instance::*, record::SourceKind},
    reading::{
        buckets::{BucketBatch, Epoch, epoch_of},
        kernel::KernelReading,
        probes::{ProbeReading, ProbeTotals},
        proc_stat::{ENTRIES, ParseError, ProcStat, kernel_text},
    },
};

type TestResult = Result<(), Box<dyn std::error::Error>>;

/// A table of this size makes percentages easy to read.
const MAX: u64 = 1000;

/// `ms` milliseconds after the start of the test, which is 1000 s after boot.
pub(in crate::model::monitor) fn at(ms: u64) -> Instant {
    let realtime = Timestamp::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    Instant {
        monotonic: Duration::from_secs(1000) + Duration::from_millis(ms),
        realtime: realtime + Duration::from_millis(ms),
    }
}

/// The columns of a 4.x kernel, which are all live.
const OLD: &[&str] = &[
    "searched",
    "found",
    "new",
    "delete",
    "delete_list",
    "insert",
    "drop",
];

/// The columns of kernels since 5.15, which no longer count `new` and `delete`.
const MODERN: &[&str] = &[
    "clashres",
    "found",
    "new",
    "delete",
    "chainlength",
    "insert",
    "drop",
    "expect_new",
    "search_restart",
];

/// One CPU's row of statistics, with `cells` set and the other columns 0.
fn stat(columns: &[&str], entries: u32, cells: &[(&str, u32)]) -> Result<ProcStat, ParseError> {
    let header: Vec<_> = [ENTRIES].iter().chain(columns).copied().collect();
    let cell = |name: &&str| cells.iter().find(|(n, _)| n == name).map_or(0, |(_, n)| *n);
    let row: Vec<u32> = std::iter::once(entries)
        .chain(columns.iter().map(cell))
        .collect();
    ProcStat::parse(&kernel_text(&header, &[row]))
}

pub(in crate::model::monitor) fn totals(counts: &[(ProbeCounter, u64)]) -> ProbeTotals {
    let mut totals = [0; COUNTER_SLOTS];
    for (counter, count) in counts {
        totals[counter.index()] = *count;
    }
    totals
}

/// A reading during which nothing moved, without buckets.
pub(in crate::model::monitor) fn reading(totals: ProbeTotals) -> ProbeReading {
    ProbeReading {
        before: totals,
        after: totals,
        buckets: BucketBatch::default(),
        buckets_missing: None,
        missed: Some(0),
        faults: 0,
        in_flight: 0,
    }
}

/// Buckets of one counter, by their number.
pub(super) fn batch(
    span: std::ops::Range<Epoch>,
    counter: ProbeCounter,
    rows: &[(Epoch, u64)],
) -> BucketBatch {
    BucketBatch {
        first: span.start,
        end: span.end,
        counts: rows
            .iter()
            .map(|&(epoch, count)| (epoch, totals(&[(counter, count)])))
            .collect(),
        lost: 0,
    }
}

pub(in crate::model::monitor) fn snapshot(
    ms: u64,
    stat: Option<ProcStat>,
    probes: Option<ProbeReading>,
) -> InstanceReading {
    InstanceReading {
        at: at(ms),
        kernel: KernelReading {
            stat,
            count: None,
            max: Some(MAX),
        },
        probes,
        cpus: None,
        hooks: None,
        durations: None,
    }
}

/// A reading after the probes were lost.
fn without_probes() -> InstanceReading {
    snapshot(0, None, None)
}

pub(in crate::model::monitor) fn everything() -> Coverage {
    Coverage::except(Vec::new())
}

pub(super) fn monitor(coverage: Coverage) -> InstanceMonitor {
    let settings = InstanceSettings {
        instance: "self".into(),
        kernel_release: None,
        buckets: true,
        bursts: burst::BurstSettings::default(),
        alerts: AlertSettings::default(),
        lifetimes: false,
        latency: false,
    };
    InstanceMonitor::new(settings, coverage)
}

pub(super) fn unprobed() -> InstanceMonitor {
    monitor(Coverage::none("no probes in this test"))
}

/// The next observation; fails if there is none.
pub(super) fn next(
    monitor: &mut InstanceMonitor,
    snapshot: &InstanceReading,
) -> Result<Observation, String> {
    monitor
        .observe(snapshot)
        .ok_or_else(|| "a later snapshot yielded nothing".to_owned())
}

fn rate(sample: &Sample, chart: &str, dimension: &str) -> Option<f64> {
    let chart = sample.charts.get(&format!("netfilter.conntrack_{chart}"));
    *chart
        .and_then(|chart| chart.get(dimension))
        .expect("a documented dimension")
}

fn source(sample: &Sample, chart: &str, dimension: &str) -> SourceKind {
    let chart = sample.sources.get(&format!("netfilter.conntrack_{chart}"));
    *chart
        .and_then(|chart| chart.get(dimension))
        .expect("a documented dimension")
}

/// A reading of an allocation that the kernel has not counted yet.
fn in_flight(ms: u64, allocated: u64, entries: u32) -> Result<InstanceReading, ParseError> {
    let mut probes = reading(totals(&[(ProbeCounter::AllocCall, allocated)]));
    probes.in_flight = 2;
    Ok(snapshot(
        ms,
        Some(stat(MODERN, 100 + entries, &[])?),
        Some(probes),
    ))
}
