//! The verdict on each instance: is the table filling, were flows lost, by whom, and can the counts be trusted.
//!
//! It is made of records alone, so that it is the same live and from a recording.

mod amounts;
mod completion;
mod sentences;
mod tracker;

use std::collections::HashMap;

use self::tracker::Tracker;
pub use self::{
    completion::Completion,
    sentences::{Sentence, Topic, sentences},
};
use crate::{
    model::{
        advice::Advisor,
        record::{Hello, InstanceVerdict, Record},
    },
    reading::probes::Probes,
    text::Text,
};

/// Follows the records of all instances.
#[derive(Debug, Default)]
pub struct Verdicts {
    probes: Option<Probes>,
    trackers: HashMap<Text, Tracker>,
    advisor: Advisor,
    /// The instances whose samples were taken since the last verdicts, in order.
    sampled: Vec<Text>,
}

impl Verdicts {
    /// Takes a record.
    pub fn take(&mut self, record: &Record) {
        self.advisor.take(record);
        match record {
            Record::Hello(hello) => self.follow(hello),
            Record::Sample(sample) => {
                let tracker = self
                    .trackers
                    .entry(sample.instance.clone())
                    .or_insert_with(|| Tracker::new(sample));
                tracker.take_sample(sample, self.probes.as_ref());
                self.sampled.push(sample.instance.clone());
            }
            Record::Crosscheck(crosscheck) => {
                if let Some(tracker) = self.trackers.get_mut(&crosscheck.instance) {
                    tracker.take_checks(&crosscheck.checks);
                }
            }
            Record::Top(top) => {
                if let Some(tracker) = self.trackers.get_mut(&top.instance) {
                    tracker.take_top(top);
                }
            }
            Record::Burst(burst) => {
                if let Some(tracker) = self.trackers.get_mut(&burst.instance) {
                    tracker.take_burst(burst);
                }
            }
            // A listing is what most advice rests on; it takes longer to find than the other facts.
            Record::Contents(contents) => {
                if let Some(tracker) = self.trackers.get_mut(&contents.instance) {
                    tracker.take_advice(self.advisor.first_change(&contents.instance));
                }
            }
            Record::Event(_)
            | Record::Limits(_)
            | Record::Advice(_)
            | Record::Alert(_)
            | Record::Verdict(_)
            | Record::Host(_)
            | Record::Summary(_) => {}
        }
    }

    /// The verdicts that have changed by the samples taken since the last call, with all that belongs to them.
    pub fn changed(&mut self) -> Vec<Record> {
        let Self {
            sampled, trackers, ..
        } = self;
        let changed = sampled
            .drain(..)
            .filter_map(|name| trackers.get_mut(&name)?.changed());
        changed.map(verdict_record).collect()
    }

    /// The verdicts on the whole run, of these instances.
    pub fn closing<'a>(&self, instances: impl IntoIterator<Item = &'a Text>) -> Vec<Record> {
        let instances = instances.into_iter();
        let closing = instances.filter_map(|name| Some(self.trackers.get(name)?.closing()));
        closing.map(verdict_record).collect()
    }

    /// The verdict on an instance as it is now.
    #[must_use]
    pub fn current(&self, instance: &Text) -> Option<&InstanceVerdict> {
        self.trackers.get(instance)?.current()
    }

    /// Whether a sample of the instance was taken since the last verdicts.
    fn has_taken(&self, instance: &Text) -> bool {
        self.sampled.contains(instance)
    }

    fn follow(&mut self, hello: &Hello) {
        let is_watched = |name: &Text| hello.instances.iter().any(|i| i.name == *name);
        self.trackers.retain(|name, _| is_watched(name));
        self.advisor.retain(is_watched);
        self.probes = Some(hello.probes.clone());
    }
}

fn verdict_record(verdict: InstanceVerdict) -> Record {
    Record::Verdict(Box::new(verdict))
}

#[cfg(test)]
mod tests;
