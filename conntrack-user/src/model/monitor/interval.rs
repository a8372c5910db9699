//! An interval of one instance: from the reading before to the reading that ends it.

use crate::{
    clock::Instant,
    model::{
        kernel::{counters::CounterSpec, origin::Origins, per_counter::PerCounter},
        rates::series::Series,
    },
    reading::InstanceReading,
};

/// The end of the interval before.
pub(super) struct Previous {
    pub(super) at: Instant,
    pub(super) counters: PerCounter<u64>,
    pub(super) origins: Origins,
}

/// The interval that a reading ends.
pub(super) struct Interval<'a> {
    pub(super) reading: &'a InstanceReading,
    /// The first reading.
    pub(super) started: Instant,
    pub(super) previous: &'a Previous,
    /// Its real length in seconds.
    pub(super) seconds: f64,
    /// Totals at its end.
    pub(super) counters: PerCounter<u64>,
    pub(super) series: PerCounter<Series>,
}

impl Interval<'_> {
    /// Events of a counter in it; `None` where it came from elsewhere at its start.
    pub(super) fn events(&self, spec: &CounterSpec, origins: &Origins) -> Option<u64> {
        let same = self.previous.origins.get(spec.id) == origins.get(spec.id);
        let before = self.previous.counters.get(spec.id);
        let (now, before) = self.counters.get(spec.id).zip(before)?;
        same.then(|| now.saturating_sub(*before))
    }
}
