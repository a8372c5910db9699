//! What may be probed: which functions, by which programs, for which counters.

use conntrack_ebpf::{ProbeCounter, Program, globals, programs};

/// Which probes: each group includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// At most a few times in a connection's life, or rarer.
    Flow,
    /// For every packet too.
    All,
}

impl Group {
    /// Its name in the contract.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Flow => "flow",
            Self::All => "all",
        }
    }
}

/// A program, and the function it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The program in the object file.
    pub program: Program,
    /// The kernel function.
    pub function: &'static str,
}

/// Something to count: of the alternatives, the first whose functions all exist is taken.
pub(super) struct ProbeSpec {
    pub(super) group: Group,
    pub(super) counters: &'static [ProbeCounter],
    /// Globals of the kernel fields its programs read.
    pub(super) fields: &'static [&'static str],
    pub(super) alternatives: &'static [&'static [Target]],
    /// Attached besides, where the function exists: not every kernel has what they count.
    pub(super) extras: &'static [Target],
}

const fn on(program: Program, function: &'static str) -> Target {
    Target { program, function }
}

/// What it takes to know a conntrack's instance.
const CONN: [&str; 2] = [globals::NF_CONN_NET, globals::NET_INUM];
/// The same, and its status.
const CONN_STATUS: [&str; 3] = [
    globals::NF_CONN_NET,
    globals::NET_INUM,
    globals::NF_CONN_STATUS,
];
/// The same for an expectation's master.
const EXPECTATION: [&str; 3] = [
    globals::EXPECT_MASTER,
    globals::NF_CONN_NET,
    globals::NET_INUM,
];
/// The same for a packet's conntrack, and its tuple.
const PACKET_CONN: [&str; 6] = [
    globals::SKB_NFCT,
    globals::NF_CONN_NET,
    globals::NET_INUM,
    globals::NF_CONN_STATUS,
    globals::NF_CONN_TUPLEHASH,
    globals::TUPLEHASH_TUPLE,
];
/// A hook's namespace, and a packet's headers.
const HOOK_PACKET: [&str; 6] = [
    globals::HOOK_STATE_NET,
    globals::NET_INUM,
    globals::SKB_NFCT,
    globals::SKB_HEAD,
    globals::SKB_NETWORK_HEADER,
    globals::NF_CONN_STATUS,
];

use ProbeCounter as P;

/// Everything that may be probed.
pub(super) const PROBES: [ProbeSpec; 17] = [
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::AllocCall, P::AllocCallPacket],
        fields: &[globals::NET_INUM],
        alternatives: &[&[on(programs::ALLOC, "__nf_conntrack_alloc")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::TableFull, P::TableFullPacket, P::EarlyDrop],
        fields: &[globals::NET_INUM],
        alternatives: &[&[
            on(programs::EARLY_DROP, "early_drop"),
            on(programs::EARLY_DROP_RETURN, "early_drop"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Free],
        fields: &CONN,
        alternatives: &[&[on(programs::FREE, "nf_conntrack_free")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Inserted],
        fields: &CONN,
        alternatives: &[&[on(programs::HASH_INSERT, "__nf_conntrack_hash_insert")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::Deleted],
        fields: &CONN_STATUS,
        alternatives: &[
            &[on(programs::DESTROY, "nf_ct_destroy")],
            // Its name up to 5.14.
            &[on(programs::DESTROY, "destroy_conntrack")],
        ],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::DeleteList],
        fields: &[
            globals::NF_CONN_NET,
            globals::NET_INUM,
            globals::NF_CONN_STATUS,
            globals::NF_CONN_TIMEOUT,
            globals::NF_CONN_TUPLEHASH,
            globals::TUPLEHASH_TUPLE,
        ],
        alternatives: &[
            &[on(programs::DELETE_FROM_LISTS, "__nf_ct_delete_from_lists")],
            &[on(programs::DELETE, "nf_ct_delete")],
        ],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectNew],
        fields: &EXPECTATION,
        alternatives: &[&[on(
            programs::FIND_EXPECTATION_RETURN,
            "nf_ct_find_expectation",
        )]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ClashResolved, P::ClashFailed],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::RESOLVE_CLASH, "nf_ct_resolve_clash"),
            on(programs::RESOLVE_CLASH_RETURN, "nf_ct_resolve_clash"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::CheckInserted, P::CheckChainTooLong],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::CHECK_INSERT, "nf_conntrack_hash_check_insert"),
            on(
                programs::CHECK_INSERT_RETURN,
                "nf_conntrack_hash_check_insert",
            ),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::TupleTaken],
        fields: &CONN,
        alternatives: &[&[
            on(programs::TUPLE_TAKEN, "nf_conntrack_tuple_taken"),
            on(programs::TUPLE_TAKEN_RETURN, "nf_conntrack_tuple_taken"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::IcmpError, P::Icmpv6Error],
        fields: &HOOK_PACKET,
        alternatives: &[&[
            on(programs::ICMP_ERROR, "nf_conntrack_icmpv4_error"),
            on(programs::ICMP_ERROR_RETURN, "nf_conntrack_icmpv4_error"),
        ]],
        // Kernels without IPv6 have none.
        extras: &[
            on(programs::ICMPV6_ERROR, "nf_conntrack_icmpv6_error"),
            on(programs::ICMPV6_ERROR_RETURN, "nf_conntrack_icmpv6_error"),
        ],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectCreate, P::ExpectCreatePair],
        fields: &EXPECTATION,
        alternatives: &[&[
            on(programs::EXPECT_RELATED, "nf_ct_expect_related_report"),
            on(
                programs::EXPECT_RELATED_RETURN,
                "nf_ct_expect_related_report",
            ),
        ]],
        // In some stable kernels (6.12.117).
        extras: &[
            on(programs::EXPECT_RELATED_PAIR, "nf_ct_expect_related_pair"),
            on(
                programs::EXPECT_RELATED_PAIR_RETURN,
                "nf_ct_expect_related_pair",
            ),
        ],
    },
    ProbeSpec {
        group: Group::Flow,
        counters: &[P::ExpectDelete],
        fields: &EXPECTATION,
        alternatives: &[&[on(programs::UNLINK_EXPECT, "nf_ct_unlink_expect_report")]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::ConfirmFailed, P::ConfirmChainTooLong, P::ConfirmStale],
        fields: &PACKET_CONN,
        alternatives: &[&[
            on(programs::CONFIRM, "__nf_conntrack_confirm"),
            on(programs::CONFIRM_RETURN, "__nf_conntrack_confirm"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::SeqAdjustFailed],
        fields: &CONN,
        alternatives: &[&[
            on(programs::SEQ_ADJUST, "nf_ct_seq_adjust"),
            on(programs::SEQ_ADJUST_RETURN, "nf_ct_seq_adjust"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::Ignore, P::InDropped, P::InUntracked],
        fields: &HOOK_PACKET,
        alternatives: &[&[
            on(programs::CONNTRACK_IN, "nf_conntrack_in"),
            on(programs::CONNTRACK_IN_RETURN, "nf_conntrack_in"),
        ]],
        extras: &[],
    },
    ProbeSpec {
        group: Group::All,
        counters: &[P::Lookup, P::LookupFound],
        fields: &[
            globals::NF_CONN_NET,
            globals::NET_INUM,
            globals::NF_CONN_TUPLEHASH,
            globals::NF_CONN_TUPLEHASH_REPLY,
            globals::TUPLEHASH_TUPLE,
            globals::TUPLE_DIR,
        ],
        alternatives: &[&[
            on(programs::FIND_GET, "__nf_conntrack_find_get"),
            on(programs::FIND_GET_RETURN, "__nf_conntrack_find_get"),
        ]],
        extras: &[],
    },
];

/// Every function that may get a probe.
#[must_use]
pub fn wanted_functions() -> Vec<&'static str> {
    let mut functions: Vec<&str> = PROBES
        .iter()
        .flat_map(|spec| {
            let alternatives = spec.alternatives.iter().flat_map(|all| all.iter());
            alternatives.chain(spec.extras)
        })
        .map(|target| target.function)
        .collect();
    functions.dedup();
    functions
}
