//! Series for a report: as fine as they were recorded, or coarser where that would be too much.

use std::collections::BTreeMap;

use crate::reading::buckets::BUCKET_MS;

/// Length of a bucket in microseconds.
pub const BUCKET_US: f64 = BUCKET_MS * 1e3;

/// A moment in microseconds since the report's origin.
pub type Micros = i64;

/// What a column of a plot shows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Column {
    /// The average over the column.
    pub mean: f64,
    /// The greatest value in it.
    pub max: f64,
}

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
        let phase = *self.phase.get_or_insert(start);
        let bucket = ((start - phase) as f64 / BUCKET_US).round() as i64;
        let cell = self.cells.entry(bucket >> self.doublings).or_default();
        cell.0 += count;
        // What comes late adds to a bucket that was told of before.
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
            into.0 += sum;
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
        self.cells.values().map(|(sum, _)| sum).sum()
    }

    /// The events per second in `count` columns of equal length.
    #[must_use]
    pub fn columns(&self, from: Micros, to: Micros, count: usize) -> Vec<Column> {
        let mut columns = vec![Column::default(); count];
        let length = (to - from) as f64 / count as f64;
        let width = self.width_us();
        for (cell, sum, max) in self.iter() {
            let begin = (self.start(cell) - from as f64) / length;
            let end = begin + width / length;
            let rate = max as f64 * 1e6 / BUCKET_US;
            let first = begin.floor().max(0.0) as usize;
            let last = end.ceil().clamp(0.0, count as f64) as usize;
            for (i, column) in columns.iter_mut().enumerate().take(last).skip(first) {
                let share = (end.min(i as f64 + 1.0) - begin.max(i as f64)).max(0.0);
                if share > 0.0 {
                    column.mean += sum as f64 * share / (end - begin) * 1e6 / length;
                    column.max = column.max.max(rate);
                }
            }
        }
        columns
    }
}

/// A value that held over a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
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
    steps: Vec<Step>,
}

/// Whether a step begins where another ended, give or take what clocks are apart.
fn follows(end: Micros, step: &Step) -> bool {
    step.from - end <= (step.to - step.from) / 2
}

impl Steps {
    /// Adds the value of an interval.
    pub fn add(&mut self, from: Micros, to: Micros, value: f64, limit: usize) {
        self.steps.push(Step {
            from,
            to,
            mean: value,
            max: value,
        });
        if self.steps.len() > limit {
            self.coarsen();
        }
    }

    /// Joins each two that follow each other.
    pub fn coarsen(&mut self) {
        let joined = self.steps.chunks(2).flat_map(|pair| match *pair {
            [a, b] if follows(a.to, &b) => {
                let (long, short) = ((a.to - a.from) as f64, (b.to - b.from) as f64);
                vec![Step {
                    from: a.from,
                    to: b.to,
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
    pub fn as_slice(&self) -> &[Step] {
        &self.steps
    }

    /// The greatest value and when its step ends.
    #[must_use]
    pub fn greatest(&self) -> Option<(Micros, f64)> {
        let first_greatest = |a: &Step, b: &Step| a.max.total_cmp(&b.max).then(b.to.cmp(&a.to));
        let step = self.steps.iter().copied().max_by(first_greatest)?;
        Some((step.to, step.max))
    }

    /// All the time there is a value for.
    #[must_use]
    pub fn time(&self) -> Micros {
        self.steps.iter().map(|step| step.to - step.from).sum()
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
        let length = |step: &Step| (step.to - step.from) as f64;
        let time: f64 = self.steps.iter().map(length).sum();
        let sum: f64 = self.steps.iter().map(|step| step.mean * length(step)).sum();
        (time > 0.0).then(|| sum / time)
    }

    /// The value in `count` columns of equal length; `None` where there is none.
    #[must_use]
    pub fn columns(&self, from: Micros, to: Micros, count: usize) -> Vec<Option<Column>> {
        let length = (to - from) as f64 / count as f64;
        let mut weights = vec![0.0; count];
        let mut columns = vec![None::<Column>; count];
        for step in &self.steps {
            let begin = (step.from - from) as f64 / length;
            let end = (step.to - from) as f64 / length;
            let first = begin.floor().max(0.0) as usize;
            let last = end.ceil().clamp(0.0, count as f64) as usize;
            for i in first..last {
                let share = end.min(i as f64 + 1.0) - begin.max(i as f64);
                if share > 0.0 {
                    let column = columns[i].get_or_insert_default();
                    weights[i] += share;
                    column.mean += (step.mean - column.mean) * share / weights[i];
                    column.max = column.max.max(step.max);
                }
            }
        }
        columns
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
        fn columns_hold_what_cells_hold(
            events in prop::collection::vec((0..1000_i64, 1..1000_u64), 1..100),
            count in 1..300_usize,
        ) {
            let mut cells = Cells::default();
            let mut busiest = BTreeMap::<i64, u64>::new();
            for (bucket, n) in events {
                cells.add((bucket as f64 * BUCKET_US) as i64, n, usize::MAX);
                *busiest.entry(bucket).or_default() += n;
            }
            let (from, to) = (-1000, (1001.0 * BUCKET_US).ceil() as i64 + 1000);
            let columns = cells.columns(from, to, count);
            let seconds = (to - from) as f64 / 1e6 / count as f64;
            let sum: f64 = columns.iter().map(|column| column.mean * seconds).sum();
            prop_assert!((sum - cells.total() as f64).abs() < 1e-6 * sum);
            let max = columns.iter().map(|column| column.max).fold(0.0, f64::max);
            prop_assert_eq!(Some(max), cells.busiest().map(|(_, rate)| rate));
            prop_assert_eq!(max, *busiest.values().max().unwrap() as f64 * 1e6 / BUCKET_US);
        }
    }

    #[test]
    fn a_bucket_stands_where_it_was() {
        let mut cells = Cells::default();
        cells.add(104_858, 7, 10);
        let columns = cells.columns(0, 1_048_576, 1000);
        // All but what rounding to microseconds puts into the next column.
        let seconds = BUCKET_US / 1e6;
        assert!(
            (columns[100].mean * seconds - 7.0).abs() < 0.01,
            "{:?}",
            columns[100]
        );
        assert_eq!(columns[99], Column::default());
        assert_eq!(cells.busiest(), Some((104_858, 7.0 * 1e6 / BUCKET_US)));
    }

    #[test]
    fn steps_leave_gaps() {
        let mut steps = Steps::default();
        steps.add(0, 100, 4.0, 10);
        steps.add(300, 400, 8.0, 10);
        let means: Vec<_> = steps
            .columns(0, 400, 4)
            .into_iter()
            .map(|column| column.map(|column| column.mean))
            .collect();
        assert_eq!(means, [Some(4.0), None, None, Some(8.0)]);
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
