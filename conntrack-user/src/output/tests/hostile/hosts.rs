//! Hosts, what they say of themselves first, and what becomes of them.

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::values::{float, instance, per_counter, text, time, workload};
use crate::{
    model::record::{Hello, HostState, HostStatus, Instance, Record},
    reading::probes::{Missing, Probes},
    text::Text,
};

fn probes() -> impl Strategy<Value = Probes> {
    let missing = (text(), text()).prop_map(|(function, reason)| Missing { function, reason });
    (
        text(),
        text(),
        option::of(text()),
        vec(text(), 0..4),
        vec(missing, 0..4),
    )
        .prop_map(|(mode, group, reason, attached, missing)| Probes {
            mode,
            group,
            reason,
            by_kprobe: Vec::new(),
            attached,
            missing,
            functions: Vec::new(),
        })
}

/// Names of hosts, of which an instance and a status may have the same.
fn host_name() -> impl Strategy<Value = Text> {
    prop_oneof![select(vec!["a", "b"]).prop_map(Text::from), text()]
}

pub(super) fn host() -> impl Strategy<Value = Record> {
    let state = select(vec![
        HostState::Connecting,
        HostState::Connected,
        HostState::Lost,
        HostState::Ended,
        HostState::Refused,
    ]);
    let known = (option::of(float()), option::of(hello()));
    (
        [time(), time()],
        (host_name(), text(), text()),
        state,
        known,
    )
        .prop_map(
            |([time, since], (name, source, reason), state, (clock_ahead_ms, hello))| {
                Record::Host(Box::new(HostStatus {
                    time,
                    name,
                    source,
                    state,
                    since,
                    reason: Some(reason),
                    clock_ahead_ms,
                    hello: match hello {
                        Some(Record::Hello(hello)) => Some(*hello),
                        _ => None,
                    },
                }))
            },
        )
}

pub(super) fn hello() -> impl Strategy<Value = Record> {
    let instance = (
        instance(),
        option::of(any::<u32>()),
        option::of(host_name()),
        option::of(workload()),
    )
        .prop_map(|(name, netns, host, workload)| Instance {
            name,
            netns,
            host,
            workload: workload.map(Into::into),
        });
    (
        [text(), text(), text()],
        float(),
        probes(),
        vec(instance, 0..5),
        per_counter(text()),
    )
        .prop_map(
            |([version, kernel, hostname], interval_ms, probes, instances, unavailable)| {
                Record::Hello(Box::new(Hello {
                    schema: 1,
                    version,
                    kernel,
                    hostname,
                    interval_ms,
                    probes,
                    instances,
                    unavailable,
                }))
            },
        )
}
