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
//! Only the programs write, and only ever to the cell of the CPU they run on. Each counter belongs to
//! one program. A program never interrupts itself on a CPU (the kernel skips such a hit, and counts it
//! as missed), but programs attached by fentry do interrupt each other: with one writer for every word
//! that needs no care.
#![no_std]

pub mod leaders;
pub mod loglinear;

/// Length of one time bucket as a power of two of nanoseconds: 2^20 ns = 1.048576 ms.
pub const BUCKET_SHIFT: u32 = 20;

/// Length of one time bucket in nanoseconds.
pub const BUCKET_NS: u64 = 1 << BUCKET_SHIFT;

/// Counters a cell has room for: a [`Bucket`] of exactly four cache lines, of which all that every flow
/// touches is in the first.
pub const COUNTER_SLOTS: usize = 32;

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
    /// `nf_conntrack_icmpv4_error` found the packet at fault.
    IcmpError = 15,
    /// An expectation was made (`nf_ct_expect_related_report`).
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
    /// `nf_conntrack_icmpv6_error` found the packet at fault.
    Icmpv6Error = 27,
    /// An expectation was made as one of a pair (`nf_ct_expect_related_pair`, which counts two).
    ExpectCreatePair = 28,
}

impl ProbeCounter {
    /// All counters, in the order of their discriminants.
    pub const ALL: [Self; 29] = [
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
        Self::Icmpv6Error,
        Self::ExpectCreatePair,
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
    pub reserved: [u64; 4],
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

/// One time bucket of one cell. 256 bytes: four cache lines.
///
/// Each word is the count of a [`ProbeCounter`] together with the epoch it was counted in, see
/// [`bucket_word`]: a row of the ring need not be cleared before it is used again, and one load tells a
/// reader whether a count is of the epoch it asked for.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Bucket {
    /// One word per [`ProbeCounter`].
    pub words: [u64; COUNTER_SLOTS],
}

/// Bits of a word of a [`Bucket`] that count. The others are the low 40 bits of the epoch, which come
/// round after 36 years.
const COUNT_BITS: u32 = 24;

/// A word of a [`Bucket`]: `count`, below 2^24, of what happened in `epoch`
/// (`bpf_ktime_get_ns() >> BUCKET_SHIFT`).
#[inline(always)]
#[must_use]
pub const fn bucket_word(epoch: u64, count: u32) -> u64 {
    (epoch << COUNT_BITS) | count as u64
}

/// What a word of a [`Bucket`] says about an epoch: 0 when it is of another.
#[inline(always)]
#[must_use]
pub const fn bucket_count(word: u64, epoch: u64) -> u32 {
    let count = word ^ (epoch << COUNT_BITS);
    if count >> COUNT_BITS == 0 {
        count as u32
    } else {
        0
    }
}

const _: () = assert!(size_of::<Totals>() == 320);
const _: () = assert!(size_of::<Bucket>() == 256);
const _: () = assert!(ProbeCounter::ALL.len() <= COUNTER_SLOTS);

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

/// Name of the mapped array of [`loglinear::Lived`], one per cell.
pub const LIVED_MAP: &str = "LIVED";

/// Name of the hash of the times at which connections were inserted.
pub const BORN_MAP: &str = "BORN";

/// Name of the mapped array of [`loglinear::Histogram`]s, one per cell: nanoseconds spent in
/// `__nf_conntrack_confirm`.
pub const CONFIRM_TIMES_MAP: &str = "CONFIRM_TIMES";

/// Name of the same for `early_drop`.
pub const EARLY_DROP_TIMES_MAP: &str = "EARLY_DROP_TIMES";

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
    /// 1 to count lifetimes, 0 not to.
    pub const LIFETIMES: &str = "LIFETIMES";
    /// 1 to measure the time spent in functions, 0 not to.
    pub const LATENCY: &str = "LATENCY";
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

/// A program in the object file, in the two ways it can be attached; both have the same body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Program {
    /// Name of the one for a kprobe, or a kretprobe.
    pub kprobe: &'static str,
    /// Name of the one for fentry, or fexit.
    pub fentry: &'static str,
    /// Whether it goes on the return of the function.
    pub at_return: bool,
}

/// The programs in the object file; see their sources for what they count. Those with `_RETURN` go on
/// the return of the function whose entry the one without goes on.
#[expect(
    missing_docs,
    reason = "each names the kernel function, less its prefix"
)]
pub mod programs {
    use super::Program;

    const fn entry(kprobe: &'static str, fentry: &'static str) -> Program {
        Program {
            kprobe,
            fentry,
            at_return: false,
        }
    }

    const fn exit(kprobe: &'static str, fentry: &'static str) -> Program {
        Program {
            kprobe,
            fentry,
            at_return: true,
        }
    }

    pub const ALLOC: Program = entry("alloc", "alloc_fentry");
    pub const FREE: Program = entry("free", "free_fentry");
    pub const HASH_INSERT: Program = entry("hash_insert", "hash_insert_fentry");
    pub const DESTROY: Program = entry("destroy", "destroy_fentry");
    pub const DELETE_FROM_LISTS: Program = entry("delete_from_lists", "delete_from_lists_fentry");
    /// For `nf_ct_delete`, where `__nf_ct_delete_from_lists` is not to be had.
    pub const DELETE: Program = entry("delete", "delete_fentry");
    pub const FIND_EXPECTATION_RETURN: Program =
        exit("find_expectation_return", "find_expectation_fexit");
    pub const EARLY_DROP: Program = entry("early_drop", "early_drop_fentry");
    pub const EARLY_DROP_RETURN: Program = exit("early_drop_return", "early_drop_fexit");
    pub const RESOLVE_CLASH: Program = entry("resolve_clash", "resolve_clash_fentry");
    pub const RESOLVE_CLASH_RETURN: Program = exit("resolve_clash_return", "resolve_clash_fexit");
    pub const CHECK_INSERT: Program = entry("check_insert", "check_insert_fentry");
    pub const CHECK_INSERT_RETURN: Program = exit("check_insert_return", "check_insert_fexit");
    pub const TUPLE_TAKEN: Program = entry("tuple_taken", "tuple_taken_fentry");
    pub const TUPLE_TAKEN_RETURN: Program = exit("tuple_taken_return", "tuple_taken_fexit");
    pub const ICMP_ERROR: Program = entry("icmp_error", "icmp_error_fentry");
    pub const ICMP_ERROR_RETURN: Program = exit("icmp_error_return", "icmp_error_fexit");
    pub const ICMPV6_ERROR: Program = entry("icmpv6_error", "icmpv6_error_fentry");
    pub const ICMPV6_ERROR_RETURN: Program = exit("icmpv6_error_return", "icmpv6_error_fexit");
    pub const EXPECT_RELATED: Program = entry("expect_related", "expect_related_fentry");
    pub const EXPECT_RELATED_RETURN: Program =
        exit("expect_related_return", "expect_related_fexit");
    pub const EXPECT_RELATED_PAIR: Program =
        entry("expect_related_pair", "expect_related_pair_fentry");
    pub const EXPECT_RELATED_PAIR_RETURN: Program =
        exit("expect_related_pair_return", "expect_related_pair_fexit");
    pub const UNLINK_EXPECT: Program = entry("unlink_expect", "unlink_expect_fentry");
    pub const SEQ_ADJUST: Program = entry("seq_adjust", "seq_adjust_fentry");
    pub const SEQ_ADJUST_RETURN: Program = exit("seq_adjust_return", "seq_adjust_fexit");
    pub const CONFIRM: Program = entry("confirm", "confirm_fentry");
    pub const CONFIRM_RETURN: Program = exit("confirm_return", "confirm_fexit");
    pub const CONNTRACK_IN: Program = entry("conntrack_in", "conntrack_in_fentry");
    pub const CONNTRACK_IN_RETURN: Program = exit("conntrack_in_return", "conntrack_in_fexit");
    pub const FIND_GET: Program = entry("find_get", "find_get_fentry");
    pub const FIND_GET_RETURN: Program = exit("find_get_return", "find_get_fexit");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_counts_in_one_epoch_only() {
        let epoch = 0x12_3456_789a;
        let word = bucket_word(epoch, 7);
        assert_eq!(bucket_count(word, epoch), 7);
        assert_eq!(bucket_count(word, epoch + 1), 0);
        assert_eq!(bucket_count(word, epoch - (1 << 12)), 0);
        assert_eq!(bucket_count(0, epoch), 0);
        // One more is one more in the same epoch.
        assert_eq!(bucket_count(word + 1, epoch), 8);
        // The largest: 2^44 epochs are all that 64 bits of nanoseconds hold.
        let last = u64::MAX >> BUCKET_SHIFT;
        assert_eq!(
            bucket_count(bucket_word(last, (1 << 24) - 1), last),
            (1 << 24) - 1
        );
    }

    #[test]
    fn counters_are_numbered_in_their_order() {
        for (i, counter) in ProbeCounter::ALL.into_iter().enumerate() {
            assert_eq!(counter.index(), i);
        }
    }
}
