//! The buckets of one counter, settled and put into the cells they start in.

use super::step::GridStep;
use crate::{
    model::rates::{series::Series, settling::Settling},
    reading::buckets::{BUCKET_SECONDS, Epoch, WallGrid},
};

/// The buckets of one counter. They are numbered on a [`WallGrid`].
#[derive(Debug)]
pub(super) struct CellTrack {
    settling: Settling,
    /// The next bucket to settle.
    next: i64,
    /// Events up to it since the start of the run.
    sum: u64,
    /// The most events in a bucket of the cell that is open.
    most: u64,
    /// Whether that cell was seen from its first bucket on.
    whole: bool,
    /// Its end, in nanoseconds since 1970.
    end: i64,
}

/// What is known of a cell that is over, and all buckets of which have settled.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct ClosedCell {
    /// Its end, in nanoseconds since 1970.
    pub(super) end: i64,
    /// Events up to its end.
    pub(super) sum: u64,
    /// Events per second in its busiest bucket; `None` if it was not seen whole.
    pub(super) peak: Option<f64>,
}

impl CellTrack {
    /// Starts at a bucket, before which there were so many events.
    pub(super) fn from(first: i64, sum: u64, grid: &WallGrid, step: GridStep) -> Self {
        let mut track = Self {
            settling: Settling::from(epoch(first)),
            next: first,
            sum,
            most: 0,
            whole: false,
            end: 0,
        };
        track.open(grid, step);
        track
    }

    /// The bucket after the last one that was added.
    pub(super) fn end(&self) -> i64 {
        i64::try_from(self.settling.end()).unwrap_or(i64::MAX)
    }

    /// Events up to the end of what was added.
    pub(super) fn total(&self) -> u64 {
        let pending = self.settling.pending();
        pending.fold(self.sum, u64::saturating_add)
    }

    /// Adds the counts of an interval, from bucket `start` on, which ends before bucket `end`.
    pub(super) fn take(
        &mut self,
        (start, counts): (i64, &[u64]),
        end: i64,
        (grid, step): (&WallGrid, GridStep),
        closed: &mut Vec<ClosedCell>,
    ) {
        let series = Series {
            start: epoch(start),
            counts: counts.to_vec(),
        };
        let settled = self.settling.take(&series, epoch(end));
        self.settle(&settled, grid, step, closed);
    }

    /// Skips to a bucket: those before it were lost. There were so many events before it.
    pub(super) fn resume_at(
        &mut self,
        first: i64,
        sum: u64,
        (grid, step): (&WallGrid, GridStep),
        closed: &mut Vec<ClosedCell>,
    ) {
        let rest = self.settling.flush(epoch(first));
        self.settle(&rest, grid, step, closed);
        self.next = first;
        self.sum = self.sum.max(sum);
        self.open(grid, step);
    }

    /// Takes what has not settled for what it is.
    pub(super) fn flush(&mut self, grid: &WallGrid, step: GridStep, closed: &mut Vec<ClosedCell>) {
        let end = self.settling.end();
        let rest = self.settling.flush(end);
        self.settle(&rest, grid, step, closed);
    }

    fn open(&mut self, grid: &WallGrid, step: GridStep) {
        self.end = step.end_of(grid.start_of(self.next));
        self.whole = grid.first_in(self.end - step.nanos()) >= self.next;
        self.most = 0;
    }

    fn settle(
        &mut self,
        counts: &[u64],
        grid: &WallGrid,
        step: GridStep,
        closed: &mut Vec<ClosedCell>,
    ) {
        for &count in counts {
            self.sum = self.sum.saturating_add(count);
            self.most = self.most.max(count);
            self.next += 1;
            // Closed by the start of the next bucket: one that straddles the cell's end is in it.
            while self.end <= grid.start_of(self.next) {
                let peak = self.most as f64 / BUCKET_SECONDS;
                closed.push(ClosedCell {
                    end: self.end,
                    sum: self.sum,
                    peak: self.whole.then_some(peak),
                });
                (self.most, self.whole) = (0, true);
                self.end += step.nanos();
            }
        }
    }
}

/// Numbers of buckets since 1970 are positive.
fn epoch(bucket: i64) -> Epoch {
    Epoch::try_from(bucket).unwrap_or_default()
}
