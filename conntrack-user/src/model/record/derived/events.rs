//! Which events the probes could report: the absence of events means nothing where they would not have been seen.

use std::fmt::Write as _;

use conntrack_ebpf::{
    EventKind, ProbeCounter,
    table::{PROBES, ProbeRow},
};

use crate::{
    model::{
        event::kind_name,
        record::{happenings::Event, hello::Hello},
    },
    reading::probes::Probes,
    text::Text,
};

/// Kinds of events that cannot be seen, or only in part, for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnseenEvents {
    /// Why they cannot be seen.
    pub reason: Text,
    /// Their names, as in [`crate::model::record::Event::kind`].
    pub kinds: Vec<&'static str>,
}

/// The counters that rise with events of a kind: the programs that count them send the events.
const fn counted_as(kind: EventKind) -> &'static [ProbeCounter] {
    match kind {
        EventKind::TableFull => &[ProbeCounter::TableFull],
        EventKind::EarlyDrop => &[ProbeCounter::EarlyDrop],
        EventKind::Clash => &[ProbeCounter::ClashResolved],
        EventKind::InsertFailed => &[ProbeCounter::ClashFailed, ProbeCounter::ConfirmFailed],
        EventKind::ChainTooLong => &[
            ProbeCounter::CheckChainTooLong,
            ProbeCounter::ConfirmChainTooLong,
        ],
        EventKind::Invalid => &[ProbeCounter::InUntracked],
        EventKind::IcmpError => &[ProbeCounter::IcmpError, ProbeCounter::Icmpv6Error],
        EventKind::NatExhausted => &[ProbeCounter::NatExhausted],
        EventKind::ExpectFull => &[ProbeCounter::ExpectCreate, ProbeCounter::ExpectCreatePair],
    }
}

/// Whether a kernel function is of a row that is needed to see every event of a kind.
fn takes(kind: EventKind, function: &Text) -> bool {
    let counters = counted_as(kind);
    let rows = PROBES
        .iter()
        .filter(|row| row.counters.iter().any(|c| counters.contains(c)));
    rows.flat_map(ProbeRow::functions)
        .any(|probed| probed.name == function.raw())
}

fn why_unseen(probes: &Probes, kind: EventKind) -> Option<Text> {
    if !probes.is_attached() {
        return Some(probes.why_off());
    }
    let missing = probes
        .missing
        .iter()
        .find(|missing| takes(kind, &missing.function))?;
    Some(missing.reason.clone())
}

impl Hello {
    /// The kinds of events that cannot be seen, by reason; empty if all can be seen.
    #[must_use]
    pub(crate) fn unseen_events(&self) -> Vec<UnseenEvents> {
        let mut groups: Vec<UnseenEvents> = Vec::new();
        for kind in EventKind::ALL {
            let Some(reason) = why_unseen(&self.probes, kind) else {
                continue;
            };
            let name = kind_name(kind);
            match groups.iter_mut().find(|group| group.reason == reason) {
                Some(group) => group.kinds.push(name),
                None => groups.push(UnseenEvents {
                    reason,
                    kinds: vec![name],
                }),
            }
        }
        groups
    }
}

impl Event {
    /// Its flow or packet, with what else is known about it, for people.
    #[must_use]
    pub(crate) fn described(&self) -> String {
        let tuple = self.tuple.as_ref();
        let mut text = tuple.map_or_else(|| "unknown".to_owned(), ToString::to_string);
        if let Some(by) = &self.by {
            let _ = write!(text, ", evicted for {by}");
        }
        if let Some(translated) = &self.translated {
            let _ = write!(text, ", translated to {translated}");
        }
        if let Some(owners) = self.owners() {
            let _ = write!(text, " ({owners})");
        }
        text
    }

    /// What its addresses belong to, for people: `10.244.1.7 is shop/cart-7d9f`.
    #[must_use]
    pub(crate) fn owners(&self) -> Option<String> {
        let owners = self.workloads.0.iter();
        let owners: Vec<String> = owners
            .map(|(address, workload)| format!("{address} is {workload}"))
            .collect();
        (!owners.is_empty()).then(|| owners.join(", "))
    }

    /// Whether a flow was rejected: its insertion failed or there was no room.
    #[must_use]
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(
            self.kind.raw(),
            "table_full" | "insert_failed" | "nat_exhausted"
        )
    }
}
