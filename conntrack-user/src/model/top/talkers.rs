//! Top talkers over time: which keys start flows, have them rejected or evicted, and hold entries.

use std::{collections::HashMap, net::IpAddr, rc::Rc, sync::Arc, time::Duration};

use conntrack_ebpf::{
    EventKind, ProbeCounter,
    heavy_hitters::{By, FlowKey, FlowMeasure, Prefixes, table},
};

use crate::{
    clock::Instant,
    model::{
        event::kind_name,
        record::{Event, Time, Top, TopTable},
        top::{
            nat_ports::NatOutlook,
            tables::{self, ENTRIES, measure_name},
        },
    },
    reading::{
        InstanceInfo, Purpose,
        coverage::Coverage,
        entries::{GroupBy, Listing},
        heavy_hitters::{HeavyHitters, Sketch},
        owners::Owners,
        selector::Selector,
        top::{EntryListing, TopReading, TopWindow},
        workload::{Workload, Workloads},
    },
    text::Text,
};

/// A shorter window is only counted in the tables of the whole run.
pub const WINDOW: Duration = Duration::from_secs(1);

/// What is reported of top talkers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopSettings {
    /// The most rows of a table.
    pub rows: usize,
    /// The prefix lengths by which addresses are grouped.
    pub prefixes: Prefixes,
}

/// Top talkers of all instances.
pub struct TopTalkers {
    settings: TopSettings,
    /// The processes behind local sockets, by instance id.
    owners: HashMap<u64, Owners>,
    /// What has which address.
    workloads: Rc<Workloads>,
    /// What is known of NAT's ports, by instance id.
    nat: HashMap<u64, NatOutlook>,
    /// The last listing of entries, by instance id.
    held: HashMap<u64, Top>,
    /// The windows of the run so far, summed by table, and when the first one started.
    run: Option<(Vec<Sketch>, Duration)>,
    /// Slots that were freed since the last window: their counts in it belong to no instance.
    freed: Vec<u32>,
}

impl TopTalkers {
    /// Starts without measurements.
    #[must_use]
    pub fn new(settings: TopSettings) -> Self {
        Self {
            settings,
            owners: HashMap::new(),
            workloads: Rc::default(),
            nat: HashMap::new(),
            held: HashMap::new(),
            run: None,
            freed: Vec::new(),
        }
    }

    /// Names the owners of addresses from now on.
    pub fn set_workloads(&mut self, workloads: Rc<Workloads>) {
        self.workloads = workloads;
    }

    /// Takes the measurements of a reading; returns the tables to report.
    pub fn observe(
        &mut self,
        at: Instant,
        purpose: Purpose,
        found: &TopReading,
        watched: &[&InstanceInfo],
        coverage: &Coverage,
    ) -> Vec<Top> {
        for (id, owners) in &found.owners {
            if watched.iter().any(|info| info.id == *id) {
                self.owners.insert(*id, owners.clone());
            }
        }
        let mut reported = Vec::new();
        for (id, listing) in &found.listings {
            if let Some(info) = watched.iter().find(|info| info.id == *id) {
                let top = self.entries(at, info, listing);
                self.held.insert(*id, top.clone());
                // The last window is reported as part of the whole run.
                if purpose != Purpose::Last {
                    reported.push(top);
                }
            }
        }
        if let Some(window) = &found.window {
            let sketches = self.add(window);
            if window.length >= WINDOW {
                let counted = watched.iter().map(|info| Top {
                    window_s: window.length.as_secs_f64(),
                    ..self.top(window.end, info, self.tables(&sketches, info, coverage))
                });
                reported.extend(counted);
            }
        }
        reported
    }

    /// Notes events that tell of NAT's ports.
    pub fn note(&mut self, info: &InstanceInfo, event: &Event) {
        if let Some(translated) = &event.translated
            && event.kind.raw() == kind_name(EventKind::NatExhausted)
        {
            self.nat.entry(info.id).or_default().refused(translated);
        }
    }

    /// Ends an instance whose namespace is gone, and frees its slot. Returns its top talkers of the whole run.
    pub fn end(&mut self, at: Instant, info: &InstanceInfo, coverage: &Coverage) -> Vec<Top> {
        let closing = self.closing(at, info, coverage);
        self.held.remove(&info.id);
        self.owners.remove(&info.id);
        self.nat.remove(&info.id);
        if let Some(slot) = info.slot {
            self.freed.push(slot);
            for sketch in self.run.iter_mut().flat_map(|(run, _)| run) {
                sketch.forget(slot);
            }
        }
        closing
    }

    /// Top talkers of the whole run, and of the last listing of entries.
    #[must_use]
    pub fn closing(&self, at: Instant, info: &InstanceInfo, coverage: &Coverage) -> Vec<Top> {
        let counted = self.run.as_ref().map(|(run, started)| Top {
            window_s: at.monotonic.saturating_sub(*started).as_secs_f64(),
            closing: true,
            ..self.top(at, info, self.tables(run, info, coverage))
        });
        let held = self.held.get(&info.id).map(|top| Top {
            closing: true,
            ..top.clone()
        });
        counted.into_iter().chain(held).collect()
    }

    /// Adds a window to the run; returns its sketches without those of freed slots.
    fn add(&mut self, window: &TopWindow) -> Vec<Sketch> {
        let mut sketches = window.sketches.clone();
        for slot in self.freed.drain(..) {
            for sketch in &mut sketches {
                sketch.forget(slot);
            }
        }
        let (run, _) = self.run.get_or_insert_with(|| {
            let started = window.end.monotonic.saturating_sub(window.length);
            (sketches.iter().map(Sketch::emptied).collect(), started)
        });
        for (run, window) in run.iter_mut().zip(&sketches) {
            run.add(window);
        }
        sketches
    }

    fn top(&self, at: Instant, info: &InstanceInfo, tables: Vec<TopTable>) -> Top {
        Top {
            time: Time(at.realtime),
            instance: info.name.clone(),
            window_s: 0.0,
            closing: false,
            tables,
            remark: None,
        }
    }

    fn entries(&mut self, at: Instant, info: &InstanceInfo, listing: &EntryListing) -> Top {
        let sampled = listing.listing == Listing::Sampled;
        let unlisted = listing.entries.unwrap_or_default();
        let unlisted = unlisted.saturating_sub(listing.counts.listed);
        let ends = listing.counts.ends.iter();
        let mut tables: Vec<_> = listing
            .groups
            .iter()
            .map(|(by, groups)| self.table(ENTRIES, *by, groups, info))
            .chain(ends.map(|(by, ends)| {
                tables::table_of_ends(*by, ends, |address| self.workload(address, info))
            }))
            .map(|table| match sampled {
                true => of_a_sample(table, unlisted),
                false => table,
            })
            .collect();
        let nat = self.nat.entry(info.id).or_default();
        let ports = nat.table(at.monotonic, &listing.nat_ports, sampled);
        tables.extend(ports.map(|table| match sampled {
            true => of_a_sample(table, unlisted),
            false => table,
        }));
        Top {
            remark: remark(listing.listing).map(Text::fixed),
            ..self.top(at, info, tables)
        }
    }

    fn tables(
        &self,
        sketches: &[Sketch],
        info: &InstanceInfo,
        coverage: &Coverage,
    ) -> Vec<TopTable> {
        let Some(slot) = info.slot else {
            return Vec::new();
        };
        let counted = |measure| coverage.missing(counted_with(measure)).is_none();
        FlowMeasure::ALL
            .into_iter()
            .filter(|measure| counted(*measure))
            .flat_map(|measure| By::ALL.map(|by| (measure, by)))
            .filter_map(|(measure, by)| {
                let sketch = sketches.get(table(measure, by) as usize)?;
                let hitters = sketch.heavy_hitters(slot, self.settings.rows);
                let name = measure_name(measure);
                Some(self.table(name, GroupBy::Tuple(by), &hitters, info))
            })
            .collect()
    }

    fn table(
        &self,
        name: &'static str,
        by: GroupBy,
        hitters: &HeavyHitters,
        info: &InstanceInfo,
    ) -> TopTable {
        let owners = self.owners.get(&info.id);
        let owner = |key: &FlowKey| match by {
            GroupBy::Tuple(by) => owners?.get(by, key),
            _ => None,
        };
        let workload = |address| self.workload(address, info);
        tables::table(name, by, hitters, self.settings.prefixes, owner, workload)
    }

    fn workload(&self, address: IpAddr, info: &InstanceInfo) -> Option<Arc<Workload>> {
        self.workloads.of_address(address, info.netns).cloned()
    }
}

/// The counters that a measure needs.
fn counted_with(measure: FlowMeasure) -> Selector {
    Selector::sum(match measure {
        FlowMeasure::New => &[ProbeCounter::AllocCallPacket],
        FlowMeasure::Dropped => &[ProbeCounter::TableFull],
        FlowMeasure::Evicted => &[ProbeCounter::EarlyDrop, ProbeCounter::DeleteList],
    })
}

/// A table of a sample: any number of the entries that were not listed may belong to each row.
fn of_a_sample(table: TopTable, unlisted: u64) -> TopTable {
    TopTable {
        error: table.error.saturating_add(unlisted),
        certain: false,
        sampled: true,
        ..table
    }
}

fn remark(listing: Listing) -> Option<&'static str> {
    match listing {
        Listing::Whole => None,
        Listing::Changed => Some("the table changed while it was listed: entries may be missing"),
        Listing::Sampled => Some(
            "of a random sample of the table: shares hold for all of it, counts are those of the sample",
        ),
        Listing::Partial => Some("the kernel lost a part of the listing: entries are missing"),
    }
}

#[cfg(test)]
mod tests;
