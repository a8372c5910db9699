//! Rare events of individual interest, as sent through the ring buffer.

use crate::tuple::TUPLE_SIZE;

/// What can happen to a packet or a flow that is reported with its tuple.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A new flow was rejected because the table is full.
    TableFull = 0,
    /// A flow was evicted for another.
    EarlyDrop = 1,
    /// Two packets raced to create a flow, and both survived.
    Clash = 2,
    /// A flow could not be inserted.
    InsertFailed = 3,
    /// A flow could not be inserted because its hash chain is too long.
    ChainTooLong = 4,
    /// A packet that no tracker accepts.
    Invalid = 5,
    /// A malformed ICMP packet, or one of unknown type.
    IcmpError = 6,
    /// A flow could not be inserted because NAT had found no free tuple for it.
    NatExhausted = 7,
    /// An expectation was refused: there are as many as `nf_conntrack_expect_max` allows, or the helper of its flow.
    ExpectFull = 8,
}

impl EventKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 9] = [
        Self::TableFull,
        Self::EarlyDrop,
        Self::Clash,
        Self::InsertFailed,
        Self::ChainTooLong,
        Self::Invalid,
        Self::IcmpError,
        Self::NatExhausted,
        Self::ExpectFull,
    ];
}

/// An event in the ring buffer. 152 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawEvent {
    /// `bpf_ktime_get_ns()`.
    pub time: u64,
    /// The instance.
    pub slot: u32,
    /// An [`EventKind`].
    pub kind: u32,
    /// The flow or packet: a `struct nf_conntrack_tuple` in the original direction.
    pub tuple: [u8; TUPLE_SIZE],
    /// The flow that took its place ([`EventKind::EarlyDrop`]).
    pub by: [u8; TUPLE_SIZE],
    /// What replies to the flow look like, or would: where NAT translates it, not the inverse of `tuple`.
    pub replies: [u8; TUPLE_SIZE],
    /// 1 when `tuple` is known.
    pub has_tuple: u32,
    /// 1 when `by` is known.
    pub has_by: u32,
    /// 1 when `replies` is known: there is a conntrack, not only a packet.
    pub has_replies: u32,
    /// Padding.
    pub reserved: u32,
}

const _: () = assert!(size_of::<RawEvent>() == 152);

/// The number of events of one kind, by what became of them. 64 bytes: a cache line.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EventStats {
    /// The second (of `bpf_ktime_get_ns`) of `in_second`.
    pub second: u64,
    /// Events of that second.
    pub in_second: u64,
    /// Events written to the ring.
    pub sent: u64,
    /// Events suppressed because [`EVENT_RATE`](crate::globals::EVENT_RATE) was reached in their second.
    pub suppressed: u64,
    /// Events lost because the ring was full.
    pub lost: u64,
    /// Padding to a cache line.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<EventStats>() == 64);
