//! Series for a report: at the recorded resolution, or coarser to limit their size.

use std::collections::BTreeMap;

use crate::reading::buckets::BUCKET_MS;

/// Length of a bucket in microseconds.
pub const BUCKET_US: f64 = BUCKET_MS * 1e3;

/// A time in microseconds, relative to the report's origin.
pub type Micros = i64;

/// The greatest distance from the origin: 36,000 years, so that differences do not overflow.
pub const FARTHEST: Micros = 1 << 60;

/// Counts by bucket, without empty buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cells {
    /// The start of the first bucket that was added, which is in cell 0.
    phase: Option<Micros>,
    /// The events of each cell, and those of its busiest bucket, by number of the cell.
    cells: BTreeMap<i64, (u64, u64)>,
    /// The length of a cell is two to this power, in buckets.
    doublings: u32,
}

impl Cells {
    /// Adds the events of the bucket that starts at `start`.
    pub fn add(&mut self, start: Micros, count: u64, limit: usize) {
        if count == 0 {
            return;
        }
        // Recorded times are rounded to microseconds, and clocks are slewed: use the nearest bucket.
        let start = start.clamp(-FARTHEST, FARTHEST);
        let phase = *self.phase.get_or_insert(start);
        let bucket = ((start - phase) as f64 / BUCKET_US).round() as i64;
        let cell = self.cells.entry(bucket >> self.doublings).or_default();
        cell.0 = cell.0.saturating_add(count);
        // Late counts add to a bucket that exists already.
        cell.1 = if self.doublings == 0 {
            cell.0
        } else {
            cell.1.max(count)
        };
        // Cells before cell 0 are never merged with it, however long they get.
        while self.cells.len() > limit.max(2) {
            self.coarsen();
        }
    }

    /// Merges pairs of cells.
    pub fn coarsen(&mut self) {
        self.doublings += 1;
        for (cell, (sum, max)) in std::mem::take(&mut self.cells) {
            let into = self.cells.entry(cell >> 1).or_default();
            into.0 = into.0.saturating_add(sum);
            into.1 = into.1.max(max);
        }
    }

    /// The number of cells that are not empty.
    #[must_use]
    pub fn len(&self) -> usize {
        self.cells.len()
    }

    /// Whether there are no events.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// The length of a cell.
    #[must_use]
    pub fn width_us(&self) -> f64 {
        BUCKET_US * (1_u64 << self.doublings.min(62)) as f64
    }

    /// The start of cell 0.
    #[must_use]
    pub fn phase(&self) -> Micros {
        self.phase.unwrap_or_default()
    }

    /// The start of a cell.
    fn start(&self, cell: i64) -> f64 {
        self.phase() as f64 + cell as f64 * self.width_us()
    }

    /// The cells in order: number, events, events of the busiest bucket.
    pub fn iter(&self) -> impl Iterator<Item = (i64, u64, u64)> {
        self.cells
            .iter()
            .map(|(cell, (sum, max))| (*cell, *sum, *max))
    }

    /// The busiest bucket: the start of its cell, and its events per second.
    #[must_use]
    pub fn busiest(&self) -> Option<(Micros, f64)> {
        let (cell, _, max) = self.iter().max_by_key(|(cell, _, max)| (*max, -cell))?;
        let at = self.start(cell).round() as Micros;
        Some((at, max as f64 * 1e6 / BUCKET_US))
    }

    /// The number of all events.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.cells
            .values()
            .fold(0, |total, (sum, _)| total.saturating_add(*sum))
    }
}

/// A value over a time span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesStep {
    /// The start.
    pub from: Micros,
    /// The end.
    pub to: Micros,
    /// The average value.
    pub mean: f64,
    /// The greatest value.
    pub max: f64,
}

/// A value by interval. There is no step where it is unavailable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Steps {
    steps: Vec<SeriesStep>,
}

/// Whether a step starts where another one ended, within the accuracy of clocks.
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
        // When there is a gap after nearly every step, some gaps are bridged to limit the size.
        if self.steps.len() > limit {
            self.join(|_, _| true);
        }
    }

    /// Merges pairs of adjacent steps.
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

    /// The greatest value, and the end of its step.
    #[must_use]
    pub fn greatest(&self) -> Option<(Micros, f64)> {
        let first_greatest =
            |a: &SeriesStep, b: &SeriesStep| a.max.total_cmp(&b.max).then(b.to.cmp(&a.to));
        let step = self.steps.iter().copied().max_by(first_greatest)?;
        Some((step.to, step.max))
    }

    /// The total length of all steps.
    #[must_use]
    pub fn time(&self) -> Micros {
        let lengths = self.steps.iter().map(|step| step.to - step.from);
        lengths.fold(0, Micros::saturating_add)
    }

    /// The time spans without gaps.
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

    /// The mean over all steps.
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
        fn any_series_is_bounded(
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
    fn a_bucket_keeps_its_time() {
        let mut cells = Cells::default();
        cells.add(104_858, 7, 10);
        assert_eq!(cells.iter().collect::<Vec<_>>(), [(0, 7, 7)]);
        assert_eq!(cells.busiest(), Some((104_858, 7.0 * 1e6 / BUCKET_US)));
        // The second bucket after that one, its start rounded to microseconds.
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
