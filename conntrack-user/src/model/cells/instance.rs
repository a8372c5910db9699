//! The cells of one instance.

use std::collections::BTreeMap;

use super::{
    GridCell, GridMetric, InstanceCells,
    step::GridStep,
    track::{CellTrack, ClosedCell},
};
use crate::{
    model::{
        kernel::{
            counters::{COUNTERS, Counter},
            per_counter::PerCounter,
        },
        record::{Buckets, Check, Crosscheck, Sample, SourceKind, derived::source_by_checks},
    },
    reading::buckets::{MOST_BUCKETS, WallGrid},
    text::Text,
};

/// How much before the end of a cell a reading may be and still be of it: the two clocks drift apart while the run waits.
const EARLY: i64 = 1_000_000;

/// One instance: what is not complete yet.
#[derive(Debug)]
pub(super) struct CellTracks {
    name: Text,
    grid: WallGrid,
    tracks: PerCounter<CellTrack>,
    /// Totals by buckets where they stopped being known.
    totals: PerCounter<u64>,
    /// The last checks.
    checks: Vec<Check>,
    /// The time of the last sample, in nanoseconds since 1970.
    last: Option<i64>,
    /// The end of the last cell of what is read, and of each counter's total by probes.
    read: i64,
    closed: PerCounter<i64>,
    /// There is none up to this end.
    after: i64,
}

type CellsByEnd = BTreeMap<i64, Vec<(GridMetric, f64)>>;

impl CellTracks {
    /// There will be no cell up to this end, in nanoseconds since 1970.
    pub(super) fn new(name: &Text, after: i64) -> Self {
        Self {
            name: name.clone(),
            grid: WallGrid::default(),
            tracks: PerCounter::default(),
            totals: PerCounter::default(),
            checks: Vec::new(),
            last: None,
            read: i64::MIN,
            closed: PerCounter::default(),
            after,
        }
    }

    pub(super) fn name(&self) -> &Text {
        &self.name
    }

    /// How far a sample is before the last cell there was.
    pub(super) fn behind(&self, sample: &Sample, step: GridStep) -> i64 {
        let floor = self.after.max(self.read);
        floor
            .saturating_sub(step.last_over(sample.time.nanos() + EARLY))
            .max(0)
    }

    pub(super) fn take_checks(&mut self, found: &Crosscheck) {
        self.checks.clone_from(&found.checks);
    }

    pub(super) fn take_sample(&mut self, sample: &Sample, step: GridStep) -> InstanceCells {
        let time = sample.time.nanos();
        let mut cells = CellsByEnd::new();
        let last = self.last.replace(time);
        if last.is_some_and(|last| sample.clock_was_set(last)) {
            self.end_tracks(step, &mut cells);
            self.grid = WallGrid::default();
        }
        self.take_buckets(sample, last.is_none(), step, &mut cells);
        let end = step.last_over(time + EARLY);
        if end > self.read.max(self.after) {
            self.read = end;
            self.read_values(sample, end, cells.entry(end).or_default());
        }
        self.named(cells)
    }

    /// What is known when there will be no more samples.
    pub(super) fn end(&mut self, step: GridStep) -> InstanceCells {
        let mut cells = CellsByEnd::new();
        self.end_tracks(step, &mut cells);
        self.named(cells)
    }

    fn named(&self, cells: CellsByEnd) -> InstanceCells {
        let cells = cells.into_iter().filter(|(_, values)| !values.is_empty());
        InstanceCells {
            instance: self.name.clone(),
            cells: cells
                .map(|(end, values)| GridCell {
                    end_ms: end / 1_000_000,
                    values,
                })
                .collect(),
        }
    }

    /// What a reading says of the moment it was made at.
    fn read_values(&mut self, sample: &Sample, end: i64, values: &mut Vec<(GridMetric, f64)>) {
        values.extend(
            sample
                .entries
                .map(|entries| (GridMetric::Entries, entries as f64)),
        );
        let limit = sample.max.filter(|&max| max > 0);
        values.extend(limit.map(|limit| (GridMetric::Limit, limit as f64)));
        for (counter, &total) in sample.counters.iter() {
            if self.tracks.get(counter).is_some() || sample.is_rate_wrong(counter) {
                continue;
            }
            let source = sample.source(counter);
            let metric = match source.unwrap_or_else(|| source_by_checks(counter, &self.checks)) {
                SourceKind::Probe if self.claim(counter, end) => GridMetric::ProbeTotal(counter),
                SourceKind::Unavailable | SourceKind::Probe => continue,
                SourceKind::Proc => GridMetric::KernelTotal(counter),
            };
            values.push((metric, total as f64));
        }
    }

    fn take_buckets(
        &mut self,
        sample: &Sample,
        is_first: bool,
        step: GridStep,
        cells: &mut CellsByEnd,
    ) {
        let Some(buckets) = &sample.buckets else {
            self.end_tracks(step, cells);
            return;
        };
        if let Some((_, any)) = buckets.iter().next() {
            self.grid.align(any.start.nanos());
        }
        let grid = self.grid;
        let (span, lost) = (sample.span(), sample.buckets_lost());
        let first = grid.first_in(span.start) + lost;
        let end = grid.first_in(span.end);
        for spec in &COUNTERS {
            let right = buckets.get(spec.id);
            let right = right.filter(|_| sample.wrong.get(spec.id).is_none());
            let Some(series) = right else {
                self.stop(spec.id);
                continue;
            };
            let total = sample.counters.get(spec.id).copied();
            let before = total.unwrap_or_default().saturating_sub(sum(series));
            let known = self.totals.get(spec.id).copied();
            let track = self.tracks.get_or_insert_with(spec.id, || {
                let sum = match known {
                    Some(known) => known.max(before),
                    // A total has what is in buckets that are still open, too; those lost are in nothing else.
                    None if is_first && lost == 0 => 0,
                    None => before,
                };
                CellTrack::from(first, sum, &grid, step)
            });
            let mut closed = Vec::new();
            let at = grid.nearest(series.start.nanos());
            let after = at.saturating_add(series.counts.len() as i64);
            if end - track.end() > MOST_BUCKETS || after > end + MOST_BUCKETS {
                // The times do not fit together.
                self.stop(spec.id);
                continue;
            }
            if lost > 0 && track.end() < first {
                track.resume_at(first, before, (&grid, step), &mut closed);
            }
            track.take((at, &series.counts), end, (&grid, step), &mut closed);
            self.add(spec.id, &closed, cells);
        }
    }

    /// There are no buckets of a counter any more, or wrong ones.
    fn stop(&mut self, counter: Counter) {
        if let Some(track) = self.tracks.get(counter) {
            self.totals.set(counter, Some(track.total()));
            self.tracks.set(counter, None);
        }
    }

    /// Ends all tracks: what they have is all there is of that time.
    fn end_tracks(&mut self, step: GridStep, cells: &mut CellsByEnd) {
        let grid = self.grid;
        for spec in &COUNTERS {
            let mut closed = Vec::new();
            if let Some(track) = self.tracks.get_mut(spec.id) {
                track.flush(&grid, step, &mut closed);
            }
            self.add(spec.id, &closed, cells);
            self.stop(spec.id);
        }
    }

    fn add(&mut self, counter: Counter, closed: &[ClosedCell], cells: &mut CellsByEnd) {
        for cell in closed {
            if !self.claim(counter, cell.end) {
                continue;
            }
            let values = cells.entry(cell.end).or_default();
            values.push((GridMetric::ProbeTotal(counter), cell.sum as f64));
            values.extend(cell.peak.map(|peak| (GridMetric::Peak(counter), peak)));
        }
    }

    /// Takes the cell with this end for a total by probes; false if one of this end or later was there before.
    fn claim(&mut self, counter: Counter, end: i64) -> bool {
        let after = self.after;
        let last = self.closed.get_or_insert_with(counter, || after);
        if end <= *last {
            return false;
        }
        *last = end;
        true
    }
}

fn sum(series: &Buckets) -> u64 {
    series
        .counts
        .iter()
        .fold(0, |sum, count| sum.saturating_add(*count))
}
