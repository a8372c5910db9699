//! Entries of the conntrack table, and the keys they are grouped by.

use std::net::IpAddr;

use conntrack_ebpf::heavy_hitters::{By, FlowKey, Prefixes};

/// One entry of the table, with the attributes it can be grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Source address of the original direction.
    pub src: Option<IpAddr>,
    /// Destination address of the original direction.
    pub dst: Option<IpAddr>,
    /// IANA number of the protocol.
    pub protocol: u8,
    /// Destination port of the original direction; 0 for protocols without ports.
    pub port: u16,
    /// State of a TCP connection (`enum tcp_conntrack`); `None` for other protocols.
    pub state: Option<u8>,
    /// Conntrack zone.
    pub zone: u16,
    /// Conntrack mark.
    pub mark: u32,
}

/// What entries are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// Address or port of the original direction.
    Tuple(By),
    Protocol,
    /// State of a TCP connection.
    State,
    Zone,
    Mark,
}

impl GroupBy {
    /// All groupings, in the order in which their tables are reported.
    pub const ALL: [Self; 7] = [
        Self::Tuple(By::Source),
        Self::Tuple(By::Destination),
        Self::Tuple(By::Port),
        Self::Protocol,
        Self::State,
        Self::Zone,
        Self::Mark,
    ];

    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tuple(By::Source) => "src",
            Self::Tuple(By::Destination) => "dst",
            Self::Tuple(By::Port) => "dport",
            Self::Protocol => "proto",
            Self::State => "state",
            Self::Zone => "zone",
            Self::Mark => "mark",
        }
    }
}

impl Entry {
    /// The key of the group it belongs to; `None` where it belongs to none (a UDP flow has no TCP state).
    #[must_use]
    pub fn key(&self, by: GroupBy, slot: u32, prefixes: Prefixes) -> Option<FlowKey> {
        Some(match by {
            GroupBy::Tuple(By::Source) => address_key(self.src, slot, prefixes),
            GroupBy::Tuple(By::Destination) => address_key(self.dst, slot, prefixes),
            GroupBy::Tuple(By::Port) => FlowKey::port(slot, self.protocol, self.port),
            GroupBy::Protocol => FlowKey::number(slot, self.protocol.into()),
            GroupBy::State => FlowKey::number(slot, self.state?.into()),
            GroupBy::Zone => FlowKey::number(slot, self.zone.into()),
            GroupBy::Mark => FlowKey::number(slot, self.mark.into()),
        })
    }
}

/// The key of an address; all entries whose address is not known share one.
#[must_use]
pub fn address_key(address: Option<IpAddr>, slot: u32, prefixes: Prefixes) -> FlowKey {
    match address {
        Some(IpAddr::V4(address)) => FlowKey::ipv4(slot, address.to_bits(), prefixes),
        Some(IpAddr::V6(address)) => {
            let bits = address.to_bits();
            FlowKey::ipv6(slot, (bits >> 64) as u64, bits as u64, prefixes)
        }
        None => FlowKey::unknown(slot),
    }
}

/// How complete a listing of the entries is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listing {
    /// Every entry was listed.
    Whole,
    /// The table changed meanwhile (`NLM_F_DUMP_INTR`): entries may be missing.
    Changed,
    /// The kernel lost a part of the listing (`ENOBUFS`).
    Partial,
}
