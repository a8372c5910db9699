//! The one table of counters. Charts, JSON, text, cross-check and documentation hang on it.
//!
//! What each kernel counter counts, and where, is read from the kernel's sources (net/netfilter/
//! nf_conntrack_core.c, _expect.c, _standalone.c; 4.4 to 6.18); what a probe counts is proven in the
//! guest scenarios.

use crate::reading::selector::Selector;
use conntrack_ebpf::ProbeCounter;

/// A row of [`COUNTERS`].
#[repr(usize)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "COUNTERS holds the meaning of each, and is what gets shown"
)]
pub enum Counter {
    Alloc,
    Free,
    New,
    Inserted,
    Deleted,
    DeleteList,
    Insert,
    Ignore,
    Invalid,
    Searched,
    Found,
    SearchRestart,
    ClashResolve,
    Chaintoolong,
    InsertFailed,
    Drop,
    EarlyDrop,
    IcmpError,
    ExpectNew,
    ExpectCreate,
    ExpectDelete,
    TableFull,
    Lookups,
    LookupsFound,
}

/// How a probe count is proven against the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verify {
    /// Must equal the proc column wherever that column counts the same thing.
    Equality,
    /// Through `entries_balance`: Δentries = alloc − free.
    Conservation,
    /// Counted by the kernel alone: there is nothing to compare.
    KernelOnly,
    /// Counted by no kernel: there is nothing to compare with.
    ProbeOnly,
}

/// What an event of this kind costs to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cost {
    /// At most once in a connection's life, or rarer.
    PerFlow,
    /// For every packet.
    PerPacket,
    /// Nothing: the kernel counts it anyway.
    None,
}

/// One counter: its names, sources, cost and proof.
#[derive(Clone, Copy, Debug)]
pub struct CounterSpec {
    /// Which one.
    pub id: Counter,
    /// Its name in JSON.
    pub name: &'static str,
    /// What one event is.
    pub meaning: &'static str,
    /// The column of /proc/net/stat/nf_conntrack that counts or counted the same thing.
    pub column: Option<&'static str>,
    /// Whether that column means this counter even where it has narrowed: `insert` is what the
    /// column says, `inserted` is what it said up to 4.8.
    pub narrow_column: bool,
    /// The kernel release that stopped counting it, if one did.
    pub gone: Option<&'static str>,
    /// How the probes count it, if they do.
    pub probe: Option<Selector>,
    /// How the probe is proven.
    pub verify: Verify,
    /// What counting it costs.
    pub cost: Cost,
}

use ProbeCounter as P;

/// A counter the kernel counts in a column of its own.
const fn kernel(
    id: Counter,
    name: &'static str,
    column: &'static str,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        id,
        name,
        meaning,
        column: Some(column),
        narrow_column: true,
        gone: None,
        probe: None,
        verify: Verify::KernelOnly,
        cost: Cost::None,
    }
}

/// A counter only probes count.
const fn probed(
    id: Counter,
    name: &'static str,
    probe: Selector,
    meaning: &'static str,
) -> CounterSpec {
    CounterSpec {
        id,
        name,
        meaning,
        column: None,
        narrow_column: false,
        gone: None,
        probe: Some(probe),
        verify: Verify::ProbeOnly,
        cost: Cost::PerFlow,
    }
}

impl CounterSpec {
    /// Probes count it too, and must agree with the column.
    const fn and(mut self, probe: Selector) -> Self {
        self.probe = Some(probe);
        self.verify = Verify::Equality;
        self.cost = Cost::PerFlow;
        self
    }

    /// The kernel counted it in a column up to a release; there the probes must agree with it.
    const fn was(mut self, column: &'static str, gone: &'static str) -> Self {
        self.column = Some(column);
        self.gone = Some(gone);
        self.verify = Verify::Equality;
        self
    }

    const fn gone_in(mut self, release: &'static str) -> Self {
        self.gone = Some(release);
        self
    }

    const fn conserved(mut self) -> Self {
        self.verify = Verify::Conservation;
        self
    }

    const fn per_packet(mut self) -> Self {
        self.cost = Cost::PerPacket;
        self
    }
}

/// Every counter, in the order of [`Counter`].
pub const COUNTERS: [CounterSpec; COUNT] = [
    probed(
        Counter::Alloc,
        "alloc",
        Selector::sum(&[P::AllocCall]).less(&[P::TableFull]),
        "conntrack allocated: entries rose by one",
    )
    .conserved(),
    probed(
        Counter::Free,
        "free",
        Selector::sum(&[P::Free]),
        "conntrack freed: entries fell by one",
    )
    .conserved(),
    probed(
        Counter::New,
        "new",
        Selector::sum(&[P::AllocCallPacket]).less(&[P::TableFullPacket, P::ExpectNew]),
        "packet began a flow that no expectation had announced",
    )
    .was("new", "4.9"),
    probed(
        Counter::Inserted,
        "inserted",
        Selector::sum(&[P::Inserted]),
        "flow put into the table, by a packet or by ctnetlink",
    )
    .was("insert", "4.9"),
    probed(
        Counter::Deleted,
        "deleted",
        Selector::sum(&[P::Deleted]),
        "conntrack destroyed, never-confirmed ones included",
    )
    .was("delete", "4.9"),
    probed(
        Counter::DeleteList,
        "delete_list",
        Selector::sum(&[P::DeleteList]),
        "flow taken out of the table",
    )
    .was("delete_list", "4.9"),
    kernel(
        Counter::Insert,
        "insert",
        "insert",
        "the kernel's insert column as it is: since 4.9 only ctnetlink and BPF inserts",
    )
    .and(Selector::sum(&[P::CheckInserted])),
    kernel(
        Counter::Ignore,
        "ignore",
        "ignore",
        "packet already tracked, or marked untracked",
    )
    .and(Selector::sum(&[P::Ignore]))
    .per_packet()
    .gone_in("5.10"),
    kernel(
        Counter::Invalid,
        "invalid",
        "invalid",
        "packet that no tracker accepts",
    )
    .and(Selector::sum(&[P::InUntracked]).less(&[P::IcmpError, P::Icmpv6Error]))
    .per_packet(),
    kernel(
        Counter::Searched,
        "searched",
        "searched",
        "chain element compared in a lookup and not matched",
    )
    .gone_in("4.9"),
    kernel(
        Counter::Found,
        "found",
        "found",
        "lookup that matched; since 4.9 only tuples found taken (NAT)",
    )
    .and(Selector::sum(&[P::TupleTaken])),
    kernel(
        Counter::SearchRestart,
        "search_restart",
        "search_restart",
        "lookup restarted because the table was resized or an entry moved under it",
    ),
    kernel(
        Counter::ClashResolve,
        "clash_resolve",
        "clashres",
        "two packets raced to create the same flow, and both survived",
    )
    .and(Selector::sum(&[P::ClashResolved])),
    kernel(
        Counter::Chaintoolong,
        "chaintoolong",
        "chainlength",
        "insert refused because the hash chain was too long",
    )
    .and(Selector::sum(&[
        P::CheckChainTooLong,
        P::ConfirmChainTooLong,
    ]))
    .per_packet(),
    kernel(
        Counter::InsertFailed,
        "insert_failed",
        "insert_failed",
        "flow that could not be put into the table: its packet is dropped",
    )
    .and(Selector::sum(&[P::ConfirmFailed]))
    .per_packet(),
    kernel(
        Counter::Drop,
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
    .per_packet(),
    kernel(
        Counter::EarlyDrop,
        "early_drop",
        "early_drop",
        "unassured flow evicted to make room in a full table",
    )
    .and(Selector::sum(&[P::EarlyDrop])),
    kernel(
        Counter::IcmpError,
        "icmp_error",
        "icmp_error",
        "ICMP packet that is malformed or of no known type",
    )
    .and(Selector::sum(&[P::IcmpError, P::Icmpv6Error])),
    kernel(
        Counter::ExpectNew,
        "expect_new",
        "expect_new",
        "packet began a flow that an expectation had announced",
    )
    .and(Selector::sum(&[P::ExpectNew])),
    kernel(
        Counter::ExpectCreate,
        "expect_create",
        "expect_create",
        "expectation made",
    )
    .and(Selector::sum(&[P::ExpectCreate, P::ExpectCreatePair])),
    kernel(
        Counter::ExpectDelete,
        "expect_delete",
        "expect_delete",
        "expectation removed",
    )
    .and(Selector::sum(&[P::ExpectDelete])),
    probed(
        Counter::TableFull,
        "table_full",
        Selector::sum(&[P::TableFull]),
        "flow refused because the table is full, ctnetlink's included",
    ),
    probed(
        Counter::Lookups,
        "lookups",
        Selector::sum(&[P::Lookup]),
        "packet looked up in the table",
    )
    .per_packet(),
    probed(
        Counter::LookupsFound,
        "lookups_found",
        Selector::sum(&[P::LookupFound]),
        "lookup of a packet that found its flow",
    )
    .per_packet(),
];

/// Number of counters.
pub const COUNT: usize = Counter::LookupsFound as usize + 1;

impl Counter {
    /// The counter's row.
    #[must_use]
    pub fn spec(self) -> &'static CounterSpec {
        &COUNTERS[self as usize]
    }
}

/// The row of a counter by its name.
#[must_use]
pub fn named(name: &str) -> Option<&'static CounterSpec> {
    COUNTERS.iter().find(|spec| spec.name == name)
}

/// A value for each counter that has one.
#[derive(Clone, Debug, PartialEq)]
pub struct PerCounter<T>([Option<T>; COUNT]);

impl<T> Default for PerCounter<T> {
    fn default() -> Self {
        Self([const { None }; COUNT])
    }
}

impl<T> PerCounter<T> {
    /// The value of a counter, if it has one.
    #[must_use]
    pub fn get(&self, counter: Counter) -> Option<&T> {
        self.0[counter as usize].as_ref()
    }

    /// The value of a counter, to be changed; made first if it has none.
    pub fn get_or_insert_with(&mut self, counter: Counter, value: impl FnOnce() -> T) -> &mut T {
        self.0[counter as usize].get_or_insert_with(value)
    }

    /// Sets or clears the value of a counter.
    pub fn set(&mut self, counter: Counter, value: Option<T>) {
        self.0[counter as usize] = value;
    }

    /// Makes one from a function of each row.
    pub fn from_fn(mut value: impl FnMut(&'static CounterSpec) -> Option<T>) -> Self {
        Self(std::array::from_fn(|i| value(&COUNTERS[i])))
    }

    /// The counters that have a value, in table order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (Counter, &mut T)> {
        COUNTERS
            .iter()
            .zip(&mut self.0)
            .filter_map(|(spec, value)| value.as_mut().map(|value| (spec.id, value)))
    }

    /// The counters that have a value, in table order.
    pub fn iter(&self) -> impl Iterator<Item = (Counter, &T)> {
        COUNTERS
            .iter()
            .filter_map(|spec| self.get(spec.id).map(|value| (spec.id, value)))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn rows_stand_in_the_order_of_their_ids_and_have_names_of_their_own() {
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
}
