//! What each timeout holds, and which could be shorter.

use super::{
    maximum::Proposal,
    observed::{GroupSeen, SeenInstance},
    phrases::{amount, percent, sysctl},
};
use crate::{
    model::record::{AdviceTopic, SettingChange},
    text::Text,
};

/// A group with less than this part of all entries is not worth a change.
const WORTH: f64 = 0.05;

/// A change has to free at least this part of all entries.
const FREES: f64 = 0.03;

/// The most, as a part of the entries that are idle for so long, that may be used again afterwards.
const USED_AGAIN: f64 = 0.02;

/// The shortest that is proposed for a timeout in seconds, and what speaks against shorter ones. What is not here is left alone.
const SHORTEST: &[(&str, u64, &str)] = &[
    (
        "tcp_timeout_time_wait",
        30,
        "packets of a closed connection that arrive later are invalid",
    ),
    (
        "tcp_timeout_established",
        7_440,
        "RFC 5382 asks for 2 h 4 min: applications that are silent for longer, without TCP keepalive, lose their connections",
    ),
    (
        "tcp_timeout_syn_sent",
        20,
        "a server that answers later than that is not reached by the first SYN packets",
    ),
    (
        "tcp_timeout_syn_recv",
        20,
        "clients that answer later than that have to start again",
    ),
    (
        "tcp_timeout_fin_wait",
        30,
        "a connection that is closed on one side only, and is silent for that long, is forgotten",
    ),
    (
        "tcp_timeout_close_wait",
        30,
        "a connection that is closed on one side only, and is silent for that long, is forgotten",
    ),
    (
        "tcp_timeout_last_ack",
        15,
        "the last packet of a connection may come too late",
    ),
    (
        "udp_timeout",
        10,
        "an answer that comes later finds no flow: behind NAT it is lost",
    ),
    (
        "udp_timeout_stream",
        60,
        "RFC 4787 asks NAT to hold a mapping for 2 min; applications with longer pauses lose theirs",
    ),
    ("icmp_timeout", 10, "an answer that comes later is invalid"),
    (
        "icmpv6_timeout",
        10,
        "an answer that comes later is invalid",
    ),
    (
        "generic_timeout",
        60,
        "a flow of another protocol that pauses for longer is a new one",
    ),
];

/// Shorter timeouts, those that free most first.
pub(super) fn shorter(observed: &SeenInstance) -> Vec<Proposal> {
    let listed = observed.listed();
    let groups = observed.groups().into_iter();
    let worth = groups.filter(|group| group.held() >= WORTH * listed);
    let mut proposals: Vec<(f64, Proposal)> =
        worth.filter_map(|group| of_group(group, listed)).collect();
    proposals.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    proposals
        .into_iter()
        .map(|(_, proposal)| proposal)
        .collect()
}

/// What a shorter timeout of a group would bring, with the part of all entries that it frees.
fn of_group(group: &GroupSeen, listed: f64) -> Option<(f64, Proposal)> {
    let idle = group.idle.as_ref()?;
    let name = group.last.setting.as_ref()?.raw();
    let &(_, shortest, risk) = SHORTEST.iter().find(|(known, ..)| *known == name)?;
    let now = idle.timeout() as u64;
    // The shortest of these that cuts nearly nothing that lives.
    let candidates = [now / 8, now / 4, now / 2].map(|to| to.max(shortest));
    let (to, again) = candidates.iter().find_map(|&to| {
        let (again, error) = idle.used_again_after(to as f64)?;
        (to < now && again - error <= USED_AGAIN).then_some((to, again + error))
    })?;
    let held = idle.held_with(to as f64);
    let freed = (idle.now() - held.entries) / listed;
    if freed < FREES {
        return None;
    }
    let setting = format!("net.netfilter.nf_conntrack_{name}");
    let part = group.held() / listed * 100.0;
    let error = 2.0 * held.error / listed * 100.0;
    let finding = format!(
        "{} entries are {} of the table, held for {now} s after their last packet",
        group.name(),
        percent(part)
    );
    let evidence: Vec<Text> = vec![
        format!(
            "{} entries of {}",
            amount(group.held() as u64),
            amount(listed as u64)
        )
        .into(),
        format!(
            "{} expire in a second",
            super::phrases::per_second(idle.expire_per_s(idle.timeout()))
        )
        .into(),
        format!(
            "of those that are idle for {to} s, at most {} are used again",
            percent(again * 100.0)
        )
        .into(),
    ];
    let change = SettingChange {
        effect: format!(
            "{to} s would free {} ± {} of the table",
            percent(freed * 100.0),
            percent(error)
        )
        .into(),
        risk: Some(risk.into()),
        commands: vec![sysctl(&setting, to)],
        or: Vec::new(),
        undo: vec![sysctl(&setting, now)],
        setting: setting.into(),
        from: Some(now),
        to: Some(to),
    };
    Some((
        freed,
        (AdviceTopic::Timeout, finding.into(), evidence, change),
    ))
}
