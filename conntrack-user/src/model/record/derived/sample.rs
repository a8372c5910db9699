//! Values of a sample by chart, and its CPUs by load.

use std::{fmt, ops::Range};

use crate::{
    model::{
        kernel::{
            charts::{CHARTS, Quantity},
            counters::Counter,
        },
        record::{
            Check, Verdict,
            sample::{PerCpu, Sample, SourceKind},
        },
    },
    reading::buckets::BUCKET_MS,
};

/// How far the wall clock may be off what the interval says before it counts as set, in nanoseconds.
const CLOCK_SET: i64 = 20_000_000;

/// The CPU of a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuLabel {
    /// The id of the CPU.
    Id(u32),
    /// A row of the kernel's file, from 0, when the ids are not known.
    Row(usize),
}

impl fmt::Display for CpuLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => write!(f, "cpu{id}"),
            Self::Row(row) => write!(f, "row{row}"),
        }
    }
}

/// The rate of a counter on one CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CpuRate {
    pub cpu: CpuLabel,
    /// Events per second.
    pub rate: f64,
}

impl PerCpu {
    /// The CPUs on which a counter rose, the busiest first.
    #[must_use]
    pub(crate) fn busiest(&self, counter: Counter) -> Vec<CpuRate> {
        let rates = self.rates.get(counter).map_or(&[][..], Vec::as_slice);
        let ids = self.cpus.as_deref();
        let mut busiest: Vec<CpuRate> = rates
            .iter()
            .enumerate()
            .filter(|(_, rate)| **rate > 0.0)
            .map(|(row, rate)| CpuRate {
                cpu: match ids.and_then(|ids| ids.get(row)) {
                    Some(id) => CpuLabel::Id(*id),
                    None => CpuLabel::Row(row),
                },
                rate: *rate,
            })
            .collect();
        busiest.sort_by(|a, b| b.rate.total_cmp(&a.rate));
        busiest
    }
}

/// Where the total of a counter comes from that is on no chart, whose source no sample says: it is the kernel's unless its check has no
/// column to compare with.
#[must_use]
pub(crate) fn source_by_checks(counter: Counter, checks: &[Check]) -> SourceKind {
    let name = counter.spec().name;
    match checks.iter().find(|check| check.name == *name) {
        Some(check) if check.verdict == Verdict::NotComparable => SourceKind::Probe,
        _ => SourceKind::Proc,
    }
}

impl Sample {
    /// The interval, in nanoseconds since 1970.
    #[must_use]
    pub(crate) fn span(&self) -> Range<i64> {
        let length = (self.interval_s.clamp(0.0, 1e9) * 1e9).round() as i64;
        let end = self.time.nanos();
        end - length..end
    }

    /// Whether the wall clock was set since the sample before, which ended at `last`, in nanoseconds since 1970.
    #[must_use]
    pub(crate) fn clock_was_set(&self, last: i64) -> bool {
        (self.span().start - last).abs() > CLOCK_SET
    }

    /// How many buckets at the start of the interval are not known.
    #[must_use]
    pub(crate) fn buckets_lost(&self) -> i64 {
        (self.buckets_lost_ms.clamp(0.0, 1e12) / BUCKET_MS).round() as i64
    }

    /// The value of a dimension by its indices in [`CHARTS`]; `None` if it is unavailable or not a number.
    #[must_use]
    pub(crate) fn value(&self, chart: usize, dimension: usize) -> Option<f64> {
        let chart = CHARTS.get(chart)?;
        let dimension = chart.dimensions.get(dimension)?;
        let value = *self.charts.get(chart.name)?.get(dimension.name)?;
        value.filter(|value| value.is_finite())
    }

    /// Whether the value of a dimension, by its indices in [`CHARTS`], is a count of probes that a check proves wrong.
    #[must_use]
    pub(crate) fn is_wrong(&self, chart: usize, dimension: usize) -> bool {
        let place = CHARTS
            .get(chart)
            .and_then(|chart| Some((chart, chart.dimensions.get(dimension)?)));
        let Some((chart, dimension)) = place else {
            return false;
        };
        let Quantity::Rate(counter) = dimension.quantity else {
            return false;
        };
        let sources = self.sources.get(chart.name);
        let source = sources.and_then(|sources| sources.get(dimension.name));
        self.wrong.get(counter).is_some() && source != Some(&SourceKind::Proc)
    }

    /// Where a counter comes from, if this record alone says so: of one that is on no chart, and that both kernel and probes may
    /// count, it does not.
    #[must_use]
    pub(crate) fn source(&self, counter: Counter) -> Option<SourceKind> {
        let spec = counter.spec();
        match spec.place {
            Some(place) => {
                let chart = &CHARTS[place.chart as usize];
                let sources = self.sources.get(chart.name)?;
                sources
                    .get(chart.dimensions.get(place.order)?.name)
                    .copied()
            }
            None if spec.column.is_none() => Some(SourceKind::Probe),
            None if spec.probe.is_none() => Some(SourceKind::Proc),
            None => None,
        }
    }

    /// Whether a counter's rate is a count of probes that a check proves wrong.
    #[must_use]
    pub(crate) fn is_rate_wrong(&self, counter: Counter) -> bool {
        match counter.spec().place {
            Some(place) => self.is_wrong(place.chart as usize, place.order),
            None => self.wrong.get(counter).is_some(),
        }
    }

    /// Whether buckets of the interval were lost.
    #[must_use]
    pub(crate) fn has_lost_buckets(&self) -> bool {
        self.buckets_lost_ms > 0.0
    }
}
