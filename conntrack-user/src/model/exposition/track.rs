//! The buckets of one counter: settled, and put into the windows they start in and into the histogram of all.

use super::{
    histogram::PowerHistogram,
    windows::{PerWindow, WINDOWS, WindowSpec},
};
use crate::{
    model::{
        rates::{percentiles::BucketHistogram, series::Series, settling::Settling},
        record::Percentiles,
    },
    reading::buckets::{Epoch, WallGrid},
};

/// The buckets of one counter. They are numbered on a [`WallGrid`].
#[derive(Debug)]
pub(super) struct Track {
    settling: Settling,
    /// The next bucket to settle.
    next: i64,
    /// The bucket since which none was lost.
    since: i64,
    open: PerWindow<Option<OpenWindow>>,
}

/// A window that is not over.
#[derive(Debug)]
struct OpenWindow {
    /// Its end on the wall clock, in nanoseconds since 1970.
    end: i64,
    /// The first bucket of it that was seen.
    first: i64,
    buckets: BucketHistogram,
}

/// What has settled goes here.
pub(super) struct Settled<'a> {
    /// The distribution of the per-bucket rate in the last complete window of each length.
    pub(super) complete: &'a mut PerWindow<Option<Percentiles>>,
    pub(super) histogram: &'a mut PowerHistogram,
}

impl Track {
    /// Starts at a bucket.
    pub(super) fn from(first: i64) -> Self {
        Self {
            settling: Settling::from(epoch(first)),
            next: first,
            since: first,
            open: Default::default(),
        }
    }

    /// The bucket after the last one that was added.
    pub(super) fn end(&self) -> i64 {
        number(self.settling.end())
    }

    /// Adds the counts of an interval, from bucket `start` on, which ends before bucket `end`.
    pub(super) fn take(
        &mut self,
        (start, counts): (i64, &[u64]),
        end: i64,
        grid: &WallGrid,
        to: &mut Settled<'_>,
    ) {
        let series = Series {
            start: epoch(start),
            counts: counts.to_vec(),
        };
        let settled = self.settling.take(&series, epoch(end));
        self.settle(&settled, grid, to);
    }

    /// Skips to a bucket: those before it were lost. Windows that had them are not complete.
    pub(super) fn resume_at(&mut self, first: i64, grid: &WallGrid, to: &mut Settled<'_>) {
        let rest = self.settling.flush(epoch(first));
        self.settle(&rest, grid, to);
        (self.next, self.since) = (first, first);
        self.open = Default::default();
    }

    fn settle(&mut self, counts: &[u64], grid: &WallGrid, to: &mut Settled<'_>) {
        for &count in counts {
            to.histogram.record(count);
        }
        let first = self.next;
        self.next += counts.len() as i64;
        for ((spec, open), complete) in WINDOWS.iter().zip(&mut self.open).zip(&mut *to.complete) {
            let (mut at, mut rest) = (first, counts);
            while !rest.is_empty() {
                let window = open.get_or_insert_with(|| OpenWindow::at(at, spec, grid));
                let after = grid.first_in(window.end);
                let here = usize::try_from(after - at)
                    .unwrap_or_default()
                    .min(rest.len());
                let (in_window, later) = rest.split_at(here);
                window.add(in_window);
                (at, rest) = (at + here as i64, later);
                if at >= after {
                    let whole = window.starts_at(grid, spec) && self.since <= window.first;
                    *complete = whole.then(|| window.buckets.percentiles()).flatten();
                    *open = None;
                }
            }
        }
    }
}

impl OpenWindow {
    /// The window of a bucket.
    fn at(bucket: i64, spec: &WindowSpec, grid: &WallGrid) -> Self {
        Self {
            end: spec.end_of(grid.start_of(bucket)),
            first: bucket,
            buckets: BucketHistogram::default(),
        }
    }

    fn add(&mut self, counts: &[u64]) {
        let busy = counts.iter().filter(|&&count| count > 0);
        let empty = counts.len() - busy.clone().count();
        busy.for_each(|&count| self.buckets.record(count));
        self.buckets.record_empty(empty as u64);
    }

    /// Whether it was seen from its first bucket on.
    fn starts_at(&self, grid: &WallGrid, spec: &WindowSpec) -> bool {
        // The grid may have moved by a bucket's fraction since.
        self.first <= grid.first_in(self.end - spec.length) + 1
    }
}

/// Numbers of buckets since 1970 are positive.
fn epoch(bucket: i64) -> Epoch {
    Epoch::try_from(bucket).unwrap_or_default()
}

fn number(epoch: Epoch) -> i64 {
    i64::try_from(epoch).unwrap_or(i64::MAX)
}
