//! Keys by which flows are counted.

use crate::tuple::{
    DST, DST_PORT, INET, INET6, L3NUM, PROTONUM, SRC, TUPLE_SIZE, TupleBytes, has_ports,
};

/// The kinds of keys, from the tuple in its original direction.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum By {
    /// Source address or prefix.
    Source = 0,
    /// Destination address or prefix.
    Destination = 1,
    /// Protocol and destination port.
    Port = 2,
}

impl By {
    /// All, in the order of their discriminants.
    pub const ALL: [Self; 3] = [Self::Source, Self::Destination, Self::Port];
}

/// The prefix lengths by which addresses are grouped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefixes {
    /// Of IPv4 addresses, 0 to 32 bits.
    pub ipv4: u32,
    /// Of IPv6 addresses, 0 to 128 bits.
    pub ipv6: u32,
}

/// A key that several flows have in common: an address, a port, or another number. 24 bytes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Upper half of an IPv6 address.
    pub high: u64,
    /// Lower half of an IPv6 address, an IPv4 address, a port, another number.
    pub low: u64,
    /// Instance in the lower half, kind of the key in the upper.
    pub tag: u64,
}

/// By what flows are counted: whose they are, or where they go.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyKind {
    /// The tuple could not be read.
    Unknown = 0,
    /// An IPv4 prefix in host byte order.
    Ipv4 = 1,
    /// An IPv6 prefix in host byte order.
    Ipv6 = 2,
    /// Protocol and port: `protocol << 16 | port`.
    Port = 3,
    /// A protocol without ports.
    Protocol = 4,
    /// A number whose meaning depends on the table.
    Number = 5,
}

impl KeyKind {
    const ALL: [Self; 6] = [
        Self::Unknown,
        Self::Ipv4,
        Self::Ipv6,
        Self::Port,
        Self::Protocol,
        Self::Number,
    ];
}

impl FlowKey {
    #[inline(always)]
    const fn new(slot: u32, kind: KeyKind, high: u64, low: u64) -> Self {
        Self {
            high,
            low,
            tag: (kind as u64) << 32 | slot as u64,
        }
    }

    /// The key of flows whose tuple is unknown.
    #[inline(always)]
    #[must_use]
    pub const fn unknown(slot: u32) -> Self {
        Self::new(slot, KeyKind::Unknown, 0, 0)
    }

    /// The key of an IPv4 address, given in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn ipv4(slot: u32, address: u32, prefixes: Prefixes) -> Self {
        let address = address as u64 & upper(32 - prefixes.ipv4);
        Self::new(slot, KeyKind::Ipv4, 0, address)
    }

    /// The key of an IPv6 address, given by its halves in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn ipv6(slot: u32, high: u64, low: u64, prefixes: Prefixes) -> Self {
        let (high_mask, low_mask) = if prefixes.ipv6 > 64 {
            (u64::MAX, upper(128 - prefixes.ipv6))
        } else {
            (upper(64 - prefixes.ipv6), 0)
        };
        Self::new(slot, KeyKind::Ipv6, high & high_mask, low & low_mask)
    }

    /// The key of a protocol's port; protocols without ports have one key each.
    #[inline(always)]
    #[must_use]
    pub const fn port(slot: u32, protocol: u8, port: u16) -> Self {
        if has_ports(protocol) {
            let port = (protocol as u64) << 16 | port as u64;
            Self::new(slot, KeyKind::Port, 0, port)
        } else {
            Self::new(slot, KeyKind::Protocol, 0, protocol as u64)
        }
    }

    /// The key of a number whose meaning depends on the table.
    #[must_use]
    pub const fn number(slot: u32, number: u64) -> Self {
        Self::new(slot, KeyKind::Number, 0, number)
    }

    /// The keys of a flow by what it is counted, from its tuple, in the order of [`By::ALL`].
    #[inline(always)]
    #[must_use]
    pub fn all(tuple: &impl TupleBytes, slot: u32, prefixes: Prefixes) -> [Self; By::ALL.len()] {
        let ipv4 = |at| Self::ipv4(slot, u32::from_be(tuple.word(at)), prefixes);
        let ipv6 = |at| {
            let half = |at| {
                let (upper, lower) = (tuple.word(at), tuple.word(at + 4));
                u64::from(u32::from_be(upper)) << 32 | u64::from(u32::from_be(lower))
            };
            Self::ipv6(slot, half(at), half(at + 8), prefixes)
        };
        let (source, destination) = match tuple.byte(L3NUM) {
            INET => (ipv4(SRC), ipv4(DST)),
            INET6 => (ipv6(SRC), ipv6(DST)),
            _ => (Self::unknown(slot), Self::unknown(slot)),
        };
        let port = u16::from_be(tuple.half(DST_PORT));
        [
            source,
            destination,
            Self::port(slot, tuple.byte(PROTONUM), port),
        ]
    }

    /// The key of a flow by one of them.
    #[must_use]
    pub fn of(by: By, tuple: &[u8; TUPLE_SIZE], slot: u32, prefixes: Prefixes) -> Self {
        let [source, destination, port] = Self::all(tuple, slot, prefixes);
        match by {
            By::Source => source,
            By::Destination => destination,
            By::Port => port,
        }
    }

    /// Whether it is another one. The lower half is compared first, as that is in which most keys differ.
    #[inline(always)]
    #[must_use]
    pub const fn is(&self, other: &Self) -> bool {
        self.low == other.low && self.high == other.high && self.tag == other.tag
    }

    /// The instance of the flows.
    #[must_use]
    pub const fn slot(&self) -> u32 {
        self.tag as u32
    }

    /// The kind of the key, from the upper half of the tag; unknown if that is invalid.
    #[must_use]
    pub fn kind(&self) -> KeyKind {
        let kind = (self.tag >> 32) as u32;
        KeyKind::ALL
            .into_iter()
            .find(|known| *known as u32 == kind)
            .unwrap_or(KeyKind::Unknown)
    }

    /// The set of the key, below 2^`set_bits`. It depends on `seed`, so that senders of packets cannot choose keys that share a
    /// set.
    #[inline(always)]
    #[must_use]
    pub const fn set(&self, seed: u32, set_bits: u32) -> u32 {
        // Multiplications by odd constants (from splitmix64), each folding the upper half into the lower.
        let mut hash = (self.high ^ self.tag ^ ((seed as u64) << 32 | seed as u64))
            .wrapping_mul(0xbf58_476d_1ce4_e5b9);
        hash ^= hash >> 31;
        hash = (hash ^ self.low).wrapping_mul(0x94d0_49bb_1331_11eb);
        hash ^= hash >> 32;
        (hash as u32) & ((1 << set_bits) - 1)
    }
}

/// A mask without the lowest bits; 0 if there are more than 63 of them.
#[inline(always)]
const fn upper(bits: u32) -> u64 {
    if bits > 63 { 0 } else { u64::MAX << bits }
}
