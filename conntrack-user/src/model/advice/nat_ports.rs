//! Flows that NAT found no free source port for, or soon will not.

use super::{
    cause::Cause,
    observed::SeenInstance,
    phrases::{amount, duration, percent},
};
use crate::{
    model::{
        kernel::counters::Counter,
        record::{AdviceTopic, NatPortsLeft, SettingChange, TopRow},
    },
    text::Text,
};

/// From this part of the ports for a destination on, in percent, they run short.
const SHORT: f64 = 80.0;

/// They will soon, if they last for fewer seconds.
const SOON: f64 = 3_600.0;

/// What takes no other rule, or depends on it.
const OTHER_WAYS: &str = "it also helps to keep connections open, to shorten timeouts where closed or idle flows hold the ports, and to give the \
     rule more ports if it names any";

/// The most destinations that are named.
const NAMED: usize = 3;

/// A reply has to find its flow, so two flows to one destination (address, port and protocol) cannot have the same translated source.
pub(super) fn nat_ports(observed: &SeenInstance) -> Option<Cause> {
    let refused = observed.count(Counter::NatExhausted).unwrap_or(0);
    let rows = observed.nat_ports().map_or(&[][..], |table| &table.rows);
    let short = rows.iter().filter_map(|row| {
        let left = row.nat.as_ref()?;
        let used = row.count as f64 / left.limit.max(1) as f64 * 100.0;
        let soon = left.exhausted_in_s.filter(|left| left.estimate < SOON);
        (left.refused || used >= SHORT || soon.is_some()).then(|| in_use(row, left, used))
    });
    let mut evidence: Vec<Text> = short.take(NAMED).collect();
    if refused == 0 && evidence.is_empty() {
        return None;
    }
    evidence.push(Text::fixed(OTHER_WAYS));
    let finding = match refused {
        0 => "NAT runs short of source ports for some destinations".to_owned(),
        _ => format!(
            "NAT found no free source port for {} flows, which were dropped",
            amount(refused)
        ),
    };
    Some(Cause {
        topic: AdviceTopic::NatPorts,
        finding: finding.into(),
        evidence,
        change: Some(SettingChange {
            setting: "the addresses of the NAT rule".into(),
            from: None,
            to: None,
            effect: "each address gives as many ports again for every destination".into(),
            risk: Some("the other side sees several addresses: one that lets in only known ones has to know all".into()),
            commands: Vec::new(),
            or: vec![
                "nft: `snat to FIRST-LAST` in the rule; iptables: `-j SNAT --to-source FIRST-LAST`".into(),
            ],
            undo: Vec::new(),
        }),
    })
}

fn in_use(row: &TopRow, left: &NatPortsLeft, used: f64) -> Text {
    let assumed = if left.assumed { " at most" } else { "" };
    let runs_out = left
        .exhausted_in_s
        .map(|left| format!(", none left in {}", duration(left.estimate)));
    // Addresses and a port, but a recording may have anything there.
    format!(
        "{} of{assumed} {} ports are in use for {} ({}){}",
        amount(row.count),
        amount(left.limit),
        row.key.raw(),
        percent(used),
        runs_out.unwrap_or_default()
    )
    .into()
}
