//! An interval of one instance, between two readings.

use std::rc::Rc;

use crate::{
    clock::Instant,
    model::{
        kernel::{counters::CounterSpec, origin::Origins, per_counter::PerCounter},
        rates::series::Series,
    },
    reading::InstanceReading,
};

/// The state at the end of the previous interval.
pub(super) struct Previous {
    pub(super) at: Instant,
    pub(super) counters: PerCounter<u64>,
    pub(super) origins: Rc<Origins>,
    pub(super) entries: Option<u64>,
}

/// The interval that ends with the current reading.
pub(super) struct Interval<'a> {
    pub(super) reading: &'a InstanceReading,
    /// When the first reading of the run was taken.
    pub(super) started: Instant,
    pub(super) previous: &'a Previous,
    /// Its measured length in seconds.
    pub(super) seconds: f64,
    /// Totals at its end.
    pub(super) counters: PerCounter<u64>,
    pub(super) series: PerCounter<Series>,
}

impl Interval<'_> {
    /// Events of a counter in the interval; `None` if the counter had another origin at its start.
    pub(super) fn events(&self, spec: &CounterSpec, origins: &Origins) -> Option<u64> {
        let same = self.previous.origins.get(spec.id) == origins.get(spec.id);
        let before = self.previous.counters.get(spec.id);
        let (now, before) = self.counters.get(spec.id).zip(before)?;
        same.then(|| now.saturating_sub(*before))
    }

    /// Net change of the number of entries per second.
    pub(super) fn entries_per_s(&self) -> Option<f64> {
        let (now, before) = self.reading.kernel.entries().zip(self.previous.entries)?;
        (self.seconds > 0.0).then(|| (now as f64 - before as f64) / self.seconds)
    }
}
