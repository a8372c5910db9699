//! The memory that the eBPF programs and user space share: counter ids, the shape of the
//! memory-mapped maps, the names of the globals, and the programs with the functions they attach to.
//!
//! Nothing here depends on either side, so the crate builds for the host and for the bpf target.
//!
//! # Shape of the maps
//!
//! Both maps are `BPF_MAP_TYPE_ARRAY` with `BPF_F_MMAPABLE`; user space maps them read-only.
//! A *cell* is one CPU of one instance (network namespace): `cell = slot * cpus + cpu`, where
//! `cpus` is the number of CPU ids (highest possible id + 1), not the number of CPUs.
//!
//! | map | element | index |
//! |---|---|---|
//! | [`TOTALS_MAP`] | [`Totals`] | `cell` |
//! | [`BUCKETS_MAP`] | [`Bucket`] | `cell << ring_bits \| epoch & (2^ring_bits - 1)` |
//!
//! Only the programs write, and only ever to the cell of the CPU they run on.
#![no_std]

pub mod leaders;

/// Length of one time bucket as a power of two of nanoseconds: 2^20 ns = 1.048576 ms.
pub const BUCKET_SHIFT: u32 = 20;

/// Length of one time bucket in nanoseconds.
pub const BUCKET_NS: u64 = 1 << BUCKET_SHIFT;

/// Counters a cell has room for. 30 × u32 and the epoch make a [`Bucket`] of exactly two cache lines.
pub const COUNTER_SLOTS: usize = 30;

/// Name of the map of running totals.
pub const TOTALS_MAP: &str = "TOTALS";

/// Name of the map of time buckets.
pub const BUCKETS_MAP: &str = "BUCKETS";

/// What the programs count. The discriminant is the index into [`Totals::counts`] and [`Bucket::counts`].
///
/// The counters every flow touches come first, so that they share the first cache line.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProbeCounter {
    /// `__nf_conntrack_alloc` was entered. Unless the table is full or memory short, the
    /// namespace's entry count rises by one.
    AllocCall = 0,
    /// Of [`Self::AllocCall`], those of the packet path (`init_conntrack`), not of ctnetlink or BPF.
    AllocCallPacket = 1,
    /// `nf_conntrack_free` was entered: the namespace's entry count falls by one.
    Free = 2,
    /// `__nf_conntrack_hash_insert` was entered: a conntrack went into the table.
    Inserted = 3,
    /// A non-template conntrack was destroyed (`nf_ct_destroy`).
    Deleted = 4,
    /// A conntrack was taken out of the table (`__nf_ct_delete_from_lists`).
    DeleteList = 5,
    /// `nf_ct_find_expectation` found one: the new flow was expected.
    ExpectNew = 6,
    /// `early_drop` evicted nothing: an allocation was refused because the table is full.
    TableFull = 7,
    /// Of [`Self::TableFull`], those of the packet path.
    TableFullPacket = 8,
    /// A flow was evicted by `early_drop`.
    EarlyDrop = 9,
    /// `nf_ct_resolve_clash` let both packets live.
    ClashResolved = 10,
    /// `nf_ct_resolve_clash` dropped the packet.
    ClashFailed = 11,
    /// `nf_conntrack_hash_check_insert` inserted (ctnetlink, BPF).
    CheckInserted = 12,
    /// `nf_conntrack_hash_check_insert` refused because the chain was too long.
    CheckChainTooLong = 13,
    /// `nf_conntrack_tuple_taken` said yes.
    TupleTaken = 14,
    /// `nf_conntrack_icmpv4_error` or `nf_conntrack_icmpv6_error` found the packet at fault.
    IcmpError = 15,
    /// An expectation was made (`nf_ct_expect_related_report`, `…_pair` counts two).
    ExpectCreate = 16,
    /// An expectation was removed (`nf_ct_unlink_expect_report`).
    ExpectDelete = 17,
    /// `nf_ct_seq_adjust` failed: the packet is dropped.
    SeqAdjustFailed = 18,
    /// `__nf_conntrack_confirm` dropped a packet whose flow did not get into the table.
    ConfirmFailed = 19,
    /// Of [`Self::ConfirmFailed`], those for which only a chain that is too long remains as reason.
    ConfirmChainTooLong = 20,
    /// `__nf_conntrack_confirm` dropped a packet whose flow had got into the table, and was taken
    /// out again because extensions became stale meanwhile.
    ConfirmStale = 21,
    /// `nf_conntrack_in` was entered with a packet already tracked, or marked untracked.
    Ignore = 22,
    /// `nf_conntrack_in` dropped the packet.
    InDropped = 23,
    /// `nf_conntrack_in` let the packet pass without a conntrack.
    InUntracked = 24,
    /// `__nf_conntrack_find_get` was entered: a lookup for a packet.
    Lookup = 25,
    /// `__nf_conntrack_find_get` found something.
    LookupFound = 26,
}

impl ProbeCounter {
    /// All counters, in the order of their discriminants.
    pub const ALL: [Self; 27] = [
        Self::AllocCall,
        Self::AllocCallPacket,
        Self::Free,
        Self::Inserted,
        Self::Deleted,
        Self::DeleteList,
        Self::ExpectNew,
        Self::TableFull,
        Self::TableFullPacket,
        Self::EarlyDrop,
        Self::ClashResolved,
        Self::ClashFailed,
        Self::CheckInserted,
        Self::CheckChainTooLong,
        Self::TupleTaken,
        Self::IcmpError,
        Self::ExpectCreate,
        Self::ExpectDelete,
        Self::SeqAdjustFailed,
        Self::ConfirmFailed,
        Self::ConfirmChainTooLong,
        Self::ConfirmStale,
        Self::Ignore,
        Self::InDropped,
        Self::InUntracked,
        Self::Lookup,
        Self::LookupFound,
    ];

    /// Index into [`Totals::counts`] and [`Bucket::counts`].
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Running totals of one cell since the programs were loaded. 320 bytes: five cache lines.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Totals {
    /// One monotonic total per [`ProbeCounter`].
    pub counts: [u64; COUNTER_SLOTS],
    /// Events lost on this CPU (kept in slot 0, whatever their namespace): kernel memory could not
    /// be read, or nothing could be left for a function's return.
    pub faults: u64,
    /// The programs' own: the allocation that this CPU entered last.
    pub allocating: Allocating,
    /// Room to keep the element a multiple of a cache line.
    pub reserved: [u64; 6],
}

/// What the entry of `__nf_conntrack_alloc` leaves for `early_drop`, which it may call.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Allocating {
    /// The stack pointer at its entry.
    pub frame: u64,
    /// Its `orig` argument: the tuple of the flow to be made.
    pub tuple: u64,
    /// 1 when the packet path called it.
    pub from_packet: u64,
}

/// One time bucket of one cell. 128 bytes: two cache lines.
///
/// A reader takes `epoch`, then `counts`, then `epoch` again, and trusts the counts only when both
/// epochs are the one it asked for: the writer sets `epoch` to [`Bucket::RESETTING`] while it
/// clears a row for reuse.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// `bpf_ktime_get_ns() >> BUCKET_SHIFT` of the events in this row.
    pub epoch: u64,
    /// Events per [`ProbeCounter`] in this bucket.
    pub counts: [u32; COUNTER_SLOTS],
}

impl Bucket {
    /// Value of [`Bucket::epoch`] while a row is being cleared. No clock reaches it.
    pub const RESETTING: u64 = u64::MAX;
}

const _: () = assert!(size_of::<Totals>() == 320);
const _: () = assert!(size_of::<Bucket>() == 128);

/// Name of the hash of slots by inode number of the namespace, for when there may be several.
pub const NETNS_SLOTS_MAP: &str = "NETNS_SLOTS";

/// Name of the ring buffer of [`Event`]s.
pub const EVENTS_MAP: &str = "EVENTS";

/// Name of the mapped array of [`EventStats`], one per [`EventKind`].
pub const EVENT_STATS_MAP: &str = "EVENT_STATS";

/// Name of the mapped array of [`leaders::Set`]s: set `((cpu * 2 + generation & 1) *`
/// [`leaders::TABLES`]` + table) << set_bits | set`.
pub const LEADERS_MAP: &str = "LEADERS";

/// Name of the array whose only element is the generation of leaders that is being counted.
pub const LEADERS_GENERATION_MAP: &str = "LEADERS_GENERATION";

/// `sizeof(struct nf_conntrack_tuple)`: the same since 2.6.20; user space checks it against BTF.
pub const TUPLE_SIZE: usize = 40;

/// Kinds of events.
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

/// An event in the ring buffer.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Event {
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

const _: () = assert!(size_of::<Event>() == 104);

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
    /// Events left out because the second had [`globals::EVENT_RATE`] already.
    pub suppressed: u64,
    /// Events lost because the ring was full.
    pub lost: u64,
    /// Room to a cache line.
    pub reserved: [u64; 3],
}

const _: () = assert!(size_of::<EventStats>() == 64);

/// Names of the globals user space sets before loading. All of type `u32`.
pub mod globals {
    /// Number of CPU ids: highest possible id + 1.
    pub const CPUS: &str = "CPUS";
    /// Number of instances; of several, the last is for namespaces without a slot of their own.
    pub const SLOTS: &str = "SLOTS";
    /// log2 of the number of buckets in a cell's ring.
    pub const RING_BITS: &str = "RING_BITS";
    /// Events of one kind sent in a second; 0 sends none.
    pub const EVENT_RATE: &str = "EVENT_RATE";
    /// 1 to count leaders, 0 not to.
    pub const TOP: &str = "TOP";
    /// log2 of the number of sets in a table of leaders.
    pub const TOP_SET_BITS: &str = "TOP_SET_BITS";
    /// Seed of the hash that chooses a key's set.
    pub const TOP_SEED: &str = "TOP_SEED";
    /// Bits of IPv4 addresses that are told apart.
    pub const TOP_PREFIX: &str = "TOP_PREFIX";
    /// Bits of IPv6 addresses that are told apart.
    pub const TOP_PREFIX6: &str = "TOP_PREFIX6";
    /// Inode number of the only network namespace to count, or 0: those in the map of slots.
    pub const NETNS: &str = "NETNS";
    /// Offset of `ct_net` (`possible_net_t`) in `struct nf_conn`.
    pub const NF_CONN_NET: &str = "NF_CONN_NET";
    /// Offset of `status` in `struct nf_conn`.
    pub const NF_CONN_STATUS: &str = "NF_CONN_STATUS";
    /// Offset of `timeout` in `struct nf_conn`.
    pub const NF_CONN_TIMEOUT: &str = "NF_CONN_TIMEOUT";
    /// Offset of `tuplehash` in `struct nf_conn`.
    pub const NF_CONN_TUPLEHASH: &str = "NF_CONN_TUPLEHASH";
    /// Offset of `tuplehash[IP_CT_DIR_REPLY]` in `struct nf_conn`.
    pub const NF_CONN_TUPLEHASH_REPLY: &str = "NF_CONN_TUPLEHASH_REPLY";
    /// Offset of `tuple` in `struct nf_conntrack_tuple_hash`.
    pub const TUPLEHASH_TUPLE: &str = "TUPLEHASH_TUPLE";
    /// Offset of `dst.dir` in `struct nf_conntrack_tuple`.
    pub const TUPLE_DIR: &str = "TUPLE_DIR";
    /// Offset of `ns.inum` in `struct net`.
    pub const NET_INUM: &str = "NET_INUM";
    /// Offset of `master` in `struct nf_conntrack_expect`.
    pub const EXPECT_MASTER: &str = "EXPECT_MASTER";
    /// Offset of `_nfct` in `struct sk_buff`.
    pub const SKB_NFCT: &str = "SKB_NFCT";
    /// Offset of `head` in `struct sk_buff`.
    pub const SKB_HEAD: &str = "SKB_HEAD";
    /// Offset of `network_header` in `struct sk_buff`.
    pub const SKB_NETWORK_HEADER: &str = "SKB_NETWORK_HEADER";
    /// Offset of `net` in `struct nf_hook_state`.
    pub const HOOK_STATE_NET: &str = "HOOK_STATE_NET";
}

/// The names of the programs in the object file; see their sources for what they count. Those with
/// `_return` go on the return of the function whose entry the one without goes on.
#[expect(
    missing_docs,
    reason = "each names the kernel function, less its prefix"
)]
pub mod programs {
    pub const ALLOC: &str = "alloc";
    pub const FREE: &str = "free";
    pub const HASH_INSERT: &str = "hash_insert";
    pub const DESTROY: &str = "destroy";
    pub const DELETE_FROM_LISTS: &str = "delete_from_lists";
    /// For `nf_ct_delete`, where `__nf_ct_delete_from_lists` is not to be had.
    pub const DELETE: &str = "delete";
    pub const FIND_EXPECTATION_RETURN: &str = "find_expectation_return";
    pub const EARLY_DROP: &str = "early_drop";
    pub const EARLY_DROP_RETURN: &str = "early_drop_return";
    pub const RESOLVE_CLASH: &str = "resolve_clash";
    pub const RESOLVE_CLASH_RETURN: &str = "resolve_clash_return";
    pub const CHECK_INSERT: &str = "check_insert";
    pub const CHECK_INSERT_RETURN: &str = "check_insert_return";
    pub const TUPLE_TAKEN: &str = "tuple_taken";
    pub const TUPLE_TAKEN_RETURN: &str = "tuple_taken_return";
    /// For both `nf_conntrack_icmpv4_error` and `nf_conntrack_icmpv6_error`.
    pub const ICMP_ERROR: &str = "icmp_error";
    pub const ICMP_ERROR_RETURN: &str = "icmp_error_return";
    pub const EXPECT_RELATED: &str = "expect_related";
    pub const EXPECT_RELATED_RETURN: &str = "expect_related_return";
    pub const EXPECT_RELATED_PAIR: &str = "expect_related_pair";
    pub const EXPECT_RELATED_PAIR_RETURN: &str = "expect_related_pair_return";
    pub const UNLINK_EXPECT: &str = "unlink_expect";
    pub const SEQ_ADJUST: &str = "seq_adjust";
    pub const SEQ_ADJUST_RETURN: &str = "seq_adjust_return";
    pub const CONFIRM: &str = "confirm";
    pub const CONFIRM_RETURN: &str = "confirm_return";
    pub const CONNTRACK_IN: &str = "conntrack_in";
    pub const CONNTRACK_IN_RETURN: &str = "conntrack_in_return";
    pub const FIND_GET: &str = "find_get";
    pub const FIND_GET_RETURN: &str = "find_get_return";
}
