//! Reads the eBPF programs' histograms of durations through shared memory.

use std::{io, os::fd::AsFd};

use conntrack_ebpf::{
    cells::cell_index,
    loglinear::{Histogram, LifetimeCell},
};

use super::view::MapView;
use crate::reading::{
    duration_histogram::DurationHistogram,
    durations::{Durations, LifetimeCounts},
};

/// The maps of histograms; `None` for what is not measured.
pub struct DurationMaps {
    /// Number of CPU ids.
    cpus: u32,
    /// Number of slots, from the first, that have histograms.
    slots: u32,
    lived: Option<MapView<LifetimeCell>>,
    confirm: Option<MapView<Histogram>>,
    early_drop: Option<MapView<Histogram>>,
}

impl DurationMaps {
    /// No maps yet, of histograms for as many CPU ids and slots.
    #[must_use]
    pub fn none(cpus: u32, slots: u32) -> Self {
        Self {
            cpus,
            slots,
            lived: None,
            confirm: None,
            early_drop: None,
        }
    }

    /// Maps the lifetimes of connections into memory. The descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn add_lifetimes(&mut self, lived: impl AsFd) -> io::Result<()> {
        self.lived = Some(MapView::new(lived, self.elements())?);
        Ok(())
    }

    /// Maps the latencies of functions into memory. The descriptors may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn add_latency(&mut self, confirm: impl AsFd, early_drop: impl AsFd) -> io::Result<()> {
        let cells = self.elements();
        self.confirm = Some(MapView::new(confirm, cells)?);
        self.early_drop = Some(MapView::new(early_drop, cells)?);
        Ok(())
    }

    fn elements(&self) -> usize {
        self.cpus as usize * self.slots as usize
    }

    /// What was counted for an instance, summed over CPUs; `None` if its slot has no histograms.
    #[must_use]
    pub fn read(&self, slot: u32) -> Option<Durations> {
        (slot < self.slots).then(|| Durations {
            lifetimes: self.lived.as_ref().map(|view| self.lifetimes(view, slot)),
            confirm: self.confirm.as_ref().map(|view| self.histogram(view, slot)),
            early_drop: self
                .early_drop
                .as_ref()
                .map(|view| self.histogram(view, slot)),
        })
    }

    fn lifetimes(&self, view: &MapView<LifetimeCell>, slot: u32) -> LifetimeCounts {
        let mut sum = LifetimeCounts::default();
        for cell in self.cells(slot) {
            let Some(lived) = view.element(cell) else {
                continue;
            };
            // SAFETY: within the mapping, at an initialised LifetimeCell. Volatile because the programs
            // write meanwhile; it is one aligned u64.
            unsafe {
                add(&mut sum.histogram, &raw const (*lived.as_ptr()).counts);
                sum.unknown += (&raw const (*lived.as_ptr()).unknown).read_volatile();
            }
        }
        sum
    }

    fn histogram(&self, view: &MapView<Histogram>, slot: u32) -> DurationHistogram {
        let mut sum = DurationHistogram::default();
        for cell in self.cells(slot) {
            if let Some(histogram) = view.element(cell) {
                // SAFETY: within the mapping, at an initialised histogram.
                unsafe { add(&mut sum, histogram.as_ptr()) };
            }
        }
        sum
    }

    /// Indices of the cells of an instance, one per CPU id.
    fn cells(&self, slot: u32) -> impl Iterator<Item = usize> + use<> {
        let cpus = self.cpus;
        (0..cpus).map(move |cpu| cell_index(slot, cpu, cpus) as usize)
    }
}

/// Adds the counts of a mapped histogram.
///
/// # Safety
///
/// `histogram` must point to an initialised histogram, which programs may be writing to.
unsafe fn add(sum: &mut DurationHistogram, histogram: *const Histogram) {
    let counts = histogram.cast::<u64>();
    for (bucket, sum) in sum.counts.iter_mut().enumerate() {
        // SAFETY: `DurationHistogram` has as many counts as a histogram has. Volatile because programs write
        // meanwhile; each is one aligned u64.
        *sum += unsafe { counts.add(bucket).read_volatile() };
    }
}
