//! `struct nf_conntrack_tuple` (include/net/netfilter/nf_conntrack_tuple.h), which identifies a flow: offsets and constants of
//! its members. The layout has not changed since 2.6.20.

/// Its size in bytes.
pub const TUPLE_SIZE: usize = 40;

/// Offset of the source address: 4 bytes of IPv4 or 16 of IPv6, in network byte order.
pub const SRC: usize = 0;
/// Offset of the source port: 2 bytes in network byte order.
pub const SRC_PORT: usize = 16;
/// Offset of the address family: 2 bytes in host byte order, [`INET`] or [`INET6`].
pub const L3NUM: usize = 18;
/// Offset of the destination address, as the source's.
pub const DST: usize = 20;
/// Offset of the destination port: 2 bytes in network byte order. For ICMP it is the type, …
pub const DST_PORT: usize = 36;
/// … and this the code: one byte each.
pub const ICMP_CODE: usize = DST_PORT + 1;
/// Offset of the protocol: its IANA number in a byte.
pub const PROTONUM: usize = 38;

/// The bytes of a tuple, wherever they are. Offsets are multiples of the size of what is there.
pub trait TupleBytes {
    /// The byte at an offset.
    fn byte(&self, at: usize) -> u8;
    /// The 2 bytes at an offset, in the order of memory.
    fn half(&self, at: usize) -> u16;
    /// The 4 bytes at an offset, in the order of memory.
    fn word(&self, at: usize) -> u32;
}

impl TupleBytes for [u8; TUPLE_SIZE] {
    fn byte(&self, at: usize) -> u8 {
        self[at]
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_ne_bytes([self[at], self[at + 1]])
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_ne_bytes([self[at], self[at + 1], self[at + 2], self[at + 3]])
    }
}

/// `PF_INET`.
pub const INET: u8 = 2;
/// `PF_INET6`.
pub const INET6: u8 = 10;

/// `IPPROTO_ICMP`.
pub const ICMP: u8 = 1;
/// `IPPROTO_ICMPV6`.
pub const ICMPV6: u8 = 58;

/// Whether a protocol (an IANA number) is ICMP, whose tuples have a type and a code.
#[inline(always)]
#[must_use]
pub const fn is_icmp(protocol: u8) -> bool {
    protocol == ICMP || protocol == ICMPV6
}

/// Whether a protocol (an IANA number) has ports: TCP, UDP, DCCP, SCTP and UDP-Lite.
#[inline(always)]
#[must_use]
pub const fn has_ports(protocol: u8) -> bool {
    matches!(protocol, 6 | 17 | 33 | 132 | 136)
}
