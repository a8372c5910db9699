//! Counts the entries of a listing by what they are.

use std::{
    collections::{HashMap, HashSet},
    hash::Hash,
    net::IpAddr,
};

use conntrack_ebpf::heavy_hitters::Prefixes;
use ipnet::IpNet;

use crate::reading::{
    entries::{Entry, HELPER_NAME, Replied, status},
    time_classes::TimeClasses,
};

/// What entries are grouped by so that each is in one group: what the kernel's timeouts distinguish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryClass {
    /// IANA number of the protocol.
    pub protocol: u8,
    pub phase: EntryPhase,
}

/// How far an entry has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntryPhase {
    /// `enum tcp_conntrack`.
    Tcp(u8),
    /// `enum sctp_conntrack`.
    Sctp(u8),
    /// Of other protocols, by packets that came back.
    Replied(Replied),
    /// A flow table forwards its packets: it has neither state nor timeout.
    Offloaded,
}

/// Entries of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClassCounts {
    pub listed: u64,
    pub assured: u64,
    pub unreplied: u64,
    /// Seconds until they are removed.
    pub remaining: TimeClasses,
    /// Seconds since they were made.
    pub age: TimeClasses,
}

/// Entries by marks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MarkCounts {
    pub assured: u64,
    pub unreplied: u64,
    pub neither: u64,
    pub offload: u64,
    pub hw_offload: u64,
    pub helper: u64,
    pub expected: u64,
    pub snat: u64,
    pub dnat: u64,
}

/// Entries by the ends that are addresses of this network namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectionCounts {
    pub inbound: u64,
    pub outbound: u64,
    pub forwarded: u64,
    pub local: u64,
}

/// Kinds of addresses and ports that entries are counted by, besides those of [`super::entries::GroupBy`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndBy {
    /// The destination that packets are sent to: protocol, address and port.
    Service,
    /// The destination that they arrive at, where it was translated.
    Real,
    /// The source address that they arrive with, where it was translated.
    Translated,
    /// The other end of flows from and to this namespace.
    Remote,
    /// The port that flows to this namespace arrive at.
    Inbound,
    /// The port that flows from this namespace are sent to.
    Outbound,
}

impl EndBy {
    /// All, in the order in which their tables are reported.
    pub const ALL: [Self; 6] = [
        Self::Service,
        Self::Real,
        Self::Translated,
        Self::Remote,
        Self::Inbound,
        Self::Outbound,
    ];

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Real => "real",
            Self::Translated => "translated",
            Self::Remote => "remote",
            Self::Inbound => "inbound",
            Self::Outbound => "outbound",
        }
    }
}

/// What an [`EndBy`] counts by: as much of an end of a flow as it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct End {
    pub protocol: Option<u8>,
    pub address: Option<IpNet>,
    pub port: Option<u16>,
}

/// The most frequent of their kind. Counts are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopEnds {
    /// Entries of all.
    pub total: u64,
    /// Most first.
    pub rows: Vec<(End, u64)>,
    /// Whether no other has more than the last row.
    pub certain: bool,
}

/// What a listing holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryCounts {
    pub listed: u64,
    /// Most first.
    pub classes: Vec<(EntryClass, ClassCounts)>,
    pub marks: MarkCounts,
    /// Most first.
    pub helpers: Vec<([u8; HELPER_NAME], u64)>,
    /// Those that early drop and the collector of garbage may remove.
    pub early_drop: u64,
    pub nearly_full: u64,
    /// `None` where the addresses of the namespace are not known.
    pub directions: Option<DirectionCounts>,
    pub ends: Vec<(EndBy, TopEnds)>,
}

/// Counts entries as they are listed.
#[derive(Debug)]
pub struct Census {
    /// Nanoseconds since 1970.
    now: u64,
    prefixes: Prefixes,
    /// The addresses of the namespace.
    own: Option<HashSet<IpAddr>>,
    counts: EntryCounts,
    classes: HashMap<EntryClass, ClassCounts>,
    helpers: HashMap<[u8; HELPER_NAME], u64>,
    directions: DirectionCounts,
    ends: [HashMap<End, u64>; EndBy::ALL.len()],
}

impl Census {
    /// Starts to count entries that are listed at about `now`, in nanoseconds since 1970.
    #[must_use]
    pub fn new(now: u64, prefixes: Prefixes, own: Option<HashSet<IpAddr>>) -> Self {
        Self {
            now,
            prefixes,
            own,
            counts: EntryCounts::default(),
            classes: HashMap::new(),
            helpers: HashMap::new(),
            directions: DirectionCounts::default(),
            ends: Default::default(),
        }
    }

    /// The entries so far.
    #[must_use]
    pub fn listed(&self) -> u64 {
        self.counts.listed
    }

    pub fn add(&mut self, entry: &Entry) {
        self.counts.listed += 1;
        self.count_marks(entry);
        let replied = Replied::of(entry.status);
        let class = self.classes.entry(EntryClass::of(entry)).or_default();
        class.listed += 1;
        class.assured += u64::from(replied == Replied::Assured);
        class.unreplied += u64::from(entry.status & status::SEEN_REPLY == 0);
        if let Some(seconds) = entry.remaining {
            class.remaining.add(seconds.into());
        }
        if let Some(started) = entry.started {
            class
                .age
                .add(self.now.saturating_sub(started) / 1_000_000_000);
        }
        let assured = replied == Replied::Assured;
        self.counts.early_drop += u64::from(!assured);
        self.counts.nearly_full += u64::from(!assured || entry.is_closing());
        if let Some(helper) = entry.helper {
            *self.helpers.entry(helper).or_insert(0) += 1;
        }
        self.count_ends(entry);
    }

    /// What was counted, with at most `rows` of each [`EndBy`].
    #[must_use]
    pub fn finish(self, rows: usize) -> EntryCounts {
        let ends = EndBy::ALL.into_iter().zip(self.ends);
        let known = |by: &EndBy| {
            let by_addresses = matches!(by, EndBy::Remote | EndBy::Inbound | EndBy::Outbound);
            !by_addresses || self.own.is_some()
        };
        EntryCounts {
            classes: most_first(self.classes, |counts| counts.listed),
            helpers: most_first(self.helpers, |count| *count),
            directions: self.own.as_ref().map(|_| self.directions),
            ends: ends
                .filter(|(by, _)| known(by))
                .map(|(by, counts)| (by, TopEnds::of(counts, rows)))
                .collect(),
            ..self.counts
        }
    }

    fn count_marks(&mut self, entry: &Entry) {
        let marks = &mut self.counts.marks;
        let of_replied = match Replied::of(entry.status) {
            Replied::No => &mut marks.unreplied,
            Replied::Yes => &mut marks.neither,
            Replied::Assured => &mut marks.assured,
        };
        *of_replied += 1;
        marks.helper += u64::from(entry.helper.is_some());
        for (bit, count) in [
            (status::OFFLOAD, &mut marks.offload),
            (status::HW_OFFLOAD, &mut marks.hw_offload),
            (status::EXPECTED, &mut marks.expected),
            (status::SRC_NAT, &mut marks.snat),
            (status::DST_NAT, &mut marks.dnat),
        ] {
            *count += u64::from(entry.status & bit != 0);
        }
    }

    fn count_ends(&mut self, entry: &Entry) {
        let ports = conntrack_ebpf::tuple::has_ports(entry.protocol);
        let port = |port| ports.then_some(port);
        let whole = |address: Option<IpAddr>, number| End {
            protocol: Some(entry.protocol),
            address: address.map(IpNet::from),
            port: port(number),
        };
        let of_port = |number| whole(None, number);
        let (to, from) = (entry.original, entry.reply);
        self.count(EndBy::Service, whole(to.dst, to.dport));
        if entry.status & status::DST_NAT != 0 {
            self.count(EndBy::Real, whole(from.src, from.sport));
        }
        if entry.status & status::SRC_NAT != 0 {
            self.count(
                EndBy::Translated,
                End::of_address(from.dst.map(IpNet::from)),
            );
        }
        let Some(own) = &self.own else { return };
        let destination = from.src.or(to.dst);
        let is_own = |address: &IpAddr| address.is_loopback() || own.contains(address);
        let starts_here = to.src.as_ref().is_some_and(is_own);
        let ends_here = destination
            .as_ref()
            .is_some_and(|address| is_own(address) || (!starts_here && reaches_many(address)));
        let prefixes = self.prefixes;
        let remote = |address: Option<IpAddr>| {
            End::of_address(address.and_then(|address| prefix(address, prefixes)))
        };
        let directions = &mut self.directions;
        match (starts_here, ends_here) {
            (true, true) => {
                directions.local += 1;
                self.count(EndBy::Inbound, of_port(from.sport));
            }
            (true, false) => {
                directions.outbound += 1;
                self.count(EndBy::Outbound, of_port(to.dport));
                self.count(EndBy::Remote, remote(destination));
            }
            (false, true) => {
                directions.inbound += 1;
                self.count(EndBy::Inbound, of_port(from.sport));
                self.count(EndBy::Remote, remote(to.src));
            }
            (false, false) => directions.forwarded += 1,
        }
    }

    fn count(&mut self, by: EndBy, end: End) {
        *self.ends[by as usize].entry(end).or_insert(0) += 1;
    }
}

impl End {
    const fn of_address(address: Option<IpNet>) -> Self {
        Self {
            protocol: None,
            address,
            port: None,
        }
    }
}

impl EntryClass {
    /// The class of an entry.
    #[must_use]
    pub fn of(entry: &Entry) -> Self {
        let phase = match (entry.state, entry.sctp_state) {
            _ if entry.status & status::OFFLOAD != 0 => EntryPhase::Offloaded,
            (Some(state), _) => EntryPhase::Tcp(state),
            (None, Some(state)) => EntryPhase::Sctp(state),
            (None, None) => EntryPhase::Replied(Replied::of(entry.status)),
        };
        Self {
            protocol: entry.protocol,
            phase,
        }
    }
}

impl TopEnds {
    fn of(counts: HashMap<End, u64>, rows: usize) -> Self {
        let total = counts.values().sum();
        let mut all = most_first(counts, |count| *count);
        let rest = all.split_off(all.len().min(rows));
        let next = rest.first().map_or(0, |(_, count)| *count);
        Self {
            total,
            certain: all.last().is_none_or(|(_, count)| *count >= next),
            rows: all,
        }
    }
}

fn most_first<K: Ord + Hash, V>(counts: HashMap<K, V>, count: impl Fn(&V) -> u64) -> Vec<(K, V)> {
    let mut all: Vec<_> = counts.into_iter().collect();
    all.sort_unstable_by(|(a, x), (b, y)| count(y).cmp(&count(x)).then_with(|| a.cmp(b)));
    all
}

/// Whether packets to it reach many hosts, this one perhaps among them.
fn reaches_many(address: &IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    broadcast || address.is_multicast()
}

fn prefix(address: IpAddr, prefixes: Prefixes) -> Option<IpNet> {
    let bits = match address {
        IpAddr::V4(_) => prefixes.ipv4,
        IpAddr::V6(_) => prefixes.ipv6,
    };
    IpNet::new(address, u8::try_from(bits).ok()?)
        .ok()
        .map(|net| net.trunc())
}

#[cfg(test)]
mod tests;
