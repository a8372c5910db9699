//! One hello and one summary for all hosts.

use crate::{
    model::{
        kernel::per_counter::PerCounter,
        record::{EventTotals, Hello, Ordered, SCHEMA, Summary},
    },
    reading::probes::Probes,
    text::Text,
};

/// How many hosts are named where all are meant.
const NAMED: usize = 3;

/// Why there are no probes on hosts that were not reached yet.
const NOT_REACHED: &str = "no host was reached yet";

/// What is watched on all hosts. Of what differs between them it has what any has; the status of each host has the rest.
pub(super) fn hello<'a>(hosts: impl Iterator<Item = &'a Hello>) -> Hello {
    let hosts: Vec<&Hello> = hosts.collect();
    let Some((first, others)) = hosts.split_first() else {
        return nothing();
    };
    let same = |of: fn(&Hello) -> &Text| others.iter().all(|other| of(other) == of(first));
    let least = |least: f64, hello: &&Hello| least.min(hello.interval_ms);
    Hello {
        schema: SCHEMA,
        version: match same(|hello| &hello.version) {
            true => first.version.clone(),
            false => "several".into(),
        },
        kernel: match same(|hello| &hello.kernel) {
            true => first.kernel.clone(),
            false => "several".into(),
        },
        hostname: hostnames(&hosts),
        interval_ms: hosts.iter().fold(f64::INFINITY, least),
        probes: probes(&hosts),
        instances: hosts.iter().flat_map(|h| h.instances.clone()).collect(),
        unavailable: PerCounter::from_fn(|spec| {
            let of = |hello: &&Hello| hello.unavailable.get(spec.id).cloned();
            let reasons: Option<Vec<Text>> = hosts.iter().map(of).collect();
            reasons?.into_iter().next()
        }),
    }
}

fn nothing() -> Hello {
    Hello {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").into(),
        kernel: "unknown".into(),
        hostname: "unknown".into(),
        interval_ms: 1000.0,
        probes: Probes::off(NOT_REACHED),
        instances: Vec::new(),
        unavailable: PerCounter::default(),
    }
}

fn hostnames(hosts: &[&Hello]) -> Text {
    let named = hosts.iter().take(NAMED).map(|hello| hello.hostname.raw());
    let named = named.collect::<Vec<_>>().join(", ");
    match hosts.len().saturating_sub(NAMED) {
        0 => named.into(),
        more => format!("{named} and {more} more").into(),
    }
}

/// Those of the host with the most attached.
fn probes(hosts: &[&Hello]) -> Probes {
    let all = hosts.iter().map(|hello| &hello.probes);
    // The first of equals.
    let most = all.rev().max_by_key(|probes| probes.attached.len());
    most.cloned().unwrap_or_else(|| Probes::off(NOT_REACHED))
}

/// The summaries of hosts as one. The samples have `lasted` so many seconds.
pub(super) fn summary(summaries: Vec<Summary>, lasted: f64) -> Summary {
    let longest = summaries.iter().map(|summary| summary.duration_s);
    let mut together = Summary {
        duration_s: longest.reduce(f64::max).unwrap_or(lasted),
        events: None,
        instances: Vec::new(),
        instances_left_out: 0,
    };
    for summary in summaries {
        for (kind, totals) in summary.events.into_iter().flat_map(|events| events.0) {
            add(together.events.get_or_insert_default(), kind, totals);
        }
        together.instances.extend(summary.instances);
        together.instances_left_out = together
            .instances_left_out
            .saturating_add(summary.instances_left_out);
    }
    together
}

fn add(all: &mut Ordered<EventTotals>, kind: Text, more: EventTotals) {
    let Some((_, known)) = all.0.iter_mut().find(|(known, _)| *known == kind) else {
        all.0.push((kind, more));
        return;
    };
    known.sent = known.sent.saturating_add(more.sent);
    known.suppressed = known.suppressed.saturating_add(more.suppressed);
    known.lost = known.lost.saturating_add(more.lost);
}
