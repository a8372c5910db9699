//! What the table is made of and what limits it: from listings and settings to records.

mod chains;
mod estimate;
mod evictable;
mod limits;
mod listing;
mod names;
mod spread;

use std::collections::HashMap;

use crate::{
    clock::Instant,
    model::record::{Record, TableContents, TableLimits},
    reading::{InstanceInfo, Purpose, table_limits::LimitsReading, top::TopReading},
};

/// The last of each instance.
#[derive(Debug, Default)]
pub struct ContentsTracker {
    known: HashMap<u64, LastKnown>,
}

#[derive(Debug, Default)]
struct LastKnown {
    limits: Option<LimitsReading>,
    contents_record: Option<TableContents>,
    limits_record: Option<TableLimits>,
}

impl ContentsTracker {
    /// Takes what was found; returns what to report. The last of a run is reported as such ([`Self::closing`]).
    pub fn observe(
        &mut self,
        at: Instant,
        purpose: Purpose,
        found: &TopReading,
        watched: &[&InstanceInfo],
    ) -> Vec<Record> {
        let info = |id: u64| watched.iter().copied().find(|info| info.id == id);
        let mut records = Vec::new();
        // First, as they have the timeouts that are in force for the entries.
        for (id, limits) in &found.limits {
            let Some(info) = info(*id) else { continue };
            let known = self.known.entry(*id).or_default();
            let record = limits::record(at, info, limits);
            known.limits = Some(limits.clone());
            known.limits_record = Some(record.clone());
            records.push(Record::Limits(Box::new(record)));
        }
        for (id, listing) in &found.listings {
            let Some(info) = info(*id) else { continue };
            let known = self.known.entry(*id).or_default();
            let record = listing::record(at, info, listing, known.limits.as_ref());
            known.contents_record = Some(record.clone());
            records.push(Record::Contents(Box::new(record)));
        }
        match purpose {
            Purpose::Last => Vec::new(),
            Purpose::Baseline | Purpose::Interval => records,
        }
    }

    /// The last of an instance, at the end of its run.
    #[must_use]
    pub fn closing(&self, info: &InstanceInfo) -> Vec<Record> {
        let Some(known) = self.known.get(&info.id) else {
            return Vec::new();
        };
        let contents = known.contents_record.clone().map(|record| {
            Record::Contents(Box::new(TableContents {
                closing: true,
                ..record
            }))
        });
        let limits = known.limits_record.clone().map(|record| {
            Record::Limits(Box::new(TableLimits {
                closing: true,
                ..record
            }))
        });
        contents.into_iter().chain(limits).collect()
    }

    /// Forgets an instance whose namespace is gone; returns its last.
    pub fn end(&mut self, info: &InstanceInfo) -> Vec<Record> {
        let closing = self.closing(info);
        self.known.remove(&info.id);
        closing
    }
}

#[cfg(test)]
mod tests;
