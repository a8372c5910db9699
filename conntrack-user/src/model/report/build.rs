//! Takes in records, gives a report. Memory and page are bounded: what is too much gets coarser.

use crate::text::Text;
use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{
    kernel::{
        charts::{CHARTS, Quantity},
        counters::COUNTERS,
        per_counter::PerCounter,
    },
    record::{Hello, Instance, Record, Sample, SourceKind, Top},
    report::{
        ChartReport, DimensionReport, InstanceReport, Leaders, Report,
        track::{Cells, Micros, Steps},
    },
};

/// Values that one series keeps.
const SERIES: usize = 30_000;

/// Values that all series of a report keep together.
const TOTAL: usize = 150_000;

/// Events that are shown of one instance; all are counted.
const EVENTS: usize = 300;

/// Bursts that are shown of one instance.
const BURSTS: usize = 500;

/// Makes a report.
#[derive(Debug, Default)]
pub struct Builder {
    hello: Option<Hello>,
    origin: Option<Timestamp>,
    from: Micros,
    to: Micros,
    records: u64,
    instances: Vec<InstanceReport>,
    counts: Vec<BTreeMap<String, u64>>,
    notes: Vec<String>,
}

impl Builder {
    /// Takes in the next record.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        match record {
            Record::Hello(hello) => {
                for instance in &hello.instances {
                    let at = self.at(&instance.name);
                    self.instances[at].instance = instance.clone();
                }
                self.hello = Some((**hello).clone());
            }
            Record::Sample(sample) => self.sample(sample),
            Record::Crosscheck(crosscheck) => {
                let at = self.at(&crosscheck.instance);
                self.instances[at].checks.clone_from(&crosscheck.checks);
            }
            Record::Event(event) => {
                let at = self.at(&event.instance);
                *self.counts[at].entry(event.kind.to_string()).or_default() += 1;
                let events = &mut self.instances[at].events;
                if events.len() < EVENTS {
                    events.push((**event).clone());
                }
            }
            Record::Alert(alert) => {
                let at = self.at(&alert.instance);
                self.instances[at].alerts.push(alert.clone());
            }
            Record::Burst(burst) => {
                let at = self.at(&burst.instance);
                let bursts = &mut self.instances[at].bursts;
                bursts.push(burst.clone());
                if bursts.len() > BURSTS {
                    // The greatest are what is looked for.
                    bursts.sort_by(|a, b| b.peak_rate.total_cmp(&a.peak_rate));
                    bursts.truncate(BURSTS);
                }
            }
            Record::Top(top) => {
                let at = self.at(&top.instance);
                self.instances[at].take_leaders(top);
            }
            Record::Summary(summary) => {
                for instance in &summary.instances {
                    let at = self.at(&instance.name);
                    self.instances[at].summary = Some(instance.clone());
                }
            }
        }
    }

    /// Something the reader should know.
    pub fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    /// The report; `None` without a single sample.
    #[must_use]
    pub fn finish(mut self) -> Option<Report> {
        let origin = self.origin?;
        self.fit();
        let reasons = self.hello.as_ref().map(|hello| &hello.unavailable);
        for (instance, counts) in self.instances.iter_mut().zip(self.counts) {
            instance.event_counts = counts.into_iter().collect();
            instance.bursts.sort_by_key(|burst| burst.start);
            for dimension in instance
                .charts
                .iter_mut()
                .flat_map(|chart| &mut chart.dimensions)
            {
                dimension.reason = dimension
                    .counter
                    .filter(|_| dimension.source == SourceKind::Unavailable)
                    .and_then(|counter| reasons?.get(counter).cloned());
            }
        }
        // One that was only looked for has nothing to show.
        self.instances.retain(|instance| {
            let dimensions = instance.charts.iter().flat_map(|chart| &chart.dimensions);
            dimensions.into_iter().any(DimensionReport::is_available)
        });
        Some(Report {
            hello: self.hello,
            origin,
            from: self.from,
            to: self.to,
            records: self.records,
            instances: self.instances,
            notes: self.notes,
        })
    }

    /// Makes the longest series coarser until all fit.
    fn fit(&mut self) {
        loop {
            let mut dimensions: Vec<&mut DimensionReport> = self
                .instances
                .iter_mut()
                .flat_map(|instance| &mut instance.charts)
                .flat_map(|chart| &mut chart.dimensions)
                .collect();
            let len = |d: &DimensionReport| d.cells.len().max(d.steps.as_slice().len());
            let total: usize = dimensions.iter().map(|d| len(d)).sum();
            let longest = dimensions.iter_mut().max_by_key(|d| len(d));
            match longest {
                Some(longest) if total > TOTAL && len(longest) > 16 => {
                    let before = len(longest);
                    longest.cells.coarsen();
                    longest.steps.coarsen();
                    if len(longest) == before {
                        break;
                    }
                }
                _ => break,
            }
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let end = sample.time.0;
        let length = (sample.interval_s * 1e6).round() as Micros;
        let origin = *self.origin.get_or_insert_with(|| {
            Timestamp::from_microsecond(end.as_microsecond() - length).unwrap_or(end)
        });
        let micros = |time: Timestamp| time.as_microsecond() - origin.as_microsecond();
        let to = micros(end);
        let from = to - length;
        self.from = self.from.min(from);
        self.to = self.to.max(to);
        let at = self.at(&sample.instance);
        let instance = &mut self.instances[at];
        instance.max = instance.max.max(sample.max);
        instance.buckets_lost_ms += sample.buckets_lost_ms;
        if let Some(entries) = sample.entries
            && instance.fullest.is_none_or(|(most, ..)| entries > most)
        {
            instance.fullest = Some((entries, to, sample.utilization));
        }
        if let Some(verdict) = sample.verdict
            && instance.worst.is_none_or(|(worst, _)| verdict > worst)
        {
            instance.worst = Some((verdict, to));
        }
        for spec in &COUNTERS {
            if let Some(peak) = sample.peaks.get(spec.id)
                && instance
                    .peaks
                    .get(spec.id)
                    .is_none_or(|known| peak.rate > known.rate)
            {
                instance.peaks.set(spec.id, Some(*peak));
            }
        }
        for chart in &mut instance.charts {
            let values = sample.charts.get(chart.chart.name);
            let sources = sample.sources.get(chart.chart.name);
            for dimension in &mut chart.dimensions {
                if let Some(source) = sources.and_then(|sources| sources.get(dimension.name)) {
                    dimension.source = *source;
                }
                match values
                    .and_then(|values| values.get(dimension.name))
                    .copied()
                {
                    Some(Some(value)) => dimension.steps.add(from, to, value, SERIES),
                    _ => gap(&mut dimension.gaps, from, to),
                }
                let series = dimension
                    .counter
                    .and_then(|counter| sample.buckets.as_ref()?.get(counter));
                for (i, count) in series.iter().flat_map(|s| s.counts.iter().enumerate()) {
                    let start = series.map_or(0.0, |s| {
                        micros(s.start.0) as f64 + s.width_ms * 1e3 * i as f64
                    });
                    dimension.cells.add(start.round() as Micros, *count, SERIES);
                }
            }
        }
    }

    /// Where an instance is, new ones included.
    fn at(&mut self, name: &Text) -> usize {
        let known = self
            .instances
            .iter()
            .position(|instance| instance.instance.name == *name);
        known.unwrap_or_else(|| {
            self.instances.push(InstanceReport::new(name));
            self.counts.push(BTreeMap::new());
            self.instances.len() - 1
        })
    }
}

/// Adds to times of unavailability.
fn gap(gaps: &mut Vec<(Micros, Micros)>, from: Micros, to: Micros) {
    match gaps.last_mut() {
        Some(last) if from - last.1 <= (to - from) / 2 => last.1 = to,
        _ => gaps.push((from, to)),
    }
}

impl InstanceReport {
    /// Keeps what is said last; what is said at the end is of the whole run.
    fn take_leaders(&mut self, top: &Top) {
        for table in top.tables.iter().filter(|table| !table.rows.is_empty()) {
            let now = Leaders {
                time: top.time,
                window_s: top.window_s,
                closing: top.closing,
                table: table.clone(),
            };
            let same =
                |known: &&mut Leaders| (&known.table.by, &known.table.of) == (&table.by, &table.of);
            match self.leaders.iter_mut().find(same) {
                Some(known) if top.closing || !known.closing => *known = now,
                Some(_) => {}
                None => self.leaders.push(now),
            }
        }
    }

    fn new(name: &Text) -> Self {
        Self {
            instance: Instance {
                name: name.clone(),
                netns: None,
            },
            charts: CHARTS
                .iter()
                .map(|chart| ChartReport {
                    chart,
                    title: chart.title,
                    dimensions: chart
                        .dimensions
                        .iter()
                        .map(|dimension| DimensionReport {
                            name: dimension.name,
                            counter: match dimension.quantity {
                                Quantity::Entries => None,
                                Quantity::Rate(counter) => Some(counter),
                            },
                            below: dimension.below,
                            source: SourceKind::Unavailable,
                            reason: None,
                            steps: Steps::default(),
                            cells: Cells::default(),
                            gaps: Vec::new(),
                        })
                        .collect(),
                })
                .collect(),
            max: None,
            fullest: None,
            peaks: PerCounter::default(),
            bursts: Vec::new(),
            events: Vec::new(),
            event_counts: Vec::new(),
            alerts: Vec::new(),
            leaders: Vec::new(),
            checks: Vec::new(),
            worst: None,
            summary: None,
            buckets_lost_ms: 0.0,
        }
    }
}
