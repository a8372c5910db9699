//! The one table of counters. Charts, JSON, text, cross-check and documentation are derived from it.
//!
//! What each kernel counter counts, and where, was read from the kernel's sources (net/netfilter/nf_conntrack_core.c, _expect.c,
//! _standalone.c; 4.4 to 6.18). What a probe counts is verified by the guest scenarios.

mod spec;

use conntrack_ebpf::ProbeCounter;

pub use self::spec::{ChartId, Colour, CounterSpec, Place, Verify};
use self::spec::{kernel, probed};
use crate::model::kernel::laws::{ENTRIES_BALANCE, Law};
use crate::reading::selector::Selector;

use ProbeCounter as P;

/// Defines [`Counter`] and [`COUNTERS`] from one table: each row is a counter.
macro_rules! counters {
    ($($id:ident = $row:expr;)*) => {
        /// A counter. [`COUNTERS`] describes each.
        #[repr(usize)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[expect(missing_docs, reason = "the meaning of each is in its row, and in docs/counters.md")]
        pub enum Counter {
            $($id,)*
        }

        /// Number of counters.
        pub const COUNT: usize = [$(Counter::$id,)*].len();

        /// Every counter, in the order of [`Counter`], which is their order in JSON.
        pub const COUNTERS: [CounterSpec; COUNT] = [
            $(CounterSpec { id: Counter::$id, ..$row },)*
        ];
    };
}

counters! {
    Alloc = probed(
        "alloc",
        Selector::sum(&[P::AllocCall]).less(&[P::TableFull]),
        "conntrack allocated: entries rose by one",
    )
    .conserved(&[ENTRIES_BALANCE, Law::Unconfirmed.check()]);
    Free = probed(
        "free",
        Selector::sum(&[P::Free]),
        "conntrack freed: entries fell by one",
    )
    .conserved(&[ENTRIES_BALANCE, Law::Frees.check()]);
    New = probed(
        "new",
        Selector::sum(&[P::AllocCallPacket]).less(&[P::TableFullPacket, P::ExpectNew]),
        "packet began a flow that no expectation had announced",
    )
    .was("new", "4.9")
    .conserved(&[Law::Packets.check()])
    .at(Place::new(ChartId::New, 0, "new").peak_rank(0));
    Inserted = probed(
        "inserted",
        Selector::sum(&[P::Inserted, P::InsertedByCheck]),
        "flow put into the table, by a packet or by ctnetlink",
    )
    .was("insert", "4.9")
    .conserved(&[Law::Flows.check(), Law::Unconfirmed.check()])
    .at(Place::new(ChartId::Changes, 0, "inserted").rank(1).peak_rank(3));
    Deleted = probed(
        "deleted",
        Selector::sum(&[P::Destroyed, P::DestroyedUnconfirmed]),
        "conntrack destroyed, never-confirmed ones included",
    )
    .was("delete", "4.9")
    .conserved(&[Law::Frees.check(), Law::Flows.check()])
    .at(Place::new(ChartId::Changes, 1, "deleted").peak_rank(1).below());
    DeleteList = probed(
        "delete_list",
        Selector::sum(&[P::DeleteList]),
        "flow taken out of the table",
    )
    .was("delete_list", "4.9")
    .conserved(&[Law::List.check()])
    .at(Place::new(ChartId::Changes, 2, "delete_list").heading("del_list").rank(5).peak_rank(5).below());
    Insert = kernel(
        "insert",
        "insert",
        "the kernel's insert column as it is: since 4.9 only ctnetlink and BPF inserts",
    )
    .and(Selector::sum(&[P::CheckInserted]));
    Ignore = kernel(
        "ignore",
        "ignore",
        "packet already tracked, or marked untracked",
    )
    .and(Selector::sum(&[P::Ignore]))
    .tried_in_guests()
    .per_packet()
    .gone_in("5.10")
    .at(Place::new(ChartId::New, 1, "ignore").rank(7).below());
    Invalid = kernel(
        "invalid",
        "invalid",
        "packet that no tracker accepts",
    )
    .and(Selector::sum(&[P::InUntracked]).less(&[P::IcmpError, P::Icmpv6Error]))
    .per_packet()
    .at(Place::new(ChartId::New, 2, "invalid").rank(3).below());
    Searched = kernel(
        "searched",
        "searched",
        "chain element compared in a lookup and not matched",
    )
    .gone_in("4.9")
    .at(Place::new(ChartId::Search, 0, "searched").rank(7));
    Found = kernel(
        "found",
        "found",
        "lookup that matched; since 4.9 only tuples found taken (NAT)",
    )
    .and(Selector::sum(&[P::TupleTaken]))
    .at(Place::new(ChartId::Search, 2, "found").rank(6));
    SearchRestart = kernel(
        "search_restart",
        "search_restart",
        "lookup restarted because the table was resized or an entry moved under it",
    )
    .at(Place::new(ChartId::Search, 1, "restarted").heading("restart").rank(6).below());
    ClashResolve = kernel(
        "clash_resolve",
        "clashres",
        "two packets raced to create the same flow, and both survived",
    )
    .and(Selector::sum(&[P::ClashResolved]));
    Chaintoolong = kernel(
        "chaintoolong",
        "chainlength",
        "insert refused because the hash chain was too long",
    )
    .and(Selector::sum(&[
        P::CheckChainTooLong,
        P::ConfirmChainTooLong,
    ]))
    .per_packet();
    InsertFailed = kernel(
        "insert_failed",
        "insert_failed",
        "flow that could not be put into the table: its packet is dropped",
    )
    .and(Selector::sum(&[P::ConfirmFailed]))
    .per_packet()
    .at(Place::new(ChartId::Errors, 1, "error_failed").heading("failed").rank(2).below().colour(Colour::Purple));
    Drop = kernel(
        "drop",
        "drop",
        "packet dropped: table full, no memory, or a clash lost",
    )
    .and(Selector::sum(&[
        P::InDropped,
        P::ClashFailed,
        P::SeqAdjustFailed,
        P::ConfirmStale,
    ]))
    .per_packet()
    .at(Place::new(ChartId::Errors, 2, "drop").below().colour(Colour::Red));
    EarlyDrop = kernel(
        "early_drop",
        "early_drop",
        "unassured flow evicted to make room in a full table",
    )
    .and(Selector::sum(&[P::EarlyDrop]))
    // `early_drop` counts when it has evicted all that it can from a chain (`early_drop_list`; 5.10 to 7.3).
    .many_at_once()
    .at(Place::new(ChartId::Errors, 3, "early_drop").heading("early").rank(1).below().colour(Colour::Orange));
    IcmpError = kernel(
        "icmp_error",
        "icmp_error",
        "ICMP packet that is malformed or of no known type",
    )
    .and(Selector::sum(&[P::IcmpError, P::Icmpv6Error]))
    .at(Place::new(ChartId::Errors, 0, "icmp_error").heading("icmp").rank(4).colour(Colour::Yellow));
    ExpectNew = kernel(
        "expect_new",
        "expect_new",
        "packet began a flow that an expectation had announced",
    )
    .and(Selector::sum(&[P::ExpectNew]))
    .at(Place::new(ChartId::Expect, 2, "new").rank(6));
    ExpectCreate = kernel(
        "expect_create",
        "expect_create",
        "expectation made",
    )
    .and(Selector::sum(&[P::ExpectCreate, P::ExpectCreatePair]))
    .at(Place::new(ChartId::Expect, 0, "created").rank(6));
    ExpectDelete = kernel(
        "expect_delete",
        "expect_delete",
        "expectation removed",
    )
    .and(Selector::sum(&[P::ExpectDelete]))
    .at(Place::new(ChartId::Expect, 1, "deleted").rank(6).below());
    TableFull = probed(
        "table_full",
        Selector::sum(&[P::TableFull]),
        "flow refused because the table is full, ctnetlink's included",
    )
    .tried_in_guests();
    NatExhausted = probed(
        "nat_exhausted",
        Selector::sum(&[P::NatExhausted]),
        "NAT found no free tuple: the flow's packet is dropped",
    )
    .part_of(Counter::InsertFailed)
    .tried_in_guests();
    Lookups = probed(
        "lookups",
        Selector::sum(&[P::Lookup]),
        "packet looked up in the table",
    )
    .tried_in_guests()
    .per_packet();
    LookupsFound = probed(
        "lookups_found",
        Selector::sum(&[P::LookupFound]),
        "lookup of a packet that found its flow",
    )
    .tried_in_guests()
    .per_packet();
}

impl Counter {
    /// Its row in the table.
    #[must_use]
    pub(crate) fn spec(self) -> &'static CounterSpec {
        &COUNTERS[self as usize]
    }
}

/// The row of the counter with this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static CounterSpec> {
    COUNTERS.iter().find(|spec| spec.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_are_in_the_order_of_their_ids_and_have_unique_names() {
        let mut names = HashSet::new();
        for (i, spec) in COUNTERS.iter().enumerate() {
            assert_eq!(spec.id as usize, i, "{}", spec.name);
            assert!(names.insert(spec.name), "{} twice", spec.name);
        }
    }

    #[test]
    fn every_row_has_a_source() {
        for spec in &COUNTERS {
            assert!(
                spec.column.is_some() || spec.probe.is_some(),
                "{}",
                spec.name
            );
        }
    }

    /// Those on charts, with their places.
    fn placed() -> impl Iterator<Item = (Counter, Place)> {
        COUNTERS
            .iter()
            .filter_map(|spec| Some((spec.id, spec.place?)))
    }

    #[test]
    fn removals_and_errors_are_drawn_below_zero() {
        use Counter::{
            DeleteList, Deleted, Drop, EarlyDrop, ExpectDelete, Ignore, InsertFailed, Invalid,
            SearchRestart,
        };
        let below = placed().filter(|(_, place)| place.below).map(|(id, _)| id);
        assert!(below.eq([
            Deleted,
            DeleteList,
            Ignore,
            Invalid,
            SearchRestart,
            InsertFailed,
            Drop,
            EarlyDrop,
            ExpectDelete,
        ]));
    }

    #[test]
    fn columns_have_short_headings_and_colours_of_their_own() {
        let mut colours = HashSet::new();
        for (id, place) in placed() {
            assert!(place.heading.len() <= 8, "{}", place.heading);
            let colour = (place.chart as usize, format!("{:?}", place.colour));
            assert!(colours.insert(colour), "{id:?}");
        }
    }

    /// The columns that a narrow terminal drops last.
    #[test]
    fn what_is_lost_has_a_column_before_what_is_searched() {
        use Counter::{
            DeleteList, Deleted, Drop, EarlyDrop, Found, IcmpError, InsertFailed, Inserted,
            Invalid, New, Searched,
        };
        let rank = |id: Counter| id.spec().place.map(|place| place.rank);
        let ranks = [
            Drop,
            EarlyDrop,
            InsertFailed,
            Invalid,
            IcmpError,
            Found,
            Searched,
        ]
        .map(rank);
        assert!(ranks.is_sorted_by(|one, next| one < next), "{ranks:?}");
        assert_eq!(rank(New), rank(Drop));
        let mut peaks: Vec<(u8, Counter)> = placed()
            .filter_map(|(id, place)| Some((place.peak_rank?, id)))
            .collect();
        peaks.sort_unstable();
        let of_peaks = peaks.into_iter().map(|(_, id)| id);
        assert!(of_peaks.eq([New, Deleted, Inserted, DeleteList]));
    }
}
