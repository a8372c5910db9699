//! What was seen of an instance.

use std::collections::{BTreeMap, VecDeque};

use conntrack_ebpf::EventKind;

use super::hold::IdleTimes;
use crate::{
    model::{
        event::kind_name,
        kernel::{counters::Counter, per_counter::PerCounter},
        record::{
            Burst, EntryGroup, Event, Sample, TableContents, TableLimits, Time, Top, TopTable,
        },
        top::{nat_ports, tables::ENTRIES},
    },
    text::Text,
};

/// The length of the window in which the table's growth is looked at, in nanoseconds.
const MINUTE: i64 = 60 * SECOND;

/// A second, in nanoseconds.
const SECOND: i64 = 1_000_000_000;

/// Between two entries of that window, at least.
const STEP: i64 = MINUTE / 240;

/// The most groups that are remembered: as many as a listing has, of listings that differ.
const MOST_GROUPS: usize = 200;

/// The counters that speak for a change.
pub(super) const COUNTED: [Counter; 9] = [
    Counter::Inserted,
    Counter::New,
    Counter::TableFull,
    Counter::Drop,
    Counter::EarlyDrop,
    Counter::InsertFailed,
    Counter::ClashResolve,
    Counter::Chaintoolong,
    Counter::NatExhausted,
];

/// What was seen of an instance.
#[derive(Clone, Debug, Default)]
pub(super) struct SeenInstance {
    pub(super) last: Option<Time>,
    /// The seconds that its samples cover.
    pub(super) seconds: f64,
    pub(super) entries: EntriesSeen,
    pub(super) max: Option<u64>,
    /// Events while it was observed; those that were not available throughout are `None`.
    counts: PerCounter<CountSeen>,
    /// The seconds of samples in which flows were refused or evicted.
    pub(super) refusing_s: f64,
    /// The events of the largest burst of new flows.
    pub(super) largest_burst: u64,
    pub(super) contents: Option<TableContents>,
    pub(super) limits: Option<TableLimits>,
    groups: BTreeMap<(String, String), GroupSeen>,
    /// When entries were listed first, and last, and how often.
    listed_from_to: Option<(Time, Time)>,
    listings: u32,
    /// Expectations that were refused, at least: events above their rate limit are not in a record.
    pub(super) refused_expectations: u64,
    tables: Vec<TopTable>,
    nat_ports: Option<TopTable>,
}

/// Entries, as they were over time.
#[derive(Clone, Debug, Default)]
pub(super) struct EntriesSeen {
    /// Of the samples, each with its length.
    weight: f64,
    sum: f64,
    squares: f64,
    pub(super) most: u64,
    pub(super) last: u64,
    /// The samples of the last minute.
    recent: VecDeque<(i64, u64)>,
    /// The most that the table grew within a minute or less.
    pub(super) worst_minute: u64,
    first: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct CountSeen {
    last: u64,
    sum: u64,
}

/// Entries of one protocol and state.
#[derive(Clone, Debug)]
pub(super) struct GroupSeen {
    pub(super) last: EntryGroup,
    /// `None` where the time that is left, or the timeout, is not known.
    pub(super) idle: Option<IdleTimes>,
    held: f64,
    listings: f64,
}

impl SeenInstance {
    pub(super) fn take_sample(&mut self, sample: &Sample) {
        let seconds = sample.interval_s.clamp(0.0, 1e9);
        // What is before the first sample is not known: it may be in the middle of a run.
        if self.last.replace(sample.time).is_some() {
            self.seconds += seconds;
        }
        self.max = sample.max.filter(|max| *max > 0).or(self.max);
        if let Some(entries) = sample.entries {
            self.entries.take(sample.time.nanos(), entries, seconds);
        }
        let mut refusing = false;
        for counter in COUNTED {
            let Some(&total) = sample.counters.get(counter) else {
                continue;
            };
            let known = self.counts.get(counter).copied();
            let CountSeen { last, sum } = known.unwrap_or(CountSeen {
                last: total,
                sum: 0,
            });
            // A total below the last one is of another run.
            let more = total.checked_sub(last).unwrap_or(total);
            refusing |= more > 0
                && match counter {
                    Counter::TableFull | Counter::EarlyDrop => true,
                    Counter::Drop => sample.counters.get(Counter::TableFull).is_none(),
                    _ => false,
                };
            let sum = sum.saturating_add(more);
            self.counts
                .set(counter, Some(CountSeen { last: total, sum }));
        }
        if refusing {
            self.refusing_s += seconds;
        }
    }

    pub(super) fn take_burst(&mut self, burst: &Burst) {
        if matches!(burst.counter.raw(), "new" | "inserted") {
            self.largest_burst = self.largest_burst.max(burst.count);
        }
    }

    pub(super) fn take_contents(&mut self, contents: &TableContents) {
        if contents.closing {
            // It was reported before.
            return;
        }
        let entries = contents
            .entries
            .unwrap_or(contents.listed)
            .max(contents.listed);
        let scale = match contents.sampled {
            true => entries as f64 / contents.listed.max(1) as f64,
            false => 1.0,
        };
        for group in self.groups.values_mut() {
            // What this listing lacks it has none of.
            group.listings += 1.0;
        }
        let listings = self.groups.values().map(|group| group.listings);
        let listings = listings.fold(1.0, f64::max);
        let room = MOST_GROUPS.saturating_sub(self.groups.len());
        let mut added = 0;
        for group in &contents.groups {
            let name = (group.proto.raw().to_owned(), group.state.raw().to_owned());
            let remaining = group.timeout_s.zip(group.remaining.as_ref());
            let idle =
                remaining.and_then(|(timeout, spread)| IdleTimes::new(timeout, spread, scale));
            let held = group.held.count as f64;
            match self.groups.get_mut(&name) {
                Some(known) => {
                    known.last.clone_from(group);
                    known.held += held;
                    match (&mut known.idle, idle) {
                        (Some(known), Some(more)) => known.add(more),
                        (known, more) => *known = more,
                    }
                }
                None if added < room => {
                    added += 1;
                    let last = group.clone();
                    let seen = GroupSeen {
                        last,
                        idle,
                        held,
                        listings,
                    };
                    self.groups.insert(name, seen);
                }
                None => {}
            }
        }
        self.contents = Some(contents.clone());
        let (first, _) = self
            .listed_from_to
            .unwrap_or((contents.time, contents.time));
        self.listed_from_to = Some((first, contents.time));
        self.listings = self.listings.saturating_add(1);
    }

    /// The seconds between two listings; `None` before there are two.
    pub(super) fn listed_every_s(&self) -> Option<f64> {
        let (first, last) = self.listed_from_to?;
        let seconds = last.nanos().saturating_sub(first.nanos()) as f64 / SECOND as f64;
        (self.listings > 1 && seconds > 0.0).then(|| seconds / f64::from(self.listings - 1))
    }

    pub(super) fn take_limits(&mut self, limits: &TableLimits) {
        self.max = limits.max.filter(|max| *max > 0).or(self.max);
        self.limits = Some(limits.clone());
    }

    pub(super) fn take_event(&mut self, event: &Event) {
        if event.kind.raw() == kind_name(EventKind::ExpectFull) {
            self.refused_expectations = self.refused_expectations.saturating_add(1);
        }
    }

    pub(super) fn take_top(&mut self, top: &Top) {
        if top.window_s == 0.0 && !top.closing {
            let by = |name: &'static str| {
                let tables = top.tables.iter();
                tables.filter(move |table| table.by.raw() == name).cloned()
            };
            self.tables = by(ENTRIES).collect();
            self.nat_ports = by(nat_ports::BY).next();
        }
    }

    /// The ports that NAT has given to flows, by translated source and destination.
    pub(super) fn nat_ports(&self) -> Option<&TopTable> {
        self.nat_ports.as_ref()
    }

    /// The current entries by a kind of key.
    pub(super) fn table(&self, of: &str) -> Option<&TopTable> {
        self.tables.iter().find(|table| table.of.raw() == of)
    }

    pub(super) fn count(&self, counter: Counter) -> Option<u64> {
        self.counts.get(counter).map(|seen| seen.sum)
    }

    /// Flows that a full table refused. Where no probe counts them: what was dropped, less what lost a race, which the kernel counts as
    /// both (`nf_ct_resolve_clash()`).
    pub(super) fn refused(&self) -> u64 {
        self.count(Counter::TableFull).unwrap_or_else(|| {
            let dropped = self.count(Counter::Drop).unwrap_or(0);
            dropped.saturating_sub(self.count(Counter::InsertFailed).unwrap_or(0))
        })
    }

    /// Events per second.
    pub(super) fn rate(&self, counter: Counter) -> Option<f64> {
        self.per_second(self.count(counter)?)
    }

    /// So many events, per second; `None` before there are two samples.
    pub(super) fn per_second(&self, count: u64) -> Option<f64> {
        (self.seconds > 0.0).then(|| count as f64 / self.seconds)
    }

    /// The groups of entries, most entries first.
    pub(super) fn groups(&self) -> Vec<&GroupSeen> {
        let mut groups: Vec<&GroupSeen> = self.groups.values().collect();
        groups.sort_by(|a, b| b.held().total_cmp(&a.held()));
        groups
    }

    /// Entries in all groups, on average of the listings.
    pub(super) fn listed(&self) -> f64 {
        self.groups.values().map(GroupSeen::held).sum()
    }

    /// Whether the settings of timeouts are known, and this is none of them.
    pub(super) fn has_no_setting(&self, name: &str) -> bool {
        let known = self
            .limits
            .as_ref()
            .is_some_and(|limits| !limits.timeouts.is_empty());
        known && self.setting(name).is_none()
    }

    pub(super) fn setting(&self, name: &str) -> Option<u64> {
        let timeouts = &self.limits.as_ref()?.timeouts;
        let setting = timeouts.iter().find(|timeout| timeout.name.raw() == name)?;
        Some(setting.seconds)
    }
}

impl GroupSeen {
    /// Entries, on average of the listings.
    pub(super) fn held(&self) -> f64 {
        self.held / self.listings
    }

    /// The timeout, in seconds.
    pub(super) fn timeout(&self) -> Option<f64> {
        self.idle.as_ref().map(IdleTimes::timeout)
    }

    /// Its name for people: `tcp TIME_WAIT`.
    pub(super) fn name(&self) -> Text {
        format!("{} {}", self.last.proto.raw(), self.last.state.raw()).into()
    }
}

impl EntriesSeen {
    fn take(&mut self, time: i64, entries: u64, seconds: f64) {
        self.first.get_or_insert(entries);
        self.last = entries;
        self.most = self.most.max(entries);
        let weight = seconds.max(1e-6);
        self.weight += weight;
        self.sum += entries as f64 * weight;
        self.squares += (entries as f64).powi(2) * weight;
        let old = |&(then, _): &(i64, u64)| !(0..=MINUTE).contains(&time.saturating_sub(then));
        while self.recent.front().is_some_and(old) {
            self.recent.pop_front();
        }
        let least = self.recent.iter().map(|(_, entries)| *entries).min();
        let growth = entries.saturating_sub(least.unwrap_or(entries));
        self.worst_minute = self.worst_minute.max(growth);
        let due = self
            .recent
            .back()
            .is_none_or(|(then, _)| time - then >= STEP);
        if due {
            self.recent.push_back((time, entries));
        }
    }

    /// `None` before the first sample.
    pub(super) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then(|| self.sum / self.weight)
    }

    pub(super) fn deviation(&self) -> f64 {
        let Some(mean) = self.mean() else { return 0.0 };
        (self.squares / self.weight - mean * mean).max(0.0).sqrt()
    }

    /// How many more there are than a minute ago, or at the first sample, and how many seconds ago that was; `None` if there are fewer.
    pub(super) fn grown(&self) -> Option<(u64, f64)> {
        let ((then, before), (now, _)) = (self.recent.front()?, self.recent.back()?);
        let seconds = (now.saturating_sub(*then)) as f64 / SECOND as f64;
        Some((self.last.checked_sub(*before)?, seconds))
    }

    /// How much it changed from the first sample to the last, as a part of the mean.
    pub(super) fn drift(&self) -> f64 {
        match (self.first, self.mean()) {
            (Some(first), Some(mean)) if mean > 0.0 => {
                (self.last as f64 - first as f64) / mean.max(1.0)
            }
            _ => 0.0,
        }
    }
}
