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
    /// Of packets that answer: it differs from the inverse of the other direction where addresses are translated.
    pub reply: EntryTuple,
    /// IANA number of the protocol.
    pub protocol: u8,
    /// Destination port of the original direction; 0 for protocols without ports.
    pub port: u16,
    /// State of a TCP connection (`enum tcp_conntrack`); `None` for other protocols.
    pub state: Option<u8>,
    /// Bits of `enum ip_conntrack_status`.
    pub status: u32,
    /// Conntrack zone.
    pub zone: u16,
    /// Conntrack mark.
    pub mark: u32,
}

/// The ends of an entry in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EntryTuple {
    /// Source address.
    pub src: Option<IpAddr>,
    /// Destination address.
    pub dst: Option<IpAddr>,
    /// Source port; 0 for protocols without ports, as the other.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

/// Bits of `enum ip_conntrack_status` (linux/netfilter/nf_conntrack_common.h).
pub mod status {
    pub const SRC_NAT: u32 = 1 << 4;
}

/// What entries are grouped by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GroupBy {
    /// Address or port of the original direction.
    Tuple(By),
    Protocol,
    /// State of a TCP connection.
    State,
    /// Whether a reply was seen, and whether it is spared from eviction ([`Replied`]).
    Status,
    Zone,
    Mark,
}

/// How far a flow has come, by its status. A full table evicts those that are not assured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replied {
    /// No packet has come back.
    No,
    /// One has, and no more.
    Yes,
    /// Established as its protocol has it, and so not evicted for others.
    Assured,
}

impl Replied {
    /// `IPS_SEEN_REPLY` and `IPS_ASSURED` of linux/netfilter/nf_conntrack_common.h.
    const SEEN_REPLY: u32 = 1 << 1;
    const ASSURED: u32 = 1 << 2;

    /// All of them, by the number in their keys.
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Assured];

    const fn of(status: u32) -> Self {
        if status & Self::ASSURED != 0 {
            Self::Assured
        } else if status & Self::SEEN_REPLY != 0 {
            Self::Yes
        } else {
            Self::No
        }
    }

    /// Its name, as `conntrack -L` prints it where it does.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "UNREPLIED",
            Self::Yes => "REPLIED",
            Self::Assured => "ASSURED",
        }
    }
}

impl GroupBy {
    /// All groupings, in the order in which their tables are reported.
    pub const ALL: [Self; 8] = [
        Self::Tuple(By::Source),
        Self::Tuple(By::Destination),
        Self::Tuple(By::Port),
        Self::Protocol,
        Self::State,
        Self::Status,
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
            Self::Status => "status",
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
            GroupBy::Status => FlowKey::number(slot, Replied::of(self.status) as u64),
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
