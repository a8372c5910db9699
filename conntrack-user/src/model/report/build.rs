//! Takes in records, gives a report. Memory and page are bounded: what is too much gets coarser, and lists
//! are cut.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use crate::{
    model::{
        record::{Hello, Record, Sample},
        report::{
            contents::{DimensionReport, InstanceReport, RecordingReport},
            track::Micros,
            unseen::Unseen,
        },
    },
    text::Text,
};

/// Values that all series of a report keep together.
const TOTAL: usize = 150_000;

/// Values that each series keeps at least.
const LEAST: usize = 16;

/// Values added between two looks at whether there are too many.
const BETWEEN: usize = TOTAL;

/// Instances in a report.
const INSTANCES: usize = 256;

/// Notes on the recording that are shown.
const NOTES: usize = 100;

/// The longest interval, in microseconds: 35 years.
const LONGEST: f64 = (1_u64 << 50) as f64;

/// Makes a report.
#[derive(Debug, Default)]
pub struct Builder {
    hello: Option<Hello>,
    unseen: Unseen,
    origin: Option<Timestamp>,
    from: Micros,
    to: Micros,
    records: u64,
    instances: Vec<InstanceReport>,
    /// Records of instances that there is no room for.
    left_out: u64,
    /// Values added since the last look.
    added: usize,
    notes: Vec<Text>,
    more_notes: u64,
}

impl Builder {
    /// Adds the next record.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        match record {
            Record::Hello(hello) => {
                for instance in &hello.instances {
                    if let Some(at) = self.at(&instance.name) {
                        self.instances[at].instance = instance.clone();
                    }
                }
                self.unseen.add(hello);
                self.hello = Some((**hello).clone());
            }
            Record::Sample(sample) => self.sample(sample),
            Record::Crosscheck(crosscheck) => {
                if let Some(at) = self.at(&crosscheck.instance) {
                    self.instances[at].set_checks(&crosscheck.checks);
                }
            }
            Record::Event(event) => {
                if let Some(at) = self.at(&event.instance) {
                    self.instances[at].add_event(event);
                }
            }
            Record::Alert(alert) => {
                if let Some(at) = self.at(&alert.instance) {
                    self.instances[at].add_alert(alert);
                }
            }
            Record::Burst(burst) => {
                if let Some(at) = self.at(&burst.instance) {
                    self.instances[at].add_burst(burst);
                }
            }
            Record::Top(top) => {
                if let Some(at) = self.at(&top.instance) {
                    self.instances[at].add_talkers(top);
                }
            }
            Record::Summary(summary) => {
                for instance in &summary.instances {
                    if let Some(at) = self.at(&instance.name) {
                        self.instances[at].summary = Some(instance.clone());
                    }
                }
            }
        }
    }

    /// Adds something the reader should know.
    pub fn note(&mut self, note: impl Into<Text>) {
        if self.notes.len() < NOTES {
            self.notes.push(note.into());
        } else {
            self.more_notes += 1;
        }
    }

    /// The report; `None` without a single sample.
    #[must_use]
    pub fn finish(mut self) -> Option<RecordingReport> {
        let origin = self.origin?;
        self.fit();
        self.say_what_is_left_out();
        let reasons = self.hello.as_ref().map(|hello| &hello.unavailable);
        for instance in &mut self.instances {
            instance.finish();
            for dimension in instance
                .charts
                .iter_mut()
                .flat_map(|chart| &mut chart.dimensions)
            {
                dimension.reason = dimension
                    .counter
                    .filter(|_| !dimension.is_available())
                    .and_then(|counter| reasons?.get(counter).cloned());
            }
        }
        // One that was only looked for has nothing to show.
        self.instances.retain(|instance| {
            let dimensions = instance.charts.iter().flat_map(|chart| &chart.dimensions);
            dimensions.into_iter().any(DimensionReport::is_available)
        });
        Some(RecordingReport {
            hello: self.hello,
            origin,
            from: self.from,
            // A span of nothing cannot be drawn.
            to: self.to.max(self.from + 1),
            records: self.records,
            instances: self.instances,
            notes: self.notes,
            unseen: self.unseen,
        })
    }

    fn say_what_is_left_out(&mut self) {
        if self.more_notes > 0 {
            let more = format!("{} more such notes are left out.", self.more_notes);
            self.notes.push(more.into());
        }
        if self.left_out > 0 {
            let more = format!(
                "{} records are left out: a report has room for {INSTANCES} network namespaces, and they are of \
                 others.",
                self.left_out
            );
            self.notes.push(more.into());
        }
    }

    /// Makes the longest series coarser until all fit.
    fn fit(&mut self) {
        self.added = 0;
        let mut dimensions: Vec<&mut DimensionReport> = self
            .instances
            .iter_mut()
            .flat_map(|instance| &mut instance.charts)
            .flat_map(|chart| &mut chart.dimensions)
            .collect();
        let mut total: usize = dimensions.iter().map(|d| d.values()).sum();
        let lengths = dimensions.iter().enumerate();
        let mut longest: BinaryHeap<(usize, usize)> =
            lengths.map(|(at, d)| (d.values(), at)).collect();
        while total > TOTAL
            && let Some((before, at)) = longest.pop().filter(|(values, _)| *values > LEAST)
        {
            let dimension = &mut dimensions[at];
            dimension.coarsen();
            let after = dimension.values();
            total -= before.saturating_sub(after);
            // One that cannot be coarser stays as it is.
            if after < before {
                longest.push((after, at));
            }
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let end = sample.time.0;
        // What is no number is 0.
        let length = (sample.interval_s * 1e6).round().clamp(0.0, LONGEST) as Micros;
        let origin = *self.origin.get_or_insert_with(|| {
            Timestamp::from_microsecond(end.as_microsecond() - length).unwrap_or(end)
        });
        let to = end.as_microsecond() - origin.as_microsecond();
        let from = to - length;
        self.from = self.from.min(from);
        self.to = self.to.max(to);
        let Some(at) = self.at(&sample.instance) else {
            return;
        };
        self.added += self.instances[at].add_sample(sample, origin, from..to);
        if self.added > BETWEEN {
            self.fit();
        }
    }

    /// Where an instance is, new ones included; `None` where there are too many.
    fn at(&mut self, name: &Text) -> Option<usize> {
        let mut known = self.instances.iter();
        if let Some(at) = known.position(|instance| instance.instance.name == *name) {
            return Some(at);
        }
        if self.instances.len() == INSTANCES {
            self.left_out += 1;
            return None;
        }
        self.instances.push(InstanceReport::new(name));
        Some(self.instances.len() - 1)
    }
}
