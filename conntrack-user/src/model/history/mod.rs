//! A bounded history of records: what a live view shows, and can scroll back to.
//!
//! It is pure, and made of [`Record`]s alone, so it is the same for a running kernel and for a recording. Memory is bounded:
//! [`MEMORY`] for buckets, and limits on the number of samples, notable records and instances.

pub mod activity;
pub mod buckets;
pub mod burst_group;
mod contents;
pub mod instance;
pub mod samples;
pub mod time;
mod tops;
pub mod views;
pub mod window;

use std::collections::{BTreeMap, VecDeque};

pub use self::tops::TopsAt;
use self::{
    burst_group::{BurstGroup, RECENT},
    instance::{InstanceHistory, STEP_BACK},
    time::{Nanos, nanos},
};
use crate::{
    model::record::{Burst, Hello, HostStatus, Record, Sample, Summary, Workload},
    text::Text,
};

/// The memory limit for the buckets of all instances, in bytes. A second of a busy counter takes 4.3 KiB.
pub const MEMORY: usize = 32 << 20;

/// The most samples, of all instances together: an hour of one instance at ten per second.
pub const SAMPLES: usize = 36_000;

/// The most events, bursts, alerts and diagnostics, of all instances together.
pub const NOTABLE: usize = 2_000;

/// The most windows of top talkers, and as many listings, of all instances together.
pub const TOPS: usize = 1_200;

/// The most listings of what tables are made of, of all instances together: an hour of one instance.
pub const LISTINGS: usize = 360;

/// The most verdicts, of all instances together.
pub const VERDICTS: usize = 4_000;

/// The most instances whose history is kept. Further ones only appear by name.
pub const INSTANCES: usize = 1_000;

/// Something notable, with its time.
#[derive(Clone, Debug)]
pub struct Notable {
    /// When it happened.
    pub time: Nanos,
    /// What happened.
    pub happening: Happening,
}

/// A notable event.
#[derive(Clone, Debug)]
pub enum Happening {
    /// An event, or an alert.
    Record(Record),
    /// Bursts of one instance at the same time.
    Bursts(BurstGroup),
    /// A message about the monitoring itself.
    Diagnostic(Text),
}

/// The history of all instances.
#[derive(Default)]
pub struct History {
    hello: Option<Hello>,
    /// The hosts that instances are on, by name; empty if that is this one.
    hosts: BTreeMap<Text, HostStatus>,
    instances: BTreeMap<Text, InstanceHistory>,
    notable: VecDeque<Notable>,
    summary: Option<Summary>,
    last: Option<Nanos>,
}

impl History {
    /// Adds a record.
    pub fn add(&mut self, record: Record) {
        match record {
            Record::Hello(hello) => {
                self.instances
                    .retain(|name, _| hello.instances.iter().any(|i| i.name == *name));
                self.hello = Some(*hello);
            }
            Record::Sample(sample) => self.add_sample(&sample),
            Record::Crosscheck(crosscheck) => {
                if let Some(instance) = self.instance_mut(&crosscheck.instance) {
                    instance.set_crosscheck(crosscheck);
                }
            }
            Record::Top(top) => {
                let limit = TOPS / self.instances.len().max(1);
                if let Some(instance) = self.instance_mut(&top.instance) {
                    instance.add_top(top, limit);
                }
            }
            Record::Contents(contents) => {
                let limit = LISTINGS / self.instances.len().max(1);
                if let Some(instance) = self.instance_mut(&contents.instance) {
                    instance.contents_mut().add_contents(*contents, limit);
                }
            }
            Record::Limits(limits) => {
                let limit = LISTINGS / self.instances.len().max(1);
                if let Some(instance) = self.instance_mut(&limits.instance) {
                    instance.contents_mut().add_limits(*limits, limit);
                }
            }
            // It is about a whole run, and not about a moment.
            Record::Advice(_) => {}
            Record::Burst(burst) => {
                let limit = NOTABLE / self.instances.len().max(1);
                if let Some(instance) = self.instance_mut(&burst.instance) {
                    instance.add_burst(&burst, limit);
                }
                self.note_burst(burst);
            }
            Record::Event(event) => {
                self.note(nanos(event.time), Happening::Record(Record::Event(event)));
            }
            Record::Alert(alert) => {
                self.note(nanos(alert.time), Happening::Record(Record::Alert(alert)));
            }
            Record::Verdict(verdict) => {
                let limit = VERDICTS / self.instances.len().max(1);
                if let Some(instance) = self.instance_mut(&verdict.instance) {
                    instance.add_verdict(*verdict, limit);
                }
            }
            Record::Host(host) => self.add_host(*host),
            Record::Summary(summary) => self.summary = Some(*summary),
        }
    }

    /// Adds a message about the monitoring itself.
    pub fn add_diagnostic(&mut self, text: Text) {
        let time = self.last.unwrap_or_default();
        self.note(time, Happening::Diagnostic(text));
    }

    /// The last hello, once there was one.
    #[must_use]
    pub fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    /// The host of an instance; `None` of those on this one.
    #[must_use]
    pub fn host_of(&self, instance: &Text) -> Option<&HostStatus> {
        let mut listed = self.hello.as_ref()?.instances.iter();
        let listed = listed.find(|listed| listed.name == *instance)?;
        self.hosts.get(listed.host.as_ref()?)
    }

    /// The hosts, by name; none if everything is on this one.
    pub fn hosts(&self) -> impl Iterator<Item = &HostStatus> {
        self.hosts.values()
    }

    /// The last hello of the host of an instance.
    #[must_use]
    pub fn hello_of(&self, instance: &Text) -> Option<&Hello> {
        let host = self.host_of(instance);
        host.and_then(|host| host.hello.as_ref()).or(self.hello())
    }

    /// The summary, once the run has ended.
    #[must_use]
    pub fn summary(&self) -> Option<&Summary> {
        self.summary.as_ref()
    }

    /// The names of the instances, as listed by the last hello.
    pub fn names(&self) -> Vec<&Text> {
        match &self.hello {
            Some(hello) => hello.instances.iter().map(|i| &i.name).collect(),
            None => self.instances.keys().collect(),
        }
    }

    /// What an instance belongs to, if that is known.
    #[must_use]
    pub fn workload(&self, name: &Text) -> Option<&Workload> {
        let mut instances = self.hello.as_ref()?.instances.iter();
        instances.find(|i| i.name == *name)?.workload.as_deref()
    }

    /// The history of an instance, if it has one.
    #[must_use]
    pub fn instance(&self, name: &str) -> Option<&InstanceHistory> {
        self.instances.get(name)
    }

    /// The instances with a history, and their names.
    pub fn instances(&self) -> impl Iterator<Item = (&Text, &InstanceHistory)> {
        let names = self.names().into_iter();
        names.filter_map(|name| Some((name, self.instance(name.raw())?)))
    }

    /// The end of the newest sample.
    #[must_use]
    pub fn last(&self) -> Option<Nanos> {
        self.last
    }

    /// What happened up to a time, newest first.
    pub fn notable(&self, until: Nanos) -> impl Iterator<Item = &Notable> {
        let end = self.notable.partition_point(|n| n.time <= until);
        self.notable.range(..end).rev()
    }

    /// The approximate memory use of buckets, in bytes.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.instances.values().map(InstanceHistory::bytes).sum()
    }

    fn add_sample(&mut self, sample: &Sample) {
        let end = nanos(sample.time);
        // Of the same instance: another may be on a host with another clock.
        let before = self.instance(sample.instance.raw());
        let before = before.and_then(InstanceHistory::extent);
        if before.is_some_and(|(_, last)| end + STEP_BACK < last) {
            self.notable.retain(|notable| notable.time <= end);
            self.last = None;
        }
        self.last = self.last.max(Some(end));
        let Some(instance) = self.instance_mut(&sample.instance) else {
            return;
        };
        instance.add_sample(sample);
        let share = self.instances.len().max(1);
        if let Some(instance) = self.instances.get_mut(&sample.instance) {
            instance.shrink(MEMORY / share, SAMPLES / share);
        }
    }

    fn add_host(&mut self, host: HostStatus) {
        if self.hosts.len() < INSTANCES || self.hosts.contains_key(&host.name) {
            self.hosts.insert(host.name.clone(), host);
        }
    }

    /// `None` if there are too many instances.
    fn instance_mut(&mut self, name: &Text) -> Option<&mut InstanceHistory> {
        if self.instances.len() >= INSTANCES && !self.instances.contains_key(name) {
            return None;
        }
        Some(self.instances.entry(name.clone()).or_default())
    }

    /// Adds a burst to those it came with, or by itself.
    fn note_burst(&mut self, burst: Burst) {
        let recent = self.notable.iter_mut().rev().take(RECENT);
        let groups = recent.filter_map(|notable| match &mut notable.happening {
            Happening::Bursts(group) => Some(group),
            _ => None,
        });
        let Some(rest) = BurstGroup::join_any(groups, burst) else {
            return;
        };
        let start = nanos(rest.start);
        self.note(start, Happening::Bursts(BurstGroup::new(rest)));
    }

    /// Inserts by time: events of several CPUs can be out of order.
    fn note(&mut self, time: Nanos, happening: Happening) {
        let at = self.notable.partition_point(|n| n.time <= time);
        self.notable.insert(at, Notable { time, happening });
        if self.notable.len() > NOTABLE {
            self.notable.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
