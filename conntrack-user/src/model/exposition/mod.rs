//! What a scraper may read: of each instance the latest values, its totals, and what the last complete windows of the clock held.
//!
//! It is made of records alone. Windows start and end at multiples of their length, so that any number of scrapers, whenever they
//! read, see the same numbers. What is not known is absent, and what has ended is gone.

mod entries;
mod histogram;
mod instance;
mod track;
mod windows;

use std::sync::Arc;

use self::instance::InstanceTrack;
pub use self::{
    histogram::{CLASSIC_BOUNDS, NATIVE_SCHEMA, PowerHistogram},
    instance::{InstanceReadout, Latest},
    windows::WINDOWS,
};
use crate::{
    model::record::{Hello, Record},
    text::Text,
};

/// Follows the records of all instances.
#[derive(Debug, Default)]
pub struct Exposition {
    hello: Option<Arc<Hello>>,
    instances: Vec<InstanceTrack>,
}

/// What can be read at one time. It does not change; a copy costs little.
#[derive(Clone, Debug, Default)]
pub struct Readout {
    /// The configuration of the run; `None` until it has started.
    pub hello: Option<Arc<Hello>>,
    /// The watched instances, in the order of [`Hello::instances`].
    pub instances: Vec<Arc<InstanceReadout>>,
}

impl Exposition {
    /// Takes a record.
    pub fn take(&mut self, record: &Record) {
        match record {
            Record::Hello(hello) => self.follow(hello),
            Record::Sample(sample) => self.with(&sample.instance, |i| i.take_sample(sample)),
            Record::Crosscheck(found) => self.with(&found.instance, |i| i.take_checks(found)),
            Record::Burst(burst) => self.with(&burst.instance, |i| i.take_burst(burst)),
            Record::Top(top) if !top.closing => self.with(&top.instance, |i| i.take_top(top)),
            Record::Verdict(verdict) => {
                self.with(&verdict.instance, |i| i.take_severity(verdict.severity));
            }
            // The state of the alerts is part of each sample; what is served is of this host.
            Record::Contents(contents) if !contents.closing => {
                self.with(&contents.instance, |i| i.take_contents(contents));
            }
            Record::Limits(limits) if !limits.closing => {
                self.with(&limits.instance, |i| i.take_limits(limits));
            }
            Record::Top(_)
            | Record::Contents(_)
            | Record::Limits(_)
            | Record::Advice(_)
            | Record::Alert(_)
            | Record::Event(_)
            | Record::Host(_)
            | Record::Summary(_) => {}
        }
    }

    /// What can be read now.
    #[must_use]
    pub fn readout(&self) -> Readout {
        Readout {
            hello: self.hello.clone(),
            instances: self.instances.iter().map(InstanceTrack::readout).collect(),
        }
    }

    fn follow(&mut self, hello: &Hello) {
        let mut before = std::mem::take(&mut self.instances);
        self.instances = hello
            .instances
            .iter()
            .map(|of| {
                let known = before.iter().position(|i| *i.name() == of.name);
                known.map_or_else(|| InstanceTrack::new(&of.name), |at| before.swap_remove(at))
            })
            .collect();
        self.hello = Some(Arc::new(hello.clone()));
    }

    /// Of an instance that no hello names nothing is kept: it has ended.
    fn with(&mut self, name: &Text, take: impl FnOnce(&mut InstanceTrack)) {
        if let Some(instance) = self.instances.iter_mut().find(|i| i.name() == name) {
            take(instance);
        }
    }
}

impl Readout {
    /// The instances of which there is no sample yet; `None` before the run has started.
    #[must_use]
    pub fn awaited(&self) -> Option<Vec<&Text>> {
        self.hello.as_ref()?;
        let without = self.instances.iter().filter(|i| i.latest.is_none());
        Some(without.map(|i| &i.name).collect())
    }
}

#[cfg(test)]
mod tests;
