//! Builds a report from records. Memory and page size are bounded: series are made coarser, and lists are cut.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use crate::{
    model::{
        advice::{AdviceWishes, Advisor},
        record::{Hello, Record, Sample},
        report::{
            contents::{DimensionReport, InstanceReport, RecordingReport},
            track::Micros,
            unseen::Unseen,
        },
    },
    text::Text,
};

/// The most values of all series together.
const TOTAL: usize = 150_000;

/// The fewest values that each series keeps.
const LEAST: usize = 16;

/// The number of added values after which the size is checked again.
const BETWEEN: usize = TOTAL;

/// The most instances in a report.
const INSTANCES: usize = 256;

/// The most notes in a report.
const NOTES: usize = 100;

/// The longest interval in microseconds: 35 years.
const LONGEST: f64 = (1_u64 << 50) as f64;

/// Builds a report.
#[derive(Debug, Default)]
pub struct Builder {
    hello: Option<Hello>,
    unseen: Unseen,
    origin: Option<Timestamp>,
    from: Micros,
    to: Micros,
    records: u64,
    instances: Vec<InstanceReport>,
    /// Records of instances beyond the limit.
    left_out: u64,
    /// Values that were added since the last check.
    added: usize,
    notes: Vec<Text>,
    more_notes: u64,
    advisor: Advisor,
}

impl Builder {
    /// Adds the next record.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        self.advisor.take(record);
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
            Record::Contents(contents) => {
                if let Some(at) = self.at(&contents.instance) {
                    self.instances[at].table_contents = Some(contents.clone());
                }
            }
            Record::Limits(limits) => {
                if let Some(at) = self.at(&limits.instance) {
                    self.instances[at].table_limits = Some(limits.clone());
                }
            }
            Record::Verdict(verdict) => {
                if let Some(at) = self.at(&verdict.instance) {
                    self.instances[at].set_verdict(verdict);
                }
            }
            // It is made of the same records.
            Record::Advice(_) => {}
            // Where its records do not come, there are samples without values.
            Record::Host(_) => {}
            Record::Summary(summary) => {
                for instance in &summary.instances {
                    if let Some(at) = self.at(&instance.name) {
                        self.instances[at].summary = Some(instance.clone());
                    }
                }
            }
        }
    }

    /// Adds a note for the reader.
    pub fn note(&mut self, note: impl Into<Text>) {
        if self.notes.len() < NOTES {
            self.notes.push(note.into());
        } else {
            self.more_notes += 1;
        }
    }

    /// The report; `None` without samples.
    #[must_use]
    pub fn finish(mut self) -> Option<RecordingReport> {
        let origin = self.origin?;
        self.fit();
        self.note_omissions();
        for advice in self.advisor.advise(&AdviceWishes::default()) {
            let mut known = self.instances.iter_mut();
            if let Some(of) = known.find(|of| of.instance.name == advice.instance) {
                of.advice.push(advice);
            }
        }
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
        // An instance without samples has nothing to show.
        self.instances.retain(|instance| {
            let dimensions = instance.charts.iter().flat_map(|chart| &chart.dimensions);
            dimensions.into_iter().any(DimensionReport::is_available)
        });
        self.instances.sort_by(|a, b| {
            let used = |i: &InstanceReport| i.fullest.and_then(|most| most.highest.utilization);
            let worst = b.severity().cmp(&a.severity());
            worst.then(used(b).unwrap_or(-1.0).total_cmp(&used(a).unwrap_or(-1.0)))
        });
        Some(RecordingReport {
            hello: self.hello,
            origin,
            from: self.from,
            // An empty time span cannot be drawn.
            to: self.to.max(self.from + 1),
            records: self.records,
            instances: self.instances,
            notes: self.notes,
            unseen: self.unseen,
        })
    }

    fn note_omissions(&mut self) {
        if self.more_notes > 0 {
            let more = format!("{} more such notes are left out.", self.more_notes);
            self.notes.push(more.into());
        }
        if self.left_out > 0 {
            let more = format!(
                "{} records are left out: a report shows at most {INSTANCES} network namespaces, and these records \
                 belong to further ones.",
                self.left_out
            );
            self.notes.push(more.into());
        }
    }

    /// Makes the longest series coarser until the total fits.
    fn fit(&mut self) {
        self.added = 0;
        let mut dimensions: Vec<&mut DimensionReport> = self
            .instances
            .iter_mut()
            .flat_map(|instance| {
                let charts = instance.charts.iter_mut();
                let dimensions = charts.flat_map(|chart| &mut chart.dimensions);
                dimensions.chain([&mut instance.utilization])
            })
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
            // A series that cannot be made coarser stays as it is.
            if after < before {
                longest.push((after, at));
            }
        }
    }

    fn sample(&mut self, sample: &Sample) {
        let end = sample.time.0;
        // NaN becomes 0.
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

    /// The index of an instance, which is added if it is new; `None` beyond the limit.
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
