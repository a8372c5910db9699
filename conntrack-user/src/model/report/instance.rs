//! Builds the report of one instance.

use std::ops::Range;

use jiff::Timestamp;

use crate::{
    model::{
        alert::AlertId,
        kernel::{
            charts::{CHARTS, Quantity},
            counters::{COUNTERS, Counter},
            per_counter::PerCounter,
        },
        record::{
            Alert, Buckets, Burst, Check, Event, HighestUse, Instance, InstanceVerdict, Sample,
            SourceKind, Time, Top, TopTable, derived::Judgement,
        },
        report::{
            contents::{
                ChartReport, DimensionReport, FullAlert, Fullest, InstanceReport, TopReport,
                WrongReport,
            },
            limits::Limits,
            track::{Cells, Micros, Steps},
        },
    },
    text::Text,
};

/// The name of the entries in percent of the limit.
const UTILIZATION: &str = "utilization";

/// The most values of a series.
const SERIES: usize = 30_000;

/// The most events that are listed. All are counted.
const EVENTS: usize = 300;

/// The most kinds of events that are counted separately.
const KINDS: usize = 32;

/// The kind of all others.
const OTHER_KIND: Text = Text::fixed("other");

/// The most bursts that are listed.
const BURSTS: usize = 500;

/// The most notifications that are listed.
const ALERTS: usize = 500;

/// The most checks that are listed.
const CHECKS: usize = 100;

/// The most tables of top talkers.
const TABLES: usize = 40;

/// The most rows of each.
const ROWS: usize = 10;

impl InstanceReport {
    /// An empty report of an instance.
    pub(super) fn new(name: &Text) -> Self {
        Self {
            instance: Instance {
                name: name.clone(),
                netns: None,
                host: None,
                workload: None,
            },
            verdict: None,
            charts: CHARTS.iter().map(ChartReport::new).collect(),
            utilization: DimensionReport::new(UTILIZATION, None, false),
            limits: Limits::default(),
            fullest: None,
            full_alert: FullAlert::default(),
            peaks: PerCounter::default(),
            bursts: Vec::new(),
            burst_count: 0,
            events: Vec::new(),
            event_counts: Vec::new(),
            alerts: Vec::new(),
            alert_count: 0,
            worst_alert: None,
            talkers: Vec::new(),
            table_contents: None,
            table_limits: None,
            advice: Vec::new(),
            checks: Vec::new(),
            worst: None,
            wrong: PerCounter::default(),
            summary: None,
            buckets_lost_ms: 0.0,
        }
    }

    /// Adds an interval; returns the approximate number of values that were added.
    pub(super) fn add_sample(
        &mut self,
        sample: &Sample,
        origin: Timestamp,
        span: Range<Micros>,
    ) -> usize {
        self.buckets_lost_ms += sample.buckets_lost_ms.max(0.0);
        if let Some(entries) = sample.entries {
            let highest = HighestUse {
                entries,
                utilization: sample.utilization.filter(|used| used.is_finite()),
                at: sample.time,
            };
            let is_fuller = |most: Fullest| highest.is_above(&most.highest);
            if self.fullest.is_none_or(is_fuller) {
                self.fullest = Some(Fullest {
                    highest,
                    max: sample.max,
                    is_full: sample.is_full(),
                });
            }
        }
        self.limits.add(span.clone(), sample.max);
        let utilization = &mut self.utilization;
        match sample.utilization.filter(|used| used.is_finite()) {
            Some(used) => {
                utilization.source = SourceKind::Proc;
                utilization.steps.add(span.start, span.end, used, SERIES);
            }
            None => utilization.has_gap = true,
        }
        match sample.judgement(AlertId::Full) {
            Judgement::Judged(status) => {
                self.full_alert.worst = self.full_alert.worst.max(Some(status));
            }
            Judgement::NotJudged(why) => self.full_alert.not_judged = Some(why),
        }
        if let Some(verdict) = sample.verdict
            && self.worst.is_none_or(|(worst, _)| verdict > worst)
        {
            self.worst = Some((verdict, span.end));
        }
        for spec in &COUNTERS {
            if let Some(peak) = sample.peaks.get(spec.id).filter(|p| p.rate.is_finite())
                && self
                    .peaks
                    .get(spec.id)
                    .is_none_or(|known| peak.rate > known.rate)
            {
                self.peaks.set(spec.id, Some(*peak));
            }
        }
        for (counter, reason) in sample.wrong.iter() {
            let since = self
                .wrong
                .get(counter)
                .map_or(span.end, |known| known.since);
            let reason = reason.clone();
            self.wrong.set(counter, Some(WrongReport { since, reason }));
        }
        let mut added = 1;
        for (c, chart) in self.charts.iter_mut().enumerate() {
            let sources = sample.sources.get(chart.chart.name);
            for (d, dimension) in chart.dimensions.iter_mut().enumerate() {
                if let Some(source) = sources.and_then(|sources| sources.get(dimension.name)) {
                    dimension.source = *source;
                }
                match sample.value(c, d) {
                    Some(value) => {
                        dimension.steps.add(span.start, span.end, value, SERIES);
                        if sample.buckets_unavailable.is_none() {
                            dimension.bucketed.add(span.start, span.end, value, SERIES);
                        }
                    }
                    None => dimension.has_gap = true,
                }
                dimension.are_steps_wrong |= sample.is_wrong(c, d);
                added += 1;
                let buckets = dimension
                    .counter
                    .and_then(|counter| sample.buckets.as_ref()?.get(counter));
                if let Some(buckets) = buckets {
                    added += buckets.counts.len();
                    let counter = dimension.counter;
                    dimension.are_cells_wrong |=
                        counter.is_some_and(|counter| sample.wrong.get(counter).is_some());
                    dimension.add_buckets(buckets, origin);
                }
            }
        }
        added
    }

    pub(super) fn add_event(&mut self, event: &Event) {
        let known = self
            .event_counts
            .iter()
            .position(|(kind, _)| *kind == event.kind);
        let at = known.unwrap_or_else(|| {
            if self.event_counts.len() < KINDS {
                self.event_counts.push((event.kind.clone(), 0));
            } else if self.event_counts.len() == KINDS {
                self.event_counts.push((OTHER_KIND, 0));
            }
            self.event_counts.len() - 1
        });
        self.event_counts[at].1 += 1;
        if self.events.len() < EVENTS {
            self.events.push(event.clone());
        }
    }

    pub(super) fn add_alert(&mut self, alert: &Alert) {
        self.alert_count += 1;
        let worst = self.worst_alert.as_ref();
        if worst.is_none_or(|worst| alert.status >= worst.status) {
            self.worst_alert = Some(alert.clone());
        }
        if self.alerts.len() < ALERTS {
            self.alerts.push(alert.clone());
        }
    }

    pub(super) fn add_burst(&mut self, burst: &Burst) {
        self.burst_count += 1;
        self.bursts.push(burst.clone());
        if self.bursts.len() > 2 * BURSTS {
            self.keep_greatest_bursts();
        }
    }

    fn keep_greatest_bursts(&mut self) {
        if self.bursts.len() > BURSTS {
            self.bursts
                .sort_by(|a, b| b.peak_rate.total_cmp(&a.peak_rate));
            self.bursts.truncate(BURSTS);
        }
    }

    /// Keeps the last tables. The last ones of all are of the whole run.
    pub(super) fn add_talkers(&mut self, top: &Top) {
        for table in top.tables.iter().filter(|table| !table.rows.is_empty()) {
            let same =
                |known: &TopReport| (&known.table.by, &known.table.of) == (&table.by, &table.of);
            let known = self.talkers.iter().position(same);
            let now = || TopReport {
                time: top.time,
                window_s: top.window_s,
                closing: top.closing,
                table: TopTable {
                    rows: table.rows.iter().take(ROWS).cloned().collect(),
                    by: table.by.clone(),
                    of: table.of.clone(),
                    ..*table
                },
            };
            match known {
                Some(at) if top.closing || !self.talkers[at].closing => self.talkers[at] = now(),
                Some(_) => {}
                None if self.talkers.len() < TABLES => self.talkers.push(now()),
                None => {}
            }
        }
    }

    /// Keeps the last verdict, which is the closing one where there is one: nothing of its run comes after that.
    pub(super) fn set_verdict(&mut self, verdict: &InstanceVerdict) {
        self.verdict = Some(verdict.clone());
    }

    pub(super) fn set_checks(&mut self, checks: &[Check]) {
        self.checks = checks.iter().take(CHECKS).cloned().collect();
    }

    /// Completes the report after all records were added.
    pub(super) fn finish(&mut self) {
        self.keep_greatest_bursts();
        self.bursts.sort_by_key(|burst| burst.start);
        self.event_counts.sort();
    }
}

impl ChartReport {
    fn new(chart: &'static crate::model::kernel::charts::Chart) -> Self {
        let dimensions = chart.dimensions.iter().map(|dimension| {
            let counter = match dimension.quantity {
                Quantity::Entries => None,
                Quantity::Rate(counter) => Some(counter),
            };
            DimensionReport::new(dimension.name, counter, dimension.below)
        });
        Self {
            chart,
            dimensions: dimensions.collect(),
        }
    }
}

impl DimensionReport {
    fn new(name: &'static str, counter: Option<Counter>, below: bool) -> Self {
        Self {
            name,
            counter,
            below,
            source: SourceKind::Unavailable,
            reason: None,
            steps: Steps::default(),
            bucketed: Steps::default(),
            cells: Cells::default(),
            has_gap: false,
            are_steps_wrong: false,
            are_cells_wrong: false,
        }
    }

    /// The number of its values.
    pub(super) fn values(&self) -> usize {
        self.cells.len().max(self.steps.as_slice().len())
    }

    /// Merges pairs of values.
    pub(super) fn coarsen(&mut self) {
        self.cells.coarsen();
        self.steps.coarsen();
        self.bucketed.coarsen();
    }

    fn add_buckets(&mut self, buckets: &Buckets, origin: Timestamp) {
        let Time(start) = buckets.start;
        let start = (start.as_microsecond() - origin.as_microsecond()) as f64;
        for (i, count) in buckets.counts.iter().enumerate() {
            let at = start + buckets.width_ms * 1e3 * i as f64;
            self.cells.add(at.round() as Micros, *count, SERIES);
        }
    }
}
