//! Entries of the conntrack table, and the keys they are grouped by.

use std::net::IpAddr;

use conntrack_ebpf::heavy_hitters::{By, FlowKey, Prefixes};

/// One entry of the table, with the attributes it can be grouped by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entry {
    /// Of packets in the direction of the first one.
    pub original: EntryTuple,
    /// Of packets that answer: it differs from the inverse of the other where addresses are translated.
    pub reply: EntryTuple,
    /// IANA number of the protocol.
    pub protocol: u8,
    /// State of a TCP connection (`enum tcp_conntrack`); `None` for other protocols, and where a flow table forwards.
    pub state: Option<u8>,
    /// The same of an SCTP association (`enum sctp_conntrack`).
    pub sctp_state: Option<u8>,
    /// Bits of `enum ip_conntrack_status`.
    pub status: u32,
    /// Conntrack zone.
    pub zone: u16,
    /// Conntrack mark.
    pub mark: u32,
    /// Seconds until it is removed if no packet comes.
    pub remaining: Option<u32>,
    /// When it was made, in nanoseconds since 1970; only with net.netfilter.nf_conntrack_timestamp.
    pub started: Option<u64>,
    /// The helper that follows it: its name as the kernel has it, padded with zeros, of which there is one at least.
    pub helper: Option<[u8; HELPER_NAME]>,
}

/// `NF_CT_HELPER_NAME_LEN`.
pub const HELPER_NAME: usize = 16;

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
    pub const EXPECTED: u32 = 1;
    pub const SEEN_REPLY: u32 = 1 << 1;
    pub const ASSURED: u32 = 1 << 2;
    pub const SRC_NAT: u32 = 1 << 4;
    pub const DST_NAT: u32 = 1 << 5;
    pub const OFFLOAD: u32 = 1 << 14;
    pub const HW_OFFLOAD: u32 = 1 << 15;
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Replied {
    /// No packet has come back.
    No,
    /// One has, and no more.
    Yes,
    /// Established as its protocol has it, and so not evicted for others.
    Assured,
}

impl Replied {
    /// All of them, by the number in their keys.
    pub const ALL: [Self; 3] = [Self::No, Self::Yes, Self::Assured];

    /// Of an entry with these bits.
    #[must_use]
    pub const fn of(bits: u32) -> Self {
        if bits & status::ASSURED != 0 {
            Self::Assured
        } else if bits & status::SEEN_REPLY != 0 {
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
    /// Whether the collector of garbage takes it from a table that is nearly full although it is assured, as its connection is
    /// closing (`tcp_can_early_drop()`, `sctp_can_early_drop()`).
    #[must_use]
    pub const fn is_closing(&self) -> bool {
        // FIN_WAIT, CLOSE_WAIT, LAST_ACK, TIME_WAIT, CLOSE; SHUTDOWN_SENT, SHUTDOWN_RECD, SHUTDOWN_ACK_SENT.
        matches!(self.state, Some(4..=8)) || matches!(self.sctp_state, Some(5..=7))
    }

    /// The key of the group it belongs to; `None` where it belongs to none (a UDP flow has no TCP state).
    #[must_use]
    pub fn key(&self, by: GroupBy, slot: u32, prefixes: Prefixes) -> Option<FlowKey> {
        Some(match by {
            GroupBy::Tuple(By::Source) => address_key(self.original.src, slot, prefixes),
            GroupBy::Tuple(By::Destination) => address_key(self.original.dst, slot, prefixes),
            GroupBy::Tuple(By::Port) => FlowKey::port(slot, self.protocol, self.original.dport),
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
    /// It was ended after a part of them. Entries are listed in the order of their buckets, in which a secret hash has put them,
    /// so these are a random sample.
    Sampled,
}
