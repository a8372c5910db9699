//! The one table of probes: what is counted, by which programs, on which kernel functions, and which kernel fields they read.
//!
//! A counter of an existing program is one line in `counts`. A new function is a row, and its programs in `src/probes/`. The
//! build rejects an object file whose programs are not those of the table, or read other kernel fields than their rows list.

mod define;
mod program;
#[cfg(test)]
mod tests;

use core::iter;

pub use program::{ProbeGroup, ProgramPair};

use crate::{
    cells::COUNTER_SLOTS,
    fields::{self, KernelField},
};
use define::probes;

probes! {
    Flow {
        counts {
            /// `__nf_conntrack_alloc` was entered. The namespace's entry count rises by one, unless the table is full or memory
            /// is short.
            AllocCall: every_flow;
            /// Calls of [`Self::AllocCall`] from the packet path (`init_conntrack`), not from ctnetlink or BPF.
            AllocCallPacket: every_flow;
        }
        on NfConntrackAlloc = "__nf_conntrack_alloc" { entry alloc };
        reads { NET_INUM }
    }

    Flow timed {
        counts {
            /// `early_drop` evicted nothing: an allocation was rejected because the table is full.
            TableFull;
            /// Cases of [`Self::TableFull`] on the packet path.
            TableFullPacket;
            /// A flow was evicted: `early_drop` was in flight when the programs of [`Self::DeleteList`] saw a removal.
            EarlyDrop;
        }
        on EarlyDrop = "early_drop" { entry early_drop, exit early_drop };
        reads { NET_INUM }
    }

    Flow {
        counts {
            /// `nf_conntrack_free` was entered: the namespace's entry count falls by one.
            Free: every_flow;
        }
        on NfConntrackFree = "nf_conntrack_free" { entry free };
        reads { NF_CONN_NET, NET_INUM }
    }

    Flow {
        counts {
            /// `__nf_conntrack_hash_insert` was entered: a conntrack is inserted into the table. Where that cannot be probed,
            /// `__nf_conntrack_confirm` has inserted one.
            Inserted: every_flow;
            /// Where `__nf_conntrack_hash_insert` cannot be probed, what its other caller has inserted,
            /// `nf_conntrack_hash_check_insert`. Else 0: it is part of [`Self::Inserted`].
            InsertedByCheck;
        }
        on NfConntrackHashInsert = "__nf_conntrack_hash_insert" { entry hash_insert };
        // Its callers, on kernels that inline it (COS).
        or NfConntrackConfirmInserts = "__nf_conntrack_confirm" {
            entry confirm_inserts, exit confirm_inserts
        } with NfConntrackHashCheckInsertInserts = "nf_conntrack_hash_check_insert" {
            entry check_inserts, exit check_inserts
        };
        reads { NF_CONN_NET, NET_INUM, SKB_NFCT, NF_CONN_STATUS }
    }

    Flow {
        counts {
            /// A conntrack that was confirmed, and so had been in the table, was destroyed (`nf_ct_destroy`).
            Destroyed: every_flow;
            /// A conntrack that was never confirmed was destroyed, templates excepted.
            DestroyedUnconfirmed;
        }
        on NfCtDestroy = "nf_ct_destroy" { entry destroy };
        // Its name up to 5.14.
        or DestroyConntrack = "destroy_conntrack" { entry destroy };
        reads { NF_CONN_NET, NET_INUM, NF_CONN_STATUS }
    }

    Flow {
        counts {
            /// A conntrack was removed from the table (`__nf_ct_delete_from_lists`).
            DeleteList: every_flow;
        }
        shares { EarlyDrop }
        on NfCtDeleteFromLists = "__nf_ct_delete_from_lists" { entry delete_from_lists };
        // What it was before it was split (5.10): all that is removed passes here, while calls of `nf_ct_delete` are partly
        // inlined copies of it.
        or NfCtDeleteFromListsWhole = "nf_ct_delete_from_lists" { entry delete_from_lists };
        // On kernels that inline the functions above.
        or NfCtDelete = "nf_ct_delete" { entry delete };
        reads {
            NF_CONN_NET, NET_INUM, NF_CONN_STATUS, NF_CONN_TIMEOUT, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY,
            TUPLEHASH_TUPLE,
        }
    }

    Flow {
        counts {
            /// `nf_ct_find_expectation` found one: the new flow was expected.
            ExpectNew;
        }
        on NfCtFindExpectation = "nf_ct_find_expectation" { exit find_expectation };
        reads { EXPECT_MASTER, NF_CONN_NET, NET_INUM }
    }

    Flow {
        counts {
            /// `nf_ct_resolve_clash` let both packets pass.
            ClashResolved;
            /// `nf_ct_resolve_clash` dropped the packet.
            ClashFailed;
            /// Cases of [`Self::ClashFailed`] in which NAT had found no free tuple: the one that it gave the flow was another's,
            /// and known to be.
            NatExhausted;
        }
        on NfCtResolveClash = "nf_ct_resolve_clash" { entry resolve_clash, exit resolve_clash };
        reads {
            SKB_NFCT, NF_CONN_NET, NET_INUM, NF_CONN_STATUS, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, TUPLEHASH_TUPLE,
        }
    }

    Flow {
        counts {
            /// `nf_conntrack_hash_check_insert` inserted (ctnetlink, BPF).
            CheckInserted;
            /// `nf_conntrack_hash_check_insert` rejected a conntrack because the chain was too long.
            CheckChainTooLong;
        }
        on NfConntrackHashCheckInsert = "nf_conntrack_hash_check_insert" {
            entry check_insert, exit check_insert
        };
        reads { NF_CONN_NET, NET_INUM, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, TUPLEHASH_TUPLE }
    }

    Flow {
        counts {
            /// `nf_conntrack_tuple_taken` found that another connection uses the tuple.
            TupleTaken;
        }
        shares { NatExhausted }
        on NfConntrackTupleTaken = "nf_conntrack_tuple_taken" { entry tuple_taken, exit tuple_taken };
        reads { NF_CONN_NET, NET_INUM }
    }

    Flow {
        counts {}
        // Since 6.4 NAT's last attempts to find a free TCP port call this.
        shares { NatExhausted }
        on NfConntrackFindGetByOthers = "nf_conntrack_find_get" { exit find_owner };
        reads {}
    }

    Flow {
        counts {
            /// `nf_conntrack_icmpv4_error` found a malformed packet.
            IcmpError;
            /// `nf_conntrack_icmpv6_error` found a malformed packet.
            Icmpv6Error;
        }
        on NfConntrackIcmpv4Error = "nf_conntrack_icmpv4_error" { entry icmp_error, exit icmp_error };
        // Kernels without IPv6 have none.
        and NfConntrackIcmpv6Error = "nf_conntrack_icmpv6_error" {
            entry icmpv6_error, exit icmpv6_error
        };
        reads { HOOK_STATE_NET, NET_INUM, SKB_HEAD, SKB_NETWORK_HEADER }
    }

    Flow {
        counts {
            /// An expectation was made (`nf_ct_expect_related_report`).
            ExpectCreate;
            /// An expectation was made as one of a pair (`nf_ct_expect_related_pair`, which counts two).
            ExpectCreatePair;
        }
        on NfCtExpectRelatedReport = "nf_ct_expect_related_report" {
            entry expect_related, exit expect_related
        };
        // In some stable kernels (6.12.117).
        and NfCtExpectRelatedPair = "nf_ct_expect_related_pair" {
            entry expect_related_pair, exit expect_related_pair
        };
        reads {
            EXPECT_MASTER, NF_CONN_NET, NET_INUM, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, TUPLEHASH_TUPLE,
        }
    }

    Flow {
        counts {
            /// An expectation was removed (`nf_ct_unlink_expect_report`).
            ExpectDelete;
        }
        on NfCtUnlinkExpectReport = "nf_ct_unlink_expect_report" { entry unlink_expect };
        reads { EXPECT_MASTER, NF_CONN_NET, NET_INUM }
    }

    All timed {
        counts {
            /// `__nf_conntrack_confirm` dropped a packet whose flow was not inserted.
            ConfirmFailed;
            /// Cases of [`Self::ConfirmFailed`] in which a chain that is too long is the only possible reason.
            ConfirmChainTooLong;
            /// `__nf_conntrack_confirm` dropped a packet whose flow was inserted, and removed again because extensions had become
            /// stale.
            ConfirmStale;
        }
        on NfConntrackConfirm = "__nf_conntrack_confirm" { entry confirm, exit confirm };
        reads {
            SKB_NFCT, NF_CONN_NET, NET_INUM, NF_CONN_STATUS, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, TUPLEHASH_TUPLE,
        }
    }

    All {
        counts {
            /// `nf_ct_seq_adjust` failed: the packet is dropped.
            SeqAdjustFailed;
        }
        on NfCtSeqAdjust = "nf_ct_seq_adjust" { entry seq_adjust, exit seq_adjust };
        reads { NF_CONN_NET, NET_INUM }
    }

    All {
        counts {
            /// `nf_conntrack_in` was entered with a packet already tracked, or marked untracked.
            Ignore;
            /// `nf_conntrack_in` dropped the packet.
            InDropped;
            /// `nf_conntrack_in` let the packet pass without a conntrack.
            InUntracked;
        }
        on NfConntrackIn = "nf_conntrack_in" { entry conntrack_in, exit conntrack_in };
        reads { HOOK_STATE_NET, NET_INUM, SKB_NFCT, NF_CONN_STATUS, SKB_HEAD, SKB_NETWORK_HEADER }
    }

    All {
        counts {
            /// `__nf_conntrack_find_get` was entered: a lookup for a packet.
            Lookup;
            /// `__nf_conntrack_find_get` found something.
            LookupFound;
        }
        on NfConntrackFindGet = "__nf_conntrack_find_get" { entry find_get, exit find_get };
        reads {
            NF_CONN_NET, NET_INUM, NF_CONN_TUPLEHASH, NF_CONN_TUPLEHASH_REPLY, TUPLEHASH_TUPLE, TUPLE_DIR,
        }
    }
}

/// A kernel function that can be probed, with its programs. Either all of them are attached, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbedFunction {
    /// The function's number.
    pub function: Function,
    /// Its symbol in `/proc/kallsyms`.
    pub name: &'static str,
    /// The program on its entry, on its return, or both.
    pub programs: &'static [ProgramPair],
    /// Functions that are probed besides: this one alone would not see everything.
    pub besides: &'static [ProbedFunction],
}

impl ProbedFunction {
    /// The function, then those that are probed besides.
    pub fn all(&'static self) -> impl Iterator<Item = &'static Self> {
        iter::once(self).chain(self.besides)
    }
}

/// A row of the table: counters that are available together, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeRow {
    /// The smallest group the row belongs to.
    pub group: ProbeGroup,
    /// Whether the programs also measure how long the function takes (`--latency`).
    pub timed: bool,
    /// The counters that need these programs: the row's own, and those it shares.
    pub counters: &'static [ProbeCounter],
    /// The kernel fields that the programs read, directly or in functions they call. The build checks this list against the
    /// object file.
    pub reads: &'static [KernelField],
    /// Alternative functions: the first one that the kernel has is probed.
    pub alternatives: &'static [ProbedFunction],
    /// Functions that are probed in addition, if the kernel has them.
    pub extras: &'static [ProbedFunction],
}

impl ProbeRow {
    /// Every function that can be probed for this row.
    pub fn functions(&self) -> impl Iterator<Item = &'static ProbedFunction> {
        let alternatives = self.alternatives.iter().flat_map(ProbedFunction::all);
        alternatives.chain(self.extras)
    }

    /// Every program that can be attached for this row.
    pub fn programs(&self) -> impl Iterator<Item = ProgramPair> {
        self.functions()
            .flat_map(|function| function.programs.iter().copied())
    }
}

impl ProbeCounter {
    /// Index into [`CellTotals::counts`](crate::cells::CellTotals::counts) and
    /// [`Bucket::words`](crate::cells::Bucket::words).
    #[inline(always)]
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Every function that can be probed, in the order of the rows.
pub fn functions() -> impl Iterator<Item = &'static ProbedFunction> {
    PROBES.iter().flat_map(ProbeRow::functions)
}

/// The index of a counter: first the counters that every flow increments, then the others, each in the order of the rows.
const fn place(declared: usize) -> usize {
    let every_flow = EVERY_FLOW[declared];
    let mut place = 0;
    let mut i = 0;
    while i < COUNTERS {
        if EVERY_FLOW[i] == every_flow {
            place += (i < declared) as usize;
        } else {
            place += EVERY_FLOW[i] as usize;
        }
        i += 1;
    }
    place
}

/// Counts in a cache line of 64 bytes.
const CACHE_LINE: usize = 64 / size_of::<u64>();

const _: () = {
    let mut every_flow = 0;
    let mut i = 0;
    while i < COUNTERS {
        every_flow += EVERY_FLOW[i] as usize;
        i += 1;
    }
    assert!(
        every_flow <= CACHE_LINE,
        "what every flow increments is in one cache line"
    );
    assert!(
        COUNTERS <= COUNTER_SLOTS,
        "a cell has room for all counters"
    );
};
