//! Rare, individually interesting events, as they travel through the ring buffer.

use crate::tuple::TUPLE_SIZE;

/// What happened.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A new flow was refused because the table is full.
    TableFull = 0,
    /// A flow was evicted for another.
    EarlyDrop = 1,
    /// Two packets raced to create a flow, and both lived.
    Clash = 2,
    /// A flow could not be put into the table.
    InsertFailed = 3,
    /// A flow could not be put into the table because its chain is too long.
    ChainTooLong = 4,
    /// A packet that no tracker accepts.
    Invalid = 5,
    /// An ICMP packet at fault.
    IcmpError = 6,
}

impl EventKind {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 7] = [
        Self::TableFull,
        Self::EarlyDrop,
        Self::Clash,
        Self::InsertFailed,
        Self::ChainTooLong,
        Self::Invalid,
        Self::IcmpError,
    ];
}

/// An event in the ring buffer. 104 bytes.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RawEvent {
    /// `bpf_ktime_get_ns()`.
    pub time: u64,
    /// The instance.
    pub slot: u32,
    /// An [`EventKind`].
    pub kind: u32,
    /// The flow or packet it is about: a `struct nf_conntrack_tuple` in the original direction.
    pub tuple: [u8; TUPLE_SIZE],
    /// The flow that took its place ([`EventKind::EarlyDrop`]).
    pub by: [u8; TUPLE_SIZE],
    /// 1 when `tuple` is known.
    pub has_tuple: u32,
    /// 1 when `by` is known.
    pub has_by: u32,
}

const _: () = assert!(size_of::<RawEvent>() == 104);

/// What became of the events of one kind. 64 bytes: a cache line.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct EventStats {
    /// Second (of `bpf_ktime_get_ns`) in which `in_second` counts.
    pub second: u64,
    /// Events of that second.
    pub in_second: u64,
    /// Events put into the ring.
    pub sent: u64,
    /// Events left out because the second had [`EVENT_RATE`](crate::globals::EVENT_RATE) already.
    pub suppressed: u64,
    /// Events lost because the ring was full.
    pub lost: u64,
    /// Room to a cache line.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<EventStats>() == 64);
