//! Series for a report: as fine as they were recorded, or coarser where that would be too much.

use std::collections::BTreeMap;

use crate::reading::buckets::BUCKET_MS;

/// Length of a bucket in microseconds.
pub const BUCKET_US: f64 = BUCKET_MS * 1e3;

/// A moment in microseconds since the report's origin.
pub type Micros = i64;

/// Moments lie within 36,000 years of the origin: differences of two stay within their type.
pub const FARTHEST: Micros = 1 << 60;

/// Events by time: buckets, without those that are empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// When the first bucket that was added begins: cells are numbered from there.
    phase: Option<Micros>,
    /// By number of the cell: events, and those of its busiest bucket.
    cells: BTreeMap<i64, (u64, u64)>,
    /// A cell is 2^this buckets long.
    doublings: u32,
}

impl Cells {
    /// Adds the events of the bucket that begins at `start`.
    pub fn add(&mut self, start: Micros, count: u64, limit: usize) {
        if count == 0 {
            return;
        }
        // Recorded starts are rounded to microseconds, and clocks are trimmed: the nearest one.
        let start = start.clamp(-FARTHEST, FARTHEST);
        let phase = *self.phase.get_or_insert(start);
        let bucket = ((start - phase) as f64 / BUCKET_US).round() as i64;
        let cell = self.cells.entry(bucket >> self.doublings).or_default();
        cell.0 = cell.0.saturating_add(count);
        // What comes late adds to a bucket that was there before.
        cell.1 = if self.doublings == 0 {
            cell.0
        } else {
            cell.1.max(count)
        };
        // What lies before cell 0 never joins it, however long cells get.
        while self.cells.len() > limit.max(2) {
            self.coarsen();
        }
    }

    /// Makes cells twice as long.
    pub fn coarsen(&mut self) {
        self.doublings += 1;
        for (cell, (sum, max)) in std::mem::take(&mut self.cells) {
            let into = self.cells.entry(cell >> 1).or_default();
            into.0 = into.0.saturating_add(sum);
            into.1 = into.1.max(max);
        }
    }

    /// Number of cells that are not empty.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Length of a cell.
    #[must_use]
    pub fn width_us(&self) -> f64 {
        BUCKET_US * (1_u64 << self.doublings.min(62)) as f64
    }

    /// When cell 0 begins.
    #[must_use]
    pub fn phase(&self) -> Micros {
        self.phase.unwrap_or_default()
    }

    /// When a cell begins.
    fn start(&self, cell: i64) -> f64 {
        self.phase() as f64 + cell as f64 * self.width_us()
    }

    /// The cells in order: number, events, events of the busiest bucket.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64, u64)> {
        self.cells
            .iter()
            .map(|(cell, (sum, max))| (*cell, *sum, *max))
    }

    /// The busiest bucket: when its cell begins, and its events per second.
    #[must_use]
    pub fn busiest(&self) -> Option<(Micros, f64)> {
        let (cell, _, max) = self.iter().max_by_key(|(cell, _, max)| (*max, -cell))?;
        let at = self.start(cell).round() as Micros;
        Some((at, max as f64 * 1e6 / BUCKET_US))
    }

    /// All events.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells
            .values()
            .fold(0, |total, (sum, _)| total.saturating_add(*sum))
    }
}

/// A value that held over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesStep {
    /// From here,
    pub from: Micros,
    /// to here
    pub to: Micros,
    /// on average.
    pub mean: f64,
    /// Its greatest value.
    pub max: f64,
}

/// A value over time, interval by interval; where it is unavailable there is no step.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    steps: Vec<SeriesStep>,
}

/// Whether a step begins where another ended, give or take what clocks are apart.
fn follows(end: Micros, step: &SeriesStep) -> bool {
    step.from - end <= (step.to - step.from) / 2
}

impl Steps {
    /// Adds the value of an interval.
    pub fn add(&mut self, from: Micros, to: Micros, value: f64, limit: usize) {
        self.steps.push(SeriesStep {
            from,
            to,
            mean: value,
            max: value,
        });
        if self.steps.len() > limit {
            self.coarsen();
        }
        // A gap after nearly every step: some are bridged, or there would be no end of them.
        if self.steps.len() > limit {
            self.join(|_, _| true);
        }
    }

    /// Joins each two that follow each other.
    pub fn coarsen(&mut self) {
        self.join(|a, b| follows(a.to, b));
    }

    fn join(&mut self, may: impl Fn(&SeriesStep, &SeriesStep) -> bool) {
        let joined = self.steps.chunks(2).flat_map(|pair| match *pair {
            [a, b] if may(&a, &b) => {
                let (long, short) = ((a.to - a.from) as f64, (b.to - b.from) as f64);
                vec![SeriesStep {
                    from: a.from.min(b.from),
                    to: a.to.max(b.to),
                    mean: (a.mean * long + b.mean * short) / (long + short).max(1.0),
                    max: a.max.max(b.max),
                }]
            }
            _ => pair.to_vec(),
        });
        self.steps = joined.collect();
    }

    /// The steps in order.
    #[must_use]
    pub fn as_slice(&self) -> &[SeriesStep] {
        &self.steps
    }

    /// The greatest value and when its step ends.
    #[must_use]
    pub fn greatest(&self) -> Option<(Micros, f64)> {
        let first_greatest =
            |a: &SeriesStep, b: &SeriesStep| a.max.total_cmp(&b.max).then(b.to.cmp(&a.to));
        let step = self.steps.iter().copied().max_by(first_greatest)?;
        Some((step.to, step.max))
    }

    /// All the time there is a value for.
    #[must_use]
    pub fn time(&self) -> Micros {
        let lengths = self.steps.iter().map(|step| step.to - step.from);
        lengths.fold(0, Micros::saturating_add)
    }

    /// The spans without a gap in them.
    #[must_use]
    pub fn spans(&self) -> Vec<(Micros, Micros)> {
        let mut spans: Vec<(Micros, Micros)> = Vec::new();
        for step in &self.steps {
            match spans.last_mut() {
                Some(last) if follows(last.1, step) => last.1 = step.to,
                _ => spans.push((step.from, step.to)),
            }
        }
        spans
    }

    /// The average over all time there is a value for.
    #[must_use]
    pub fn mean(&self) -> Option<f64> {
        let length = |step: &SeriesStep| (step.to - step.from) as f64;
        let time: f64 = self.steps.iter().map(length).sum();
        let sum: f64 = self.steps.iter().map(|step| step.mean * length(step)).sum();
        (time > 0.0).then(|| sum / time)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_event_is_lost_however_coarse(
            events in prop::collection::vec((0..5_000_000_i64, 0..1000_u64), 0..200),
            limit in 1..50_usize,
        ) {
            let mut cells = Cells::default();
            let mut total = 0;
            for (start, count) in events {
                cells.add(start, count, limit);
                total += count;
            }
            prop_assert!(cells.len() <= limit.max(2));
            prop_assert_eq!(cells.total(), total);
        }

        #[test]
        fn series_of_anything_are_bounded(
            steps in prop::collection::vec((-FARTHEST..FARTHEST, 0..1_i64 << 50, -1e300..1e300_f64), 0..200),
            cells in prop::collection::vec((any::<i64>(), any::<u64>()), 0..200),
            limit in 1..20_usize,
        ) {
            let mut series = Steps::default();
            for (from, length, value) in steps {
                series.add(from, from + length, value, limit);
                prop_assert!(series.as_slice().len() <= limit.max(1));
            }
            let _ = series.greatest();
            let _ = series.mean();
            let mut series = Cells::default();
            for (start, count) in cells {
                series.add(start, count, limit);
                prop_assert!(series.len() <= limit.max(2));
            }
            let _ = series.busiest();
        }
    }

    #[test]
    fn a_bucket_stands_where_it_was() {
        let mut cells = Cells::default();
        cells.add(104_858, 7, 10);
        assert_eq!(cells.iter().collect::<Vec<_>>(), [(0, 7, 7)]);
        assert_eq!(cells.busiest(), Some((104_858, 7.0 * 1e6 / BUCKET_US)));
        // The second bucket after that, its start rounded to microseconds.
        cells.add(106_955, 3, 10);
        assert_eq!(cells.iter().collect::<Vec<_>>(), [(0, 7, 7), (2, 3, 3)]);
    }

    #[test]
    fn steps_leave_gaps() {
        let mut steps = Steps::default();
        steps.add(0, 100, 4.0, 10);
        steps.add(300, 400, 8.0, 10);
        assert_eq!(steps.greatest(), Some((400, 8.0)));
        assert_eq!(steps.mean(), Some(6.0));
        assert_eq!(
            (steps.time(), steps.spans()),
            (200, vec![(0, 100), (300, 400)])
        );
        steps.coarsen();
        assert_eq!(steps.as_slice().len(), 2, "a gap is not bridged");
    }
}
