//! Reads the kernel's structures, at offsets that user space takes from the running kernel's BTF.

use aya_ebpf::{EbpfContext, helpers::bpf_jiffies64};

use crate::{
    fields::{field, field_in, read},
    globals::{
        EXPECT_MASTER, HOOK_STATE_NET, NET_INUM, NF_CONN_NET, NF_CONN_STATUS, NF_CONN_TIMEOUT,
        NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, SKB_NFCT, TUPLE_DIR, TUPLEHASH_TUPLE,
    },
    totals::count_fault,
};

/// `IPS_CONFIRMED` of `enum ip_conntrack_status`. These constants are uapi, the same in every kernel.
const IPS_CONFIRMED: u64 = 1 << 3;
/// `IPS_NAT_MASK`: source or destination are translated.
const IPS_NAT_MASK: u64 = 1 << 4 | 1 << 5;
const IPS_DYING: u64 = 1 << 9;
const IPS_TEMPLATE: u64 = 1 << 11;
/// Since 5.7. Before, the bit was `IPS_UNTRACKED`, which no conntrack in the table had.
const IPS_NAT_CLASH: u64 = 1 << 12;

/// `NFCT_PTRMASK` of include/linux/skbuff.h: the rest is the direction and state of the packet.
const NFCT_PTRMASK: u64 = !7;
/// `_nfct` of a packet marked untracked: no conntrack, `IP_CT_UNTRACKED`.
const NFCT_UNTRACKED: u64 = 7;

/// Verdicts of netfilter hooks: uapi.
pub(crate) const NF_DROP: u32 = 0;
pub(crate) const NF_ACCEPT: u32 = 1;

/// `MAX_ERRNO` of linux/err.h.
const MAX_ERRNO: u64 = 4095;

/// A `struct net *`.
#[derive(Clone, Copy)]
pub(crate) struct Net(u64);

impl Net {
    /// From a function's argument.
    #[inline(always)]
    pub(crate) fn new(pointer: u64) -> Self {
        Self(pointer)
    }

    /// The pointer as a number.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0
    }

    /// Its inode number. It is never 0, which is what loads at an address that cannot be read give.
    #[inline(always)]
    pub(crate) fn inode<C: EbpfContext>(self, ctx: &C) -> Option<u32> {
        let inode = field(ctx, self.0, &NET_INUM)?;
        if inode == 0 {
            count_fault();
            return None;
        }
        Some(inode)
    }
}

/// A `struct nf_conn *`.
#[derive(Clone, Copy)]
pub(crate) struct Conn(u64);

impl Conn {
    /// From a function's argument.
    #[inline(always)]
    pub(crate) fn new(pointer: u64) -> Self {
        Self(pointer)
    }

    /// The pointer as a number.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0
    }

    /// Its namespace.
    #[inline(always)]
    pub(crate) fn net<C: EbpfContext>(self, ctx: &C) -> Option<Net> {
        field(ctx, self.0, &NF_CONN_NET).map(Net)
    }

    /// Its state flags.
    #[inline(always)]
    pub(crate) fn status<C: EbpfContext>(self, ctx: &C) -> Option<ConnStatus> {
        field(ctx, self.0, &NF_CONN_STATUS).map(ConnStatus)
    }

    /// Its namespace and state flags: by the helper in a single read if they are adjacent, which they are in every kernel so far.
    #[inline(always)]
    pub(crate) fn net_and_status<C: EbpfContext>(self, ctx: &C) -> Option<(Net, ConnStatus)> {
        let status = NF_CONN_STATUS.offset();
        if NF_CONN_STATUS.structure() == 0
            && NF_CONN_NET.offset() == status + size_of::<u64>() as u64
        {
            let [status, net]: [u64; 2] = read(ctx, self.0, status)?;
            Some((Net(net), ConnStatus(status)))
        } else {
            Some((self.net(ctx)?, self.status(ctx)?))
        }
    }

    /// `nf_ct_is_expired`. jiffies is the low half of jiffies64; `timeout` is absolute once the conntrack is confirmed.
    #[inline(always)]
    pub(crate) fn is_expired<C: EbpfContext>(self, ctx: &C) -> bool {
        // SAFETY: a helper without arguments.
        let now = unsafe { bpf_jiffies64() } as u32;
        field(ctx, self.0, &NF_CONN_TIMEOUT)
            .is_some_and(|timeout: u32| timeout.wrapping_sub(now) as i32 <= 0)
    }
}

/// `nf_conn.status`.
#[derive(Clone, Copy)]
pub(crate) struct ConnStatus(u64);

impl ConnStatus {
    /// Whether it is in the table.
    #[inline(always)]
    pub(crate) fn is_confirmed(self) -> bool {
        self.0 & IPS_CONFIRMED != 0
    }

    /// Whether its removal has started.
    #[inline(always)]
    pub(crate) fn is_dying(self) -> bool {
        self.0 & IPS_DYING != 0
    }

    /// Whether it is in the table by its reply alone (`nf_ct_resolve_clash_harder`).
    #[inline(always)]
    pub(crate) fn is_clash(self) -> bool {
        self.0 & IPS_NAT_CLASH != 0
    }

    /// Whether NAT gives it another source or destination.
    #[inline(always)]
    pub(crate) fn is_translated(self) -> bool {
        self.0 & IPS_NAT_MASK != 0
    }

    /// Whether it is a template (from `nft ct zone set` and the like), which is never in the table.
    #[inline(always)]
    pub(crate) fn is_template(self) -> bool {
        self.0 & IPS_TEMPLATE != 0
    }
}

/// A `struct nf_conntrack_tuple_hash *`: one direction of a conntrack.
#[derive(Clone, Copy)]
pub(crate) struct TupleHash(u64);

impl TupleHash {
    /// From a function's return value.
    #[inline(always)]
    pub(crate) fn new(pointer: u64) -> Self {
        Self(pointer)
    }

    /// The pointer as a number.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0
    }

    /// `nf_ct_tuplehash_to_ctrack`.
    #[inline(always)]
    pub(crate) fn conn<C: EbpfContext>(self, ctx: &C) -> Option<Conn> {
        let dir: u8 = field_in(ctx, self.0, &TUPLEHASH_TUPLE, TUPLE_DIR.offset())?;
        let before = match dir {
            0 => NF_CONN_TUPLEHASH.offset(),
            _ => NF_CONN_TUPLEHASH_REPLY.offset(),
        };
        Some(Conn(self.0.wrapping_sub(before)))
    }
}

/// Offset of a conntrack's tuple in its original direction.
#[inline(always)]
pub(crate) fn conn_tuple_offset() -> u64 {
    NF_CONN_TUPLEHASH.offset() + TUPLEHASH_TUPLE.offset()
}

/// Offset of the tuple of its replies.
#[inline(always)]
pub(crate) fn conn_reply_offset() -> u64 {
    NF_CONN_TUPLEHASH_REPLY.offset() + TUPLEHASH_TUPLE.offset()
}

/// A `struct sk_buff *`.
#[derive(Clone, Copy)]
pub(crate) struct Packet(u64);

impl Packet {
    /// From a function's argument.
    #[inline(always)]
    pub(crate) fn new(pointer: u64) -> Self {
        Self(pointer)
    }

    /// The pointer as a number.
    #[inline(always)]
    pub(crate) fn address(self) -> u64 {
        self.0
    }

    /// Its conntrack, and its relation to it.
    #[inline(always)]
    pub(crate) fn nfct<C: EbpfContext>(self, ctx: &C) -> Option<Nfct> {
        field(ctx, self.0, &SKB_NFCT).map(Nfct)
    }
}

/// `sk_buff._nfct`: a conntrack and, in the low bits, the packet's relation to it.
#[derive(Clone, Copy)]
pub(crate) struct Nfct(u64);

impl Nfct {
    /// Whether nothing is set: never tracked, or invalid.
    #[inline(always)]
    pub(crate) fn is_none(self) -> bool {
        self.0 == 0
    }

    /// Whether it is marked untracked (`notrack`).
    #[inline(always)]
    pub(crate) fn is_untracked(self) -> bool {
        self.0 & !NFCT_PTRMASK == NFCT_UNTRACKED
    }

    /// The conntrack.
    #[inline(always)]
    pub(crate) fn conn(self) -> Option<Conn> {
        let pointer = self.0 & NFCT_PTRMASK;
        (pointer != 0).then_some(Conn(pointer))
    }
}

/// `nf_hook_state.net`.
#[inline(always)]
pub(crate) fn hook_net<C: EbpfContext>(ctx: &C, state: u64) -> Option<Net> {
    field(ctx, state, &HOOK_STATE_NET).map(Net)
}

/// The conntrack whose helper created an expectation: `exp->master`. An expectation lives in its master's namespace, and holds a
/// reference to it.
#[inline(always)]
pub(crate) fn expectation_master<C: EbpfContext>(ctx: &C, expectation: u64) -> Option<Conn> {
    field(ctx, expectation, &EXPECT_MASTER).map(Conn)
}

/// `IS_ERR_OR_NULL` of linux/err.h.
#[inline(always)]
pub(crate) fn is_err_or_null(pointer: u64) -> bool {
    pointer == 0 || pointer >= MAX_ERRNO.wrapping_neg()
}
