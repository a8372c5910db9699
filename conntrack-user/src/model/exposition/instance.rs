//! What may be read of one instance.

use std::sync::Arc;

use super::{
    entries::EntriesTrack,
    histogram::PowerHistogram,
    track::{Settled, Track},
    windows::PerWindow,
};
use crate::{
    model::{
        kernel::{
            counters::{COUNTERS, Counter, named},
            per_counter::PerCounter,
        },
        record::{
            AlertState, Burst, Check, Crosscheck, Ordered, Percentiles, Sample, Severity,
            SourceKind, TableContents, TableLimits, Time, Top, derived::source_by_checks,
        },
    },
    reading::buckets::{MOST_BUCKETS, WallGrid},
    text::Text,
};

/// What may be read of one instance.
#[derive(Clone, Debug, Default)]
pub struct InstanceReadout {
    /// Its network namespace, or the directory.
    pub name: Text,
    /// Of the last sample; `None` before the first.
    pub latest: Option<Latest>,
    /// The bursts that have ended, of counters that have buckets.
    pub bursts: PerCounter<BurstCount>,
    /// The last checks; empty without probes.
    pub checks: Vec<Check>,
    /// Of the last verdict.
    pub severity: Option<Severity>,
    /// The top talkers of the last window, and the last listing of entries.
    pub tops: Vec<Top>,
    /// What the table is made of, by the last listing.
    pub contents: Option<Arc<TableContents>>,
    /// What limits the table.
    pub limits: Option<Arc<TableLimits>>,
    /// The distribution of the per-bucket rate in the last complete windows, of counters that have buckets.
    pub windows: PerCounter<PerWindow<Option<Percentiles>>>,
    /// The most entries in the last complete windows.
    pub most_entries: PerWindow<Option<u64>>,
    /// How many buckets had how many events since the start, of counters that have buckets.
    pub histograms: PerCounter<PowerHistogram>,
    /// Milliseconds of buckets that were lost since the start; `None` without buckets.
    pub buckets_lost_ms: Option<f64>,
}

/// What a sample says of the present.
#[derive(Clone, Debug)]
pub struct Latest {
    /// The sample's time.
    pub time: Time,
    /// Entries in the table.
    pub entries: Option<u64>,
    /// The limit on entries; `None` where there is none.
    pub limit: Option<u64>,
    /// Seconds until the table is full, if it fills.
    pub time_to_full: Option<f64>,
    /// Totals since the start of the run, without those that a check proves wrong.
    totals: PerCounter<SampleTotal>,
    /// The counters whose probes' counts, and so buckets, a check proves wrong.
    wrong: PerCounter<()>,
    /// The alerts that are evaluated.
    pub alerts: Ordered<AlertState>,
}

/// A counter's total, with its source where the sample says it.
#[derive(Clone, Copy, Debug)]
struct SampleTotal {
    source: Option<SourceKind>,
    total: u64,
}

/// Bursts of one counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BurstCount {
    /// How many have ended.
    pub number: u64,
    /// The events in all of them.
    pub events: u64,
}

/// One instance: what may be read, and what is not complete yet.
#[derive(Debug)]
pub(super) struct InstanceTrack {
    readout: Arc<InstanceReadout>,
    grid: WallGrid,
    tracks: PerCounter<Track>,
    entries: EntriesTrack,
    /// The time of the last sample, in nanoseconds since 1970.
    last: Option<i64>,
}

impl InstanceTrack {
    pub(super) fn new(name: &Text) -> Self {
        Self {
            readout: Arc::new(InstanceReadout {
                name: name.clone(),
                ..InstanceReadout::default()
            }),
            grid: WallGrid::default(),
            tracks: PerCounter::default(),
            entries: EntriesTrack::default(),
            last: None,
        }
    }

    pub(super) fn name(&self) -> &Text {
        &self.readout.name
    }

    pub(super) fn readout(&self) -> Arc<InstanceReadout> {
        Arc::clone(&self.readout)
    }

    pub(super) fn take_sample(&mut self, sample: &Sample) {
        let time = sample.time.nanos();
        let last = self.last.replace(time);
        if last.is_some_and(|last| sample.clock_was_set(last)) {
            self.entries.restart();
            self.end_tracks();
            self.grid = WallGrid::default();
            Arc::make_mut(&mut self.readout).most_entries = Default::default();
        }
        let readout = Arc::make_mut(&mut self.readout);
        self.entries
            .take(time, sample.entries, &mut readout.most_entries);
        self.take_buckets(sample);
        let readout = Arc::make_mut(&mut self.readout);
        for (counter, _) in sample.peaks.iter() {
            readout
                .bursts
                .get_or_insert_with(counter, BurstCount::default);
        }
        let totals = PerCounter::from_fn(|spec| {
            let total = *sample.counters.get(spec.id)?;
            let source = sample.source(spec.id);
            (!sample.is_rate_wrong(spec.id)).then_some(SampleTotal { source, total })
        });
        readout.latest = Some(Latest {
            time: sample.time,
            entries: sample.entries,
            limit: sample.max.filter(|&max| max > 0),
            time_to_full: sample.time_to_full_s.map(|time| time.estimate),
            totals,
            wrong: PerCounter::from_fn(|spec| sample.wrong.get(spec.id).map(drop)),
            alerts: sample.alerts.clone(),
        });
    }

    /// Takes the buckets of an interval, of which some at its start may be lost.
    fn take_buckets(&mut self, sample: &Sample) {
        let Some(buckets) = &sample.buckets else {
            self.end_tracks();
            return;
        };
        let readout = Arc::make_mut(&mut self.readout);
        *readout.buckets_lost_ms.get_or_insert_default() += sample.buckets_lost_ms.clamp(0.0, 1e12);
        if let Some((_, any)) = buckets.iter().next() {
            self.grid.align(any.start.nanos());
        }
        let grid = self.grid;
        let (span, lost) = (sample.span(), sample.buckets_lost());
        let first = grid.first_in(span.start) + lost;
        let end = grid.first_in(span.end);
        for spec in &COUNTERS {
            let Some(series) = buckets.get(spec.id) else {
                self.tracks.set(spec.id, None);
                readout.windows.set(spec.id, None);
                continue;
            };
            let track = self
                .tracks
                .get_or_insert_with(spec.id, || Track::from(first));
            let mut to = Settled {
                complete: readout
                    .windows
                    .get_or_insert_with(spec.id, Default::default),
                histogram: readout
                    .histograms
                    .get_or_insert_with(spec.id, PowerHistogram::default),
            };
            if lost > 0 && track.end() < first {
                track.resume_at(first, &grid, &mut to);
            }
            let at = grid.nearest(series.start.nanos());
            let after = at + series.counts.len() as i64;
            if end - track.end() > MOST_BUCKETS || after > end + MOST_BUCKETS {
                // The times do not fit together.
                self.tracks.set(spec.id, None);
                readout.windows.set(spec.id, None);
                continue;
            }
            track.take((at, &series.counts), end, &grid, &mut to);
        }
    }

    /// Ends the windows with what is counted in them.
    fn end_tracks(&mut self) {
        let readout = Arc::make_mut(&mut self.readout);
        readout.windows = PerCounter::default();
        for (counter, track) in self.tracks.iter_mut() {
            let mut to = Settled {
                complete: &mut Default::default(),
                histogram: readout
                    .histograms
                    .get_or_insert_with(counter, PowerHistogram::default),
            };
            track.resume_at(track.end(), &self.grid, &mut to);
        }
        self.tracks = PerCounter::default();
    }

    pub(super) fn take_checks(&mut self, found: &Crosscheck) {
        let readout = Arc::make_mut(&mut self.readout);
        readout.checks.clone_from(&found.checks);
    }

    pub(super) fn take_burst(&mut self, burst: &Burst) {
        let Some(spec) = named(burst.counter.raw()) else {
            return;
        };
        let readout = Arc::make_mut(&mut self.readout);
        let bursts = readout
            .bursts
            .get_or_insert_with(spec.id, BurstCount::default);
        bursts.number += 1;
        bursts.events = bursts.events.saturating_add(burst.count);
    }

    /// Keeps the tables of a window beside those of a listing: they come one by one.
    pub(super) fn take_top(&mut self, top: &Top) {
        let tops = &mut Arc::make_mut(&mut self.readout).tops;
        let is_listing = |top: &Top| top.window_s == 0.0;
        tops.retain(|other| is_listing(other) != is_listing(top));
        tops.push(top.clone());
    }

    pub(super) fn take_contents(&mut self, contents: &TableContents) {
        Arc::make_mut(&mut self.readout).contents = Some(Arc::new(contents.clone()));
    }

    pub(super) fn take_limits(&mut self, limits: &TableLimits) {
        Arc::make_mut(&mut self.readout).limits = Some(Arc::new(limits.clone()));
    }

    pub(super) fn take_severity(&mut self, severity: Severity) {
        Arc::make_mut(&mut self.readout).severity = Some(severity);
    }
}

impl InstanceReadout {
    /// A counter's total since the start of the run, and where it comes from.
    #[must_use]
    pub fn total(&self, counter: Counter) -> Option<(SourceKind, u64)> {
        let SampleTotal { source, total } = *self.latest.as_ref()?.totals.get(counter)?;
        let source = source.unwrap_or_else(|| source_by_checks(counter, &self.checks));
        Some((source, total))
    }

    /// Whether a check proves the counts of a counter's buckets wrong.
    #[must_use]
    pub fn is_wrong(&self, counter: Counter) -> bool {
        let wrong = self.latest.as_ref().map(|latest| &latest.wrong);
        wrong.is_some_and(|wrong| wrong.get(counter).is_some())
    }
}
