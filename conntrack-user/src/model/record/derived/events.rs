//! Which events the probes could report: the absence of events means nothing where they would not have been seen.

use conntrack_ebpf::EventKind;

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

/// The kernel functions whose probes report a kind of event. All of them are needed to see every event of the kind.
const fn reported_by(kind: EventKind) -> &'static [&'static str] {
    match kind {
        EventKind::TableFull | EventKind::EarlyDrop => &["early_drop"],
        EventKind::Clash => &["nf_ct_resolve_clash"],
        EventKind::InsertFailed => &["nf_ct_resolve_clash", "__nf_conntrack_confirm"],
        EventKind::ChainTooLong => &["nf_conntrack_hash_check_insert", "__nf_conntrack_confirm"],
        EventKind::Invalid => &["nf_conntrack_in"],
        EventKind::IcmpError => &["nf_conntrack_icmpv4_error", "nf_conntrack_icmpv6_error"],
    }
}

fn why_unseen(probes: &Probes, kind: EventKind) -> Option<Text> {
    if !probes.is_attached() {
        return Some(probes.why_off());
    }
    let missing = probes
        .missing
        .iter()
        .find(|missing| reported_by(kind).contains(&missing.function.raw()))?;
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
    /// Whether a flow was rejected: its insertion failed or there was no room.
    #[must_use]
    pub(crate) fn is_rejection(&self) -> bool {
        matches!(self.kind.raw(), "table_full" | "insert_failed")
    }
}
