//! One interval: values by chart, and CPUs by load.

use std::fmt;

use crate::model::{
    kernel::{charts::CHARTS, counters::Counter},
    record::sample::{PerCpu, Sample},
};

/// Which CPU a rate is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CpuLabel {
    /// A CPU's id.
    Id(u32),
    /// A row of the kernel's file, from 0, where ids are not known.
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

/// What one CPU counted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CpuRate {
    /// Which one.
    pub cpu: CpuLabel,
    /// Events per second.
    pub rate: f64,
}

impl PerCpu {
    /// The CPUs on which a counter moved, the busiest first.
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

impl Sample {
    /// The value of a dimension by its place in [`CHARTS`]; `None` where it is unavailable or no number.
    #[must_use]
    pub(crate) fn value(&self, chart: usize, dimension: usize) -> Option<f64> {
        let chart = CHARTS.get(chart)?;
        let dimension = chart.dimensions.get(dimension)?;
        let value = *self.charts.get(chart.name)?.get(dimension.name)?;
        value.filter(|value| value.is_finite())
    }

    /// Whether buckets of the interval are missing.
    #[must_use]
    pub(crate) fn has_lost_buckets(&self) -> bool {
        self.buckets_lost_ms > 0.0
    }
}
