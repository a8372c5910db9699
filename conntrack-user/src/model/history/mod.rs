//! What was reported, kept for a while: what a live view shows, and can scroll back to.
//!
//! Pure, and made of [`Record`]s alone, so that it is the same for a running kernel and for a
//! recording. Memory is bounded: [`MEMORY`] for buckets, and so many samples and notable records.

pub mod buckets;
pub mod samples;
pub mod window;

use crate::text::Text;
use std::collections::{BTreeMap, VecDeque};

use self::{
    buckets::BucketStore,
    samples::{Point, SampleStore},
    window::{DimensionView, Window},
};
use crate::model::record::{Burst, Crosscheck, Hello, Record, Sample, Summary, Time, Top, Verdict};

/// A moment of the wall clock: nanoseconds since 1970.
pub type Nanos = i64;

/// Bytes that the buckets of all instances take, at most. A second of a busy counter takes 4.3 KiB.
pub const MEMORY: usize = 32 << 20;

/// Samples kept of all instances together: an hour of one at ten a second.
pub const SAMPLES: usize = 36_000;

/// Events, bursts, alerts and notices kept.
pub const NOTABLE: usize = 2_000;

/// A clock that goes back further than this was set, or a recording is played from an earlier place.
const STEP_BACK: Nanos = 500_000_000;

/// A time in nanoseconds since 1970.
#[must_use]
pub fn nanos(time: Time) -> Nanos {
    Nanos::try_from(time.0.as_nanosecond()).unwrap_or(Nanos::MAX)
}

/// Something to be told, in the order it happened.
#[derive(Clone, Debug)]
pub struct Notable {
    /// When.
    pub time: Nanos,
    /// What.
    pub what: What,
}

/// What there is to tell.
#[derive(Clone, Debug)]
pub enum What {
    /// An event, a burst, or an alert.
    Record(Record),
    /// Something about the monitoring itself.
    Notice(String),
}

/// One instance.
#[derive(Default)]
pub struct InstanceHistory {
    samples: SampleStore,
    buckets: BucketStore,
    bursts: VecDeque<Burst>,
    latest: Option<Sample>,
    crosscheck: Option<Crosscheck>,
    /// Of the last window, and of what was held last.
    tops: [Option<Top>; 2],
}

impl InstanceHistory {
    /// The newest sample, without its buckets.
    #[must_use]
    pub fn latest(&self) -> Option<&Sample> {
        self.latest.as_ref()
    }

    /// The newest cross-check.
    #[must_use]
    pub fn crosscheck(&self) -> Option<&Crosscheck> {
        self.crosscheck.as_ref()
    }

    /// Who causes what, as last reported: over a window, and by what is held.
    pub fn tops(&self) -> impl Iterator<Item = &Top> {
        self.tops.iter().flatten()
    }

    /// The worst verdict, of the newest sample.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        self.latest.as_ref().and_then(|sample| sample.verdict)
    }

    /// What the interval that ends by a time gave.
    #[must_use]
    pub fn at(&self, time: Nanos) -> Option<&Point> {
        self.samples.at(time)
    }

    /// From the first moment that is known to the last.
    #[must_use]
    pub fn extent(&self) -> Option<(Nanos, Nanos)> {
        Some((self.samples.first()?.start(), self.samples.last()?.end))
    }

    /// The dimensions of a chart in a window.
    #[must_use]
    pub fn chart(&self, chart: usize, window: &Window) -> Vec<DimensionView> {
        window::chart_view(&self.samples, &self.buckets, chart, window)
    }

    /// All bursts that are kept.
    pub fn all_bursts(&self) -> impl Iterator<Item = &Burst> {
        self.bursts.iter()
    }

    /// Bursts that touch a window.
    pub fn bursts<'a>(&'a self, window: &Window) -> impl Iterator<Item = &'a Burst> {
        let range = window.range();
        self.bursts
            .iter()
            .filter(move |b| nanos(b.start) < range.end && nanos(b.end) > range.start)
    }

    fn take_sample(&mut self, sample: &Sample) {
        let point = Point::new(sample);
        if let Some(last) = self.samples.last()
            && point.end + STEP_BACK < last.end
        {
            self.forget_from(point.start());
        }
        if let Some(buckets) = &sample.buckets {
            for (counter, buckets) in buckets.iter() {
                self.buckets
                    .add(counter, nanos(buckets.start), &buckets.counts);
            }
        }
        self.samples.push(point);
        self.latest = Some(Sample {
            buckets: None,
            ..sample.clone()
        });
    }

    fn forget_from(&mut self, time: Nanos) {
        self.samples.truncate(time);
        self.buckets.truncate(time);
        self.bursts.retain(|burst| nanos(burst.start) < time);
    }
}

/// Everything that was reported.
#[derive(Default)]
pub struct History {
    hello: Option<Hello>,
    instances: BTreeMap<Text, InstanceHistory>,
    notable: VecDeque<Notable>,
    summary: Option<Summary>,
    last: Option<Nanos>,
}

impl History {
    /// Takes in what is reported next.
    pub fn take(&mut self, record: Record) {
        match record {
            Record::Hello(hello) => {
                self.instances
                    .retain(|name, _| hello.instances.iter().any(|i| i.name == *name));
                self.hello = Some(*hello);
            }
            Record::Sample(sample) => self.take_sample(&sample),
            Record::Crosscheck(crosscheck) => {
                let instance = self.instance_mut(&crosscheck.instance);
                instance.crosscheck = Some(crosscheck);
            }
            // Those of the whole run would hide the last window's.
            Record::Top(top) if top.closing => {}
            Record::Top(top) => {
                let held = usize::from(top.window_s == 0.0);
                let instance = self.instance_mut(&top.instance);
                instance.tops[held] = Some(top);
            }
            Record::Burst(burst) => {
                let instance = self.instance_mut(&burst.instance);
                instance.bursts.push_back(burst.clone());
                if instance.bursts.len() > NOTABLE {
                    instance.bursts.pop_front();
                }
                self.note(nanos(burst.start), What::Record(Record::Burst(burst)));
            }
            Record::Event(event) => {
                self.note(nanos(event.time), What::Record(Record::Event(event)));
            }
            Record::Alert(alert) => {
                self.note(nanos(alert.time), What::Record(Record::Alert(alert)));
            }
            Record::Summary(summary) => self.summary = Some(*summary),
        }
    }

    /// Takes in something about the monitoring itself.
    pub fn notice(&mut self, text: String) {
        let time = self.last.unwrap_or_default();
        self.note(time, What::Notice(text));
    }

    /// What is watched and how, once that is known.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The end of the run, once it has come.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// Names of the instances, as they were announced.
    pub fn names(&self) -> Vec<&Text> {
        match &self.hello {
            Some(hello) => hello.instances.iter().map(|i| &i.name).collect(),
            None => self.instances.keys().collect(),
        }
    }

    /// One instance, once there is something known of it.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&InstanceHistory> {
        self.instances.get(name)
    }

    /// The end of the newest sample.
    #[must_use]
    pub fn last(&self) -> Option<Nanos> {
        self.last
    }

    /// What there is to tell up to a time, newest first.
    pub fn notable(&self, until: Nanos) -> impl Iterator<Item = &Notable> {
        let end = self.notable.partition_point(|n| n.time <= until);
        self.notable.range(..end).rev()
    }

    /// Bytes that buckets take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.instances.values().map(|i| i.buckets.bytes()).sum()
    }

    fn take_sample(&mut self, sample: &Sample) {
        let end = nanos(sample.time);
        if self.last.is_some_and(|last| end + STEP_BACK < last) {
            self.notable.retain(|notable| notable.time <= end);
            self.last = None;
        }
        self.last = self.last.max(Some(end));
        self.instance_mut(&sample.instance).take_sample(sample);
        let share = self.instances.len().max(1);
        if let Some(instance) = self.instances.get_mut(&sample.instance) {
            instance.buckets.shrink(MEMORY / share);
            instance.samples.shrink(SAMPLES / share);
        }
    }

    fn instance_mut(&mut self, name: &Text) -> &mut InstanceHistory {
        self.instances.entry(name.clone()).or_default()
    }

    /// Notes something at its place in time: events of several CPUs come in turn.
    fn note(&mut self, time: Nanos, what: What) {
        let at = self.notable.partition_point(|n| n.time <= time);
        self.notable.insert(at, Notable { time, what });
        if self.notable.len() > NOTABLE {
            self.notable.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
