//! Source ports that NAT has given to the flows in the table.
//!
//! Replies tell flows apart, so two flows cannot have the same translated source and destination: a flow whose source is translated
//! takes one port of its address, for as long as it is in the table, and for its destination alone.

use std::{
    collections::{HashMap, hash_map},
    net::IpAddr,
};

use crate::reading::entries::{Entry, status};

/// What ports are taken for: flows of different ones can have the same port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortUse {
    /// IANA number of the protocol.
    pub protocol: u8,
    /// The address that NAT gives flows as their source.
    pub translated: IpAddr,
    /// Where they go to, as NAT has it.
    pub destination: IpAddr,
    /// The port there; 0 for protocols without ports.
    pub port: u16,
}

impl PortUse {
    /// That of an entry, if its source is translated.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        if entry.status & status::SRC_NAT == 0 {
            return None;
        }
        Some(Self {
            protocol: entry.protocol,
            translated: entry.reply.dst?,
            destination: entry.reply.src?,
            port: entry.reply.sport,
        })
    }
}

/// The ports in use at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortsInUse {
    /// Flows whose source is translated.
    pub total: u64,
    /// The most used, most first.
    pub most: Vec<(PortUse, u64)>,
    /// Flows that were not counted because there were too many destinations.
    pub uncounted: u64,
    /// Whether there are more than those.
    pub more: bool,
}

/// The most destinations that are counted in a listing: 4 MiB.
const DESTINATIONS: usize = 1 << 16;

/// Counts ports.
#[derive(Debug, Default)]
pub struct PortCounter {
    counts: HashMap<PortUse, u64>,
    uncounted: u64,
}

impl PortCounter {
    /// Counts an entry.
    pub fn add(&mut self, entry: &Entry) {
        let Some(used) = PortUse::of(entry) else {
            return;
        };
        let known = self.counts.len();
        match self.counts.entry(used) {
            hash_map::Entry::Occupied(mut count) => *count.get_mut() += 1,
            hash_map::Entry::Vacant(new) if known < DESTINATIONS => {
                new.insert(1);
            }
            hash_map::Entry::Vacant(_) => self.uncounted += 1,
        }
    }

    /// The `rows` most used; of equals, in the order of their addresses.
    #[must_use]
    pub fn most(self, rows: usize) -> PortsInUse {
        let total = self.counts.values().sum::<u64>() + self.uncounted;
        let mut most: Vec<_> = self.counts.into_iter().collect();
        most.sort_unstable_by(|(a, m), (b, n)| n.cmp(m).then(a.cmp(b)));
        let more = most.len() > rows;
        most.truncate(rows);
        PortsInUse {
            total,
            most,
            uncounted: self.uncounted,
            more,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::reading::entries::EntryTuple;

    fn entry(to: u32, port: u16) -> Entry {
        Entry {
            protocol: 17,
            status: status::SRC_NAT,
            reply: EntryTuple {
                src: Some(Ipv4Addr::from_bits(to).into()),
                sport: 53,
                dst: Some(Ipv4Addr::new(192, 0, 2, 7).into()),
                dport: port,
            },
            ..Entry::default()
        }
    }

    #[test]
    fn flows_are_counted_by_what_replies_look_like() {
        let mut counter = PortCounter::default();
        for port in 0..5 {
            counter.add(&entry(1, port));
        }
        counter.add(&entry(2, 1));
        counter.add(&entry(3, 1));
        // Not translated, or only its destination is.
        for status in [0, status::SRC_NAT << 1] {
            counter.add(&Entry {
                status,
                ..entry(1, 9)
            });
        }
        let used = counter.most(2);
        assert_eq!((used.total, used.uncounted, used.more), (7, 0, true));
        let counts = used
            .most
            .iter()
            .map(|(used, count)| (used.destination.to_string(), *count));
        assert_eq!(
            counts.collect::<Vec<_>>(),
            [("0.0.0.1".to_owned(), 5), ("0.0.0.2".to_owned(), 1)]
        );
    }

    #[test]
    fn too_many_destinations_are_not_held() {
        let mut counter = PortCounter::default();
        let over = 10;
        for to in 0..DESTINATIONS as u32 + over {
            counter.add(&entry(to, 1));
        }
        let used = counter.most(1);
        assert_eq!(used.uncounted, u64::from(over));
        assert_eq!(used.total, DESTINATIONS as u64 + u64::from(over));
    }
}
