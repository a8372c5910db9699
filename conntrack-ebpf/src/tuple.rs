//! Tuples, which identify flows, as raw bytes in the kernel's layout; user space parses them.

use aya_ebpf::EbpfContext;
use conntrack_ebpf::tuple::{
    DST, DST_PORT, ICMP_CODE, INET, INET6, L3NUM, PROTONUM, SRC, SRC_PORT, TUPLE_SIZE, is_icmp,
};

use crate::{
    fields::{field, read},
    globals::{SKB_HEAD, SKB_NETWORK_HEADER, TUPLEHASH_TUPLE},
    kernel::{Conn, Packet, TupleHash, conn_reply_offset, conn_tuple_offset},
};

/// A `struct nf_conntrack_tuple`.
#[derive(Clone, Copy)]
pub(crate) struct RawTuple(pub(crate) [u8; TUPLE_SIZE]);

/// A tuple, if it is known. Its bytes are always initialized: those of an `Option` that is `None` are not, and the verifier
/// rejects programs that copy them.
#[derive(Clone, Copy)]
pub(crate) struct MaybeTuple {
    pub(crate) known: bool,
    /// Meaningless if the tuple is unknown.
    pub(crate) bytes: [u8; TUPLE_SIZE],
}

impl MaybeTuple {
    /// An unknown tuple.
    pub(crate) const UNKNOWN: Self = Self {
        known: false,
        bytes: [0; TUPLE_SIZE],
    };
}

impl From<Option<RawTuple>> for MaybeTuple {
    #[inline(always)]
    fn from(tuple: Option<RawTuple>) -> Self {
        tuple.map_or(Self::UNKNOWN, |tuple| Self {
            known: true,
            bytes: tuple.0,
        })
    }
}

impl RawTuple {
    /// The tuple at an address.
    #[inline(always)]
    pub(crate) fn at<C: EbpfContext>(ctx: &C, address: u64) -> Option<Self> {
        read(ctx, address, 0).map(Self)
    }

    /// The tuple of a conntrack's replies.
    #[inline(always)]
    pub(crate) fn of_replies<C: EbpfContext>(ctx: &C, ct: Conn) -> Option<Self> {
        read(ctx, ct.address(), conn_reply_offset()).map(Self)
    }

    /// The tuple of one direction of a conntrack.
    #[inline(always)]
    pub(crate) fn of_direction<C: EbpfContext>(ctx: &C, direction: TupleHash) -> Option<Self> {
        read(ctx, direction.address(), TUPLEHASH_TUPLE.offset()).map(Self)
    }

    /// Whether two tuples differ in nothing but their direction (`nf_ct_tuple_equal`).
    #[inline(always)]
    pub(crate) fn identifies_same(&self, other: &Self) -> bool {
        self.0[..=PROTONUM] == other.0[..=PROTONUM]
    }
}

impl MaybeTuple {
    /// The tuple of a conntrack in its original direction, and that of its replies, as far as they can be read.
    #[inline(always)]
    pub(crate) fn both_of<C: EbpfContext>(ctx: &C, ct: Option<Conn>) -> [Self; 2] {
        let mut both = [Self::UNKNOWN; 2];
        if let Some(ct) = ct {
            both[0].take(ctx, ct, conn_tuple_offset());
            both[1].take(ctx, ct, conn_reply_offset());
        }
        both
    }

    #[inline(always)]
    fn take<C: EbpfContext>(&mut self, ctx: &C, ct: Conn, offset: u64) {
        if let Some(bytes) = read(ctx, ct.address(), offset) {
            self.bytes = bytes;
            self.known = true;
        }
    }

    /// The tuple of a packet without a conntrack, from its headers. Ports are read behind an IPv4 header, or behind an IPv6
    /// header without extensions.
    #[inline(always)]
    pub(crate) fn in_packet<C: EbpfContext>(ctx: &C, packet: Packet) -> Self {
        let mut tuple = Self::UNKNOWN;
        tuple.known = Self::read_packet(ctx, packet, &mut tuple.bytes).is_some();
        tuple
    }

    #[inline(always)]
    fn read_packet<C: EbpfContext>(
        ctx: &C,
        packet: Packet,
        tuple: &mut [u8; TUPLE_SIZE],
    ) -> Option<()> {
        let head: u64 = field(ctx, packet.address(), &SKB_HEAD)?;
        let offset: u16 = field(ctx, packet.address(), &SKB_NETWORK_HEADER)?;
        let header = head + u64::from(offset);
        let first: u8 = read(ctx, header, 0)?;
        let (protocol, transport) = match first >> 4 {
            4 => {
                let protocol: u8 = read(ctx, header, 9)?;
                let src: [u8; 4] = read(ctx, header, 12)?;
                let dst: [u8; 4] = read(ctx, header, 16)?;
                tuple[SRC..SRC + 4].copy_from_slice(&src);
                tuple[DST..DST + 4].copy_from_slice(&dst);
                tuple[L3NUM] = INET;
                (protocol, u64::from(first & 0xf) * 4)
            }
            6 => {
                let protocol: u8 = read(ctx, header, 6)?;
                let src: [u8; 16] = read(ctx, header, 8)?;
                let dst: [u8; 16] = read(ctx, header, 24)?;
                tuple[SRC..SRC + 16].copy_from_slice(&src);
                tuple[DST..DST + 16].copy_from_slice(&dst);
                tuple[L3NUM] = INET6;
                (protocol, 40)
            }
            _ => return None,
        };
        tuple[PROTONUM] = protocol;
        let words: [u8; 4] = read(ctx, header, transport)?;
        if is_icmp(protocol) {
            tuple[DST_PORT] = words[0];
            tuple[ICMP_CODE] = words[1];
        } else {
            tuple[SRC_PORT] = words[0];
            tuple[SRC_PORT + 1] = words[1];
            tuple[DST_PORT] = words[2];
            tuple[DST_PORT + 1] = words[3];
        }
        Some(())
    }
}
