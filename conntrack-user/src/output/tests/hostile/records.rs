//! Records of any kind.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::{collection::vec, option, prelude::*, sample::select};

use super::{
    contents::{contents, limits},
    hosts::{hello, host},
    samples::sample,
    summaries::{burst, check, summary},
    values::{count, float, instance, status, text, time, workload},
};
use crate::model::{
    event::{Family, Protocol, Tuple},
    record::{Alert, Crosscheck, Event, Ordered, Record, Top, TopRow, TopTable},
};

fn tuple() -> impl Strategy<Value = Tuple> {
    let ip = || {
        option::of(prop_oneof![
            any::<u32>().prop_map(|ip| IpAddr::V4(Ipv4Addr::from_bits(ip))),
            any::<u128>().prop_map(|ip| IpAddr::V6(Ipv6Addr::from_bits(ip))),
        ])
    };
    let family = option::of(select(vec![Family::Ipv4, Family::Ipv6]));
    (
        family,
        option::of(any::<u8>()),
        ip(),
        ip(),
        option::of(any::<[u16; 2]>()),
    )
        .prop_map(|(family, proto, src, dst, ports)| Tuple {
            family,
            proto: proto.map(Protocol),
            src,
            dst,
            sport: ports.map(|ports| ports[0]),
            dport: ports.map(|ports| ports[1]),
            ..Tuple::default()
        })
}

fn top() -> impl Strategy<Value = Record> {
    let row = (
        text(),
        count(),
        float(),
        option::of(text()),
        [option::of(workload()), option::of(workload())],
    )
        .prop_map(
            |(key, count, share, process, [of_process, workload])| TopRow {
                key,
                count,
                share,
                process,
                process_workload: of_process.map(Into::into),
                workload: workload.map(Into::into),
                nat: None,
            },
        );
    let table = (
        [text(), text()],
        [count(), count()],
        any::<bool>(),
        vec(row, 0..12),
    )
        .prop_map(|([by, of], [total, error], certain, rows)| TopTable {
            by,
            of,
            total,
            error,
            certain,
            sampled: false,
            rows,
        });
    (
        time(),
        instance(),
        float(),
        any::<bool>(),
        vec(table, 0..5),
        option::of(text()),
    )
        .prop_map(|(time, instance, window_s, closing, tables, remark)| {
            Record::Top(Top {
                time,
                instance,
                window_s,
                closing,
                tables,
                remark,
            })
        })
}

pub(super) fn record() -> impl Strategy<Value = Record> {
    let crosscheck =
        (time(), instance(), vec(check(), 0..5)).prop_map(|(time, instance, checks)| {
            Record::Crosscheck(Crosscheck {
                time,
                instance,
                checks,
            })
        });
    let event = (
        time(),
        (instance(), text()),
        option::of(tuple()),
        option::of(tuple()),
        option::of(tuple()),
        vec((text(), workload().prop_map(Into::into)), 0..3),
    )
        .prop_map(
            |(time, (instance, kind), tuple, by, translated, workloads)| {
                Record::Event(Box::new(Event {
                    time,
                    instance,
                    kind,
                    tuple,
                    by,
                    translated,
                    workloads: Ordered(workloads),
                }))
            },
        );
    let alert = (
        time(),
        (instance(), text(), text()),
        [status(), status()],
        float(),
        option::of(text()),
    )
        .prop_map(
            |(time, (instance, name, unit), [status, previous], value, reason)| {
                Record::Alert(Alert {
                    time,
                    instance,
                    name,
                    status,
                    value,
                    unit,
                    previous,
                    reason,
                })
            },
        );
    // Boxed: together they would overflow the stack.
    prop_oneof![
        2 => hello().boxed(),
        8 => sample().boxed(),
        1 => crosscheck.boxed(),
        1 => event.boxed(),
        1 => alert.boxed(),
        2 => burst().prop_map(Record::Burst).boxed(),
        1 => top().boxed(),
        1 => contents().boxed(),
        1 => limits().boxed(),
        2 => host().boxed(),
        1 => summary().boxed(),
    ]
}
