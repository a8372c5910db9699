//! The records of several hosts as those of one run.
//!
//! The instances of a host are named after it: `web1/self`. What a host reports is passed on as it is, times included; only names
//! are changed. While the records of a host do not come, its instances have samples without values.

mod clock_offset;
mod host;
mod lost;
mod naming;
mod together;

use std::time::Duration;

use self::{
    host::{FleetHost, HostChange},
    naming::Naming,
};
use crate::{
    clock::Instant,
    model::record::{Hello, HostState, HostStatus, Record, Time},
    text::Text,
};

/// The most hosts.
pub const HOSTS: usize = 256;

/// How long the first hello waits for hosts that were not reached yet.
const GATHERING: Duration = Duration::from_secs(2);

/// The most records that wait for the first hello.
const HELD: usize = 10_000;

/// Time between two looks at whether a host is silent.
const LOOK: Duration = Duration::from_millis(250);

/// A host, before anything is known of it.
#[derive(Clone, Debug)]
pub struct HostSpec {
    /// What its instances are named after; `None`: its own name for itself.
    pub name: Option<Text>,
    /// Where its records come from, as it was asked for.
    pub source: Text,
    /// Whether its records come as they are made, so that silence is a loss.
    pub waits: bool,
    /// Whether they come by a connection, which is made again when it is lost, and by which the clocks can be compared.
    pub is_connection: bool,
}

/// A host, as it is now.
#[derive(Clone, Copy, Debug)]
pub struct StateOfHost<'a> {
    pub name: &'a Text,
    pub state: HostState,
    /// Why it is in this state, where there is a reason.
    pub reason: Option<&'a Text>,
    /// Whether all that comes from it is from before: it is a regular file.
    pub is_recorded: bool,
}

/// Something that has come from a host.
#[derive(Debug)]
pub enum HostNews {
    /// Part of what it reports.
    Record(Box<Record>),
    /// The connection was lost, or could not be made, and is tried again.
    Lost(Text),
    /// There is nothing more.
    Ended,
    /// There is nothing more, for a reason that does not heal by itself.
    Refused(Text),
}

/// Follows the records of all hosts.
pub struct Fleet {
    hosts: Vec<FleetHost>,
    start: Instant,
    /// Records that wait for the first hello; `None` after it.
    held: Option<Vec<Record>>,
    reported: Option<Hello>,
    notes: Vec<String>,
}

impl Fleet {
    /// Starts without records.
    #[must_use]
    pub fn new(hosts: Vec<HostSpec>, start: Instant) -> Self {
        let hosts = hosts.into_iter();
        Self {
            hosts: hosts.map(|spec| FleetHost::new(spec, start)).collect(),
            start,
            held: Some(Vec::new()),
            reported: None,
            notes: Vec::new(),
        }
    }

    /// Takes what has come from a host, and returns what is to be reported.
    pub fn take(&mut self, host: usize, news: HostNews, at: Instant) -> Vec<Record> {
        let mut records = Vec::new();
        match news {
            HostNews::Record(record) => self.take_record(host, *record, at, &mut records),
            HostNews::Lost(reason) => {
                self.enter(host, HostState::Lost, Some(reason), at, &mut records);
            }
            HostNews::Ended => self.enter(host, HostState::Ended, None, at, &mut records),
            HostNews::Refused(reason) => {
                self.enter(host, HostState::Refused, Some(reason), at, &mut records);
            }
        }
        self.release(records, at)
    }

    /// Looks for hosts that are silent, and reports those that are lost. To be called when nothing comes, within [`Self::wait`].
    pub fn tick(&mut self, at: Instant) -> Vec<Record> {
        let mut records = Vec::new();
        for index in 0..self.hosts.len() {
            if let Some(reason) = self.hosts[index].silence(at) {
                self.enter(index, HostState::Lost, Some(reason), at, &mut records);
            }
            records.extend(self.hosts[index].absent_samples(at, false));
        }
        self.release(records, at)
    }

    /// Nothing was taken for a while, so that no host can be blamed for its silence.
    pub fn resume(&mut self, at: Instant) {
        for host in &mut self.hosts {
            host.resume(at);
        }
    }

    /// How long [`Self::tick`] can wait; `None` when nothing more can come.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        (!self.is_over()).then_some(LOOK)
    }

    /// Whether nothing more can come from any host.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.hosts.iter().all(|host| host.state().is_over())
    }

    /// The end of the run: what waited for the first hello, and the summary of all hosts whose own has come.
    pub fn finish(&mut self) -> Vec<Record> {
        let mut records = self.released(Vec::new());
        let lasted = self.hosts.iter().map(FleetHost::lasted);
        let lasted = lasted.fold(0.0, f64::max);
        let summaries = self.hosts.iter_mut().filter_map(FleetHost::take_summary);
        let summary = together::summary(summaries.collect(), lasted);
        records.push(Record::Summary(Box::new(summary)));
        records
    }

    /// The state of each host.
    pub fn states(&self) -> impl Iterator<Item = StateOfHost<'_>> {
        self.hosts.iter().map(FleetHost::view)
    }

    /// What the user should be told since the last call, each once.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    /// How long a host may be silent, by its interval.
    #[must_use]
    pub fn patience(&self, host: usize) -> Duration {
        self.hosts[host].patience()
    }

    /// Whether it has said what it watches.
    #[must_use]
    pub fn has_hello(&self, host: usize) -> bool {
        self.hosts[host].hello().is_some()
    }

    /// The name of a host.
    #[must_use]
    pub fn name(&self, host: usize) -> &Text {
        self.hosts[host].name()
    }

    fn take_record(
        &mut self,
        index: usize,
        record: Record,
        at: Instant,
        records: &mut Vec<Record>,
    ) {
        if let Record::Hello(hello) = record {
            self.take_hello(index, *hello, at, records);
            return;
        }
        let host = &mut self.hosts[index];
        let HostChange { record, news } = host.take(record, at);
        let is_summary = matches!(record, Some(Record::Summary(_)));
        if let Some(note) = news.note {
            self.notes.push(note);
        }
        if news.is_back {
            self.enter(index, HostState::Connected, None, at, records);
        } else if news.clock_changed {
            records.push(self.status(index, at));
        }
        if is_summary {
            // It is part of the one that comes at the end.
            self.enter(index, HostState::Ended, None, at, records);
        } else {
            records.extend(record);
        }
    }

    fn take_hello(
        &mut self,
        index: usize,
        mut hello: Hello,
        at: Instant,
        records: &mut Vec<Record>,
    ) {
        let others = self.hosts.iter().enumerate();
        let taken: Vec<&Text> = others
            .filter(|(other, host)| *other != index && host.is_named())
            .map(|(_, host)| host.name())
            .collect();
        let naming = Naming::of(&hello, &taken);
        let host = &mut self.hosts[index];
        self.notes.extend(host.take_hello(&mut hello, naming, at));
        let merged = together::hello(self.hosts.iter().filter_map(FleetHost::hello));
        if self.reported.as_ref() != Some(&merged) {
            self.reported = Some(merged.clone());
            if self.held.is_none() {
                records.push(Record::Hello(Box::new(merged)));
            }
        }
        let host = &self.hosts[index];
        if host.state() == HostState::Connected {
            records.push(self.status(index, at));
        } else {
            self.enter(index, HostState::Connected, None, at, records);
        }
    }

    /// A host is in another state from now on.
    fn enter(
        &mut self,
        index: usize,
        state: HostState,
        reason: Option<Text>,
        at: Instant,
        records: &mut Vec<Record>,
    ) {
        let host = &mut self.hosts[index];
        if !host.enter(state, reason, at) {
            return;
        }
        self.notes.extend(host.note());
        let absent = host.absent_samples(at, true);
        let absent = absent.into_iter().chain(host.absent_verdicts(at));
        let absent: Vec<Record> = absent.collect();
        records.push(self.status(index, at));
        records.extend(absent);
    }

    fn status(&self, index: usize, at: Instant) -> Record {
        let host = &self.hosts[index];
        Record::Host(Box::new(HostStatus {
            time: Time(at.realtime),
            name: host.name().clone(),
            source: host.source().clone(),
            state: host.state(),
            since: host.since(),
            reason: host.reason().cloned(),
            clock_ahead_ms: host.clock_ahead_ms(),
            hello: host.hello().cloned(),
        }))
    }

    /// Holds records back until the first hello can be made.
    fn release(&mut self, records: Vec<Record>, at: Instant) -> Vec<Record> {
        let Some(held) = &mut self.held else {
            return records;
        };
        held.extend(records);
        let waited = at.monotonic.saturating_sub(self.start.monotonic);
        let all_known = self.hosts.iter().all(FleetHost::is_known);
        if all_known || waited >= GATHERING || held.len() >= HELD {
            self.released(Vec::new())
        } else {
            Vec::new()
        }
    }

    /// The first hello and what waited for it, then these.
    fn released(&mut self, records: Vec<Record>) -> Vec<Record> {
        let Some(held) = self.held.take() else {
            return records;
        };
        let hello = self.reported.clone().unwrap_or_else(|| {
            // Nothing is known yet, and the first record must be this one.
            together::hello(std::iter::empty())
        });
        self.reported = Some(hello.clone());
        let mut all = vec![Record::Hello(Box::new(hello))];
        all.extend(held);
        all.extend(records);
        all
    }
}

#[cfg(test)]
mod tests;
