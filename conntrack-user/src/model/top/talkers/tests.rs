//! Top talkers of windows, runs and listings that are made by hand.

use std::net::Ipv4Addr;

use conntrack_ebpf::heavy_hitters::TABLES;

use super::*;
use crate::reading::{
    census::{End, EndBy, EntryCounts, TopEnds},
    heavy_hitters::{Range, SketchBuilder},
    nat_ports::PortsInUse,
    owners::OwnerVotes,
    sockets::{Process, Program, Socket},
};

const WHOLE: Prefixes = Prefixes {
    ipv4: 32,
    ipv6: 128,
};
const HERE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const POD: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);

fn at(seconds: u64) -> Instant {
    Instant {
        monotonic: Duration::from_secs(seconds),
        realtime: jiff::Timestamp::UNIX_EPOCH,
    }
}

fn info(id: u64, slot: Option<u32>) -> InstanceInfo {
    InstanceInfo {
        id,
        name: format!("ns{id}").into(),
        netns: Some(4_000 + u32::try_from(id).unwrap()),
        slot,
    }
}

fn talkers(rows: usize) -> TopTalkers {
    TopTalkers::new(TopSettings {
        rows,
        prefixes: WHOLE,
    })
}

fn source(slot: u32, address: Ipv4Addr) -> FlowKey {
    FlowKey::ipv4(slot, address.to_bits(), WHOLE)
}

/// A window in which these sources began flows, as slot, address and flows.
fn window(end: u64, length: f64, flows: &[(u32, Ipv4Addr, usize)]) -> TopReading {
    let mut new = SketchBuilder::new(4, 7);
    for (slot, address, count) in flows {
        for _ in 0..*count {
            new.add(source(*slot, *address));
        }
    }
    let none = SketchBuilder::new(4, 7);
    let by_source = table(FlowMeasure::New, By::Source);
    TopReading {
        window: Some(TopWindow {
            end: at(end),
            length: Duration::from_secs_f64(length),
            sketches: (0..TABLES)
                .map(|table| match table == by_source {
                    true => new.sketch(),
                    false => none.sketch(),
                })
                .collect(),
        }),
        ..TopReading::default()
    }
}

fn all() -> Coverage {
    Coverage::except(Vec::new())
}

/// The sources of new flows, with their counts.
fn sources(top: &Top) -> Vec<(String, u64)> {
    let mut tables = top.tables.iter();
    let table = tables.find(|table| table.by == "new" && table.of == "src");
    let rows = table.map(|table| &table.rows).into_iter().flatten();
    rows.map(|row| (row.key.to_string(), row.count)).collect()
}

fn named(address: Ipv4Addr, count: u64) -> (String, u64) {
    (address.to_string(), count)
}

#[test]
fn each_instance_has_its_own_and_no_more_than_wanted() {
    let (a, b, none) = (info(1, Some(0)), info(2, Some(1)), info(3, None));
    let mut talkers = talkers(1);
    let found = window(5, 1.0, &[(0, HERE, 3), (0, POD, 9), (1, HERE, 2)]);
    let watched = [&a, &b, &none];
    let tops = talkers.observe(at(5), Purpose::Interval, &found, &watched, &all());
    let names: Vec<_> = tops.iter().map(|top| top.instance.raw()).collect();
    assert_eq!(names, ["ns1", "ns2", "ns3"]);
    assert_eq!(sources(&tops[0]), [named(POD, 9)]);
    assert_eq!(sources(&tops[1]), [named(HERE, 2)]);
    assert!(
        tops[2].tables.is_empty(),
        "it has no slot in the probes' maps"
    );
    assert!((tops[0].window_s - 1.0).abs() < 1e-9 && !tops[0].closing);
}

/// What no probe counts has no table, which is not the same as an empty one.
#[test]
fn measures_that_are_not_counted_are_left_out() {
    let a = info(1, Some(0));
    let missing = [ProbeCounter::TableFull, ProbeCounter::DeleteList];
    let missing = missing.map(|counter| (counter, "inlined".into())).to_vec();
    let found = window(5, 1.0, &[(0, HERE, 3)]);
    let coverage = Coverage::except(missing);
    let tops = talkers(5).observe(at(5), Purpose::Interval, &found, &[&a], &coverage);
    let mut measures: Vec<_> = tops[0].tables.iter().map(|table| table.by.raw()).collect();
    measures.dedup();
    assert_eq!(measures, ["new"]);
}

#[test]
fn the_run_has_short_windows_too() {
    let a = info(1, Some(0));
    let mut talkers = talkers(5);
    let mut observe = |end, length, flows, purpose| {
        let found = window(end, length, &[(0, HERE, flows)]);
        talkers.observe(at(end), purpose, &found, &[&a], &all())
    };
    assert_eq!(
        sources(&observe(1, 1.0, 4, Purpose::Interval)[0]),
        [named(HERE, 4)]
    );
    assert!(observe(2, 0.4, 5, Purpose::Interval).is_empty());
    let closing = talkers.closing(at(3), &a, &all());
    assert_eq!(closing.len(), 1);
    assert_eq!(sources(&closing[0]), [named(HERE, 9)]);
    // From the start of the first window.
    assert!(closing[0].closing && (closing[0].window_s - 3.0).abs() < 1e-9);
}

/// A slot is given to another namespace: what was counted in it before belongs to the one that is gone.
#[test]
fn a_slot_that_is_used_again_starts_from_nothing() {
    let (old, new) = (info(1, Some(0)), info(2, Some(0)));
    let mut talkers = talkers(5);
    let found = window(1, 1.0, &[(0, HERE, 4)]);
    talkers.observe(at(1), Purpose::Interval, &found, &[&old], &all());
    let ended = talkers.end(at(2), &old, &all());
    assert_eq!(sources(&ended[0]), [named(HERE, 4)]);
    // This window has what the old one did up to its end.
    let found = window(2, 1.0, &[(0, HERE, 7)]);
    let tops = talkers.observe(at(2), Purpose::Interval, &found, &[&new], &all());
    assert_eq!(sources(&tops[0]), []);
    let found = window(3, 1.0, &[(0, POD, 2)]);
    talkers.observe(at(3), Purpose::Interval, &found, &[&new], &all());
    assert_eq!(
        sources(&talkers.closing(at(3), &new, &all())[0]),
        [named(POD, 2)]
    );
}

#[test]
fn processes_and_workloads_are_named() {
    let a = info(1, Some(0));
    let mut votes = OwnerVotes::new(0, WHOLE);
    let process = Process {
        pid: 77,
        program: Program {
            name: "resolver".into(),
            workload: None,
        },
    };
    let socket = Socket {
        protocol: 17,
        local: HERE.into(),
        port: 53,
        remote: Ipv4Addr::UNSPECIFIED.into(),
        inode: 1,
    };
    votes.add(&socket, &Rc::new(process));
    let mut workloads = Workloads::default();
    let pod = Arc::new(Workload {
        pod: Some("cart".into()),
        ..Workload::default()
    });
    workloads.add(Some(9), [POD.into()], Some(Arc::clone(&pod)));
    let mut talkers = talkers(5);
    talkers.set_workloads(Rc::new(workloads));
    let found = TopReading {
        owners: vec![(1, votes.owners())],
        ..window(1, 1.0, &[(0, HERE, 4), (0, POD, 2)])
    };
    let tops = talkers.observe(at(1), Purpose::Interval, &found, &[&a], &all());
    let of_source = |table: &&TopTable| table.by == "new" && table.of == "src";
    let table = tops[0].tables.iter().find(of_source).unwrap();
    let [here, there] = &table.rows[..] else {
        panic!("{table:?}");
    };
    assert_eq!(here.process.as_ref().unwrap().raw(), "resolver[77]");
    assert!(here.workload.is_none());
    assert_eq!(
        (there.process.as_ref(), there.workload.as_ref()),
        (None, Some(&pod))
    );
}

fn listing(listing: Listing, listed: u64, entries: u64) -> TopReading {
    let range = Range {
        low: listed,
        high: listed,
    };
    let hitters = HeavyHitters {
        total: listed,
        error: 0,
        certain: true,
        rows: vec![(source(0, POD), range)],
    };
    let service = End {
        protocol: Some(6),
        address: Some(std::net::IpAddr::from(POD).into()),
        port: Some(443),
    };
    let ends = TopEnds {
        total: listed,
        rows: vec![(service, listed)],
        certain: true,
    };
    let listing = EntryListing {
        groups: vec![(GroupBy::Tuple(By::Source), hitters)],
        counts: EntryCounts {
            listed,
            ends: vec![(EndBy::Service, ends)],
            ..EntryCounts::default()
        },
        nat_ports: PortsInUse::default(),
        listing,
        entries: Some(entries),
        dying: None,
        buckets: None,
        cpu: Duration::ZERO,
    };
    TopReading {
        listings: vec![(1, listing)],
        ..TopReading::default()
    }
}

#[test]
fn a_listing_is_reported_and_closes_the_run() {
    let a = info(1, None);
    let mut talkers = talkers(5);
    let found = listing(Listing::Whole, 40, 44);
    let none = Coverage::none("no probes");
    let tops = talkers.observe(at(1), Purpose::Interval, &found, &[&a], &none);
    let keys: Vec<_> = tops[0]
        .tables
        .iter()
        .map(|table| {
            (
                table.by.raw(),
                table.of.raw(),
                table.rows[0].key.raw(),
                table.error,
            )
        })
        .collect();
    let expected = [
        ("entries", "src", "10.0.0.2", 0),
        ("entries", "service", "tcp/10.0.0.2:443", 0),
    ];
    assert_eq!(keys, expected);
    assert_eq!(tops[0].remark, None);
    let closing = talkers.closing(at(9), &a, &none);
    assert_eq!((closing.len(), closing[0].closing), (1, true));
    assert_eq!(closing[0].tables, tops[0].tables);
    // One that is gone has none any more, and one that is not watched never had.
    talkers.end(at(9), &a, &none);
    assert!(talkers.closing(at(9), &a, &none).is_empty());
    let others = [&info(2, None)];
    assert!(
        talkers
            .observe(at(10), Purpose::Interval, &found, &others, &none)
            .is_empty()
    );
}

/// The last reading's listing is only part of what closes the run.
#[test]
fn the_last_listing_is_not_reported_twice() {
    let a = info(1, None);
    let mut talkers = talkers(5);
    let none = Coverage::none("no probes");
    let found = listing(Listing::Whole, 40, 40);
    assert!(
        talkers
            .observe(at(1), Purpose::Last, &found, &[&a], &none)
            .is_empty()
    );
    assert_eq!(talkers.closing(at(1), &a, &none).len(), 1);
}

#[test]
fn what_is_not_whole_says_so() {
    for (how, error, sampled, remark) in [
        (Listing::Sampled, 900, true, "sample"),
        (Listing::Changed, 0, false, "changed"),
        (Listing::Partial, 0, false, "lost"),
    ] {
        let found = listing(how, 100, 1_000);
        let none = Coverage::none("no probes");
        let tops = talkers(5).observe(at(1), Purpose::Interval, &found, &[&info(1, None)], &none);
        let said = tops[0].remark.as_ref().unwrap().raw();
        assert!(said.contains(remark), "{said}");
        for table in &tops[0].tables {
            // Each of the entries that were not listed may be one of a row.
            assert_eq!((table.error, table.sampled), (error, sampled), "{how:?}");
            assert_eq!(table.certain, !sampled);
        }
    }
}

/// Of other kinds the translated flow has its ports, and was not refused any.
#[test]
fn only_exhausted_flows_tell_of_nats_ports() {
    use crate::model::event::{Protocol, Tuple};
    let a = info(1, None);
    let limit_after = |kind: EventKind| {
        let mut talkers = talkers(5);
        let translated = Tuple {
            proto: Some(Protocol(17)),
            src: Some(HERE.into()),
            sport: Some(7_001),
            dst: Some(POD.into()),
            dport: Some(53),
            ..Tuple::default()
        };
        let event = Event {
            time: Time(jiff::Timestamp::UNIX_EPOCH),
            instance: a.name.clone(),
            kind: kind_name(kind).into(),
            tuple: None,
            by: None,
            translated: Some(translated),
            workloads: crate::model::record::Ordered::default(),
        };
        talkers.note(&a, &event);
        let mut found = listing(Listing::Whole, 5, 5);
        let used = crate::reading::nat_ports::PortUse {
            protocol: 17,
            translated: HERE.into(),
            destination: POD.into(),
            port: 53,
        };
        found.listings[0].1.nat_ports = PortsInUse {
            total: 5,
            most: vec![(used, 5)],
            ..PortsInUse::default()
        };
        let none = Coverage::none("no probes");
        let tops = talkers.observe(at(1), Purpose::Interval, &found, &[&a], &none);
        let table = tops[0].tables.iter().find(|table| table.of == "nat");
        table.unwrap().rows[0].nat.unwrap().limit
    };
    assert_eq!(limit_after(EventKind::NatExhausted), 5);
    assert_eq!(limit_after(EventKind::EarlyDrop), 64_512);
}
