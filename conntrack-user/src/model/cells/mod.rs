//! Values at the points of a fixed grid of the wall clock, for systems that store samples: of each instance the entries, the limit
//! and the totals at the end of each cell, and the busiest bucket within it.
//!
//! Made of records alone. Each series has each cell at most once, with the value that it keeps: what was read twice for one cell, or
//! belongs to a cell of before a restart, is left out. What is not known at the end of a cell is absent.

mod instance;
mod step;
mod track;

use self::instance::CellTracks;
pub use self::step::GridStep;
use crate::{
    model::{
        kernel::counters::Counter,
        record::{Hello, Record},
    },
    text::Text,
};

/// What has a value in each cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GridMetric {
    /// Entries in the table.
    Entries,
    /// The limit on entries.
    Limit,
    /// A counter's total since the start of the run, of the kernel's own counter.
    KernelTotal(Counter),
    /// The same, of a program's.
    ProbeTotal(Counter),
    /// Events per second in the busiest bucket that starts in the cell.
    Peak(Counter),
}

/// Some values at the end of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct GridCell {
    /// The cell's end, in milliseconds since 1970.
    pub end_ms: i64,
    pub values: Vec<(GridMetric, f64)>,
}

/// Cells of one instance, in the order of time.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceCells {
    pub instance: Text,
    pub cells: Vec<GridCell>,
}

/// Makes cells of records.
#[derive(Debug)]
pub struct GridFeed {
    step: GridStep,
    instances: Vec<CellTracks>,
    /// The end of the latest cell there was, in nanoseconds since 1970: what starts anew has none up to it.
    latest: i64,
    /// How far the wall clock is behind that, in nanoseconds.
    behind: i64,
}

impl GridFeed {
    /// Starts after a cell, by its end in milliseconds since 1970: that of an earlier run.
    #[must_use]
    pub fn after(step: GridStep, end_ms: Option<i64>) -> Self {
        let latest = end_ms.map_or(i64::MIN, |end| end.saturating_mul(1_000_000));
        Self {
            step,
            instances: Vec::new(),
            latest,
            behind: 0,
        }
    }

    /// Takes a record; returns the values that it makes known.
    pub fn take(&mut self, record: &Record) -> Vec<InstanceCells> {
        match record {
            Record::Hello(hello) => self.follow(hello),
            Record::Summary(_) => self.end_all(),
            Record::Sample(sample) => {
                let step = self.step;
                let mut instances = self.instances.iter_mut();
                let Some(tracks) = instances.find(|i| *i.name() == sample.instance) else {
                    return Vec::new();
                };
                let cells = tracks.take_sample(sample, step);
                self.behind = tracks.behind(sample, step);
                self.noted(cells).into_iter().collect()
            }
            Record::Crosscheck(found) => {
                let mut instances = self.instances.iter_mut();
                if let Some(tracks) = instances.find(|i| *i.name() == found.instance) {
                    tracks.take_checks(found);
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }

    /// How many seconds the wall clock is behind the latest cell. Until it has caught up there are none.
    #[must_use]
    pub fn seconds_behind(&self) -> u64 {
        u64::try_from(self.behind).unwrap_or_default() / 1_000_000_000
    }

    fn follow(&mut self, hello: &Hello) -> Vec<InstanceCells> {
        let mut before = std::mem::take(&mut self.instances);
        let latest = self.latest;
        self.instances = hello
            .instances
            .iter()
            .map(|of| {
                let known = before.iter().position(|i| *i.name() == of.name);
                known.map_or_else(
                    || CellTracks::new(&of.name, latest),
                    |at| before.swap_remove(at),
                )
            })
            .collect();
        self.ends(before)
    }

    fn end_all(&mut self) -> Vec<InstanceCells> {
        let all = std::mem::take(&mut self.instances);
        self.ends(all)
    }

    fn ends(&mut self, instances: Vec<CellTracks>) -> Vec<InstanceCells> {
        let step = self.step;
        let ends = instances.into_iter().map(|mut tracks| tracks.end(step));
        let ends: Vec<InstanceCells> = ends.collect();
        ends.into_iter()
            .filter_map(|cells| self.noted(cells))
            .collect()
    }

    fn noted(&mut self, cells: InstanceCells) -> Option<InstanceCells> {
        let end = cells.cells.last()?.end_ms;
        self.latest = self.latest.max(end.saturating_mul(1_000_000));
        Some(cells)
    }
}

#[cfg(test)]
mod tests;
