//! Tuples: what identifies a flow. As the kernel lays them out, byte by byte; user space reads them.

use aya_ebpf::{EbpfContext, Global};
use conntrack_ebpf::TUPLE_SIZE;

use crate::kernel::{Conn, Packet, conn_tuple_offset, read};

#[unsafe(no_mangle)]
static SKB_HEAD: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SKB_NETWORK_HEADER: Global<u32> = Global::new(0);

/// `PF_INET` and `PF_INET6`, as `src.l3num` has them.
const INET: u8 = 2;
const INET6: u8 = 10;

/// `IPPROTO_ICMP` and `IPPROTO_ICMPV6`.
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// A `struct nf_conntrack_tuple`.
#[derive(Clone, Copy)]
pub(crate) struct Tuple(pub(crate) [u8; TUPLE_SIZE]);

/// A tuple, if it is known. Its bytes always have values: what an `Option` holds of a `None` has none, and
/// the verifier refuses programs that move such a register about.
#[derive(Clone, Copy)]
pub(crate) struct MaybeTuple {
    pub(crate) known: bool,
    /// Of no meaning where it is not known.
    pub(crate) bytes: [u8; TUPLE_SIZE],
}

impl MaybeTuple {
    /// None.
    pub(crate) const UNKNOWN: Self = Self {
        known: false,
        bytes: [0; TUPLE_SIZE],
    };
}

impl From<Option<Tuple>> for MaybeTuple {
    #[inline(always)]
    fn from(tuple: Option<Tuple>) -> Self {
        tuple.map_or(Self::UNKNOWN, |tuple| Self {
            known: true,
            bytes: tuple.0,
        })
    }
}

/// Offsets in it (include/net/netfilter/nf_conntrack_tuple.h).
const SRC: usize = 0;
const SRC_PORT: usize = 16;
const L3NUM: usize = 18;
const DST: usize = 20;
const DST_PORT: usize = 36;
const PROTONUM: usize = 38;

impl Tuple {
    /// The tuple at an address.
    #[inline(always)]
    pub(crate) fn at<C: EbpfContext>(ctx: &C, address: u64) -> Option<Self> {
        read(ctx, address, 0).map(Self)
    }

    /// A conntrack's, in its original direction.
    #[inline(always)]
    pub(crate) fn of<C: EbpfContext>(ctx: &C, ct: Conn) -> Option<Self> {
        read(ctx, ct.address(), conn_tuple_offset()).map(Self)
    }
}

impl MaybeTuple {
    /// A packet's, from its headers: for packets that got no conntrack. Ports are those behind an
    /// IPv4 header, or behind an IPv6 header without extensions.
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
        let head: u64 = read(ctx, packet.address(), SKB_HEAD.load())?;
        let offset: u16 = read(ctx, packet.address(), SKB_NETWORK_HEADER.load())?;
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
                (protocol, u32::from(first & 0xf) * 4)
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
        if protocol == ICMP || protocol == ICMPV6 {
            // `dst.u.icmp`: type and code.
            tuple[DST_PORT] = words[0];
            tuple[DST_PORT + 1] = words[1];
        } else {
            tuple[SRC_PORT] = words[0];
            tuple[SRC_PORT + 1] = words[1];
            tuple[DST_PORT] = words[2];
            tuple[DST_PORT + 1] = words[3];
        }
        Some(())
    }
}
