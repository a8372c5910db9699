use super::*;
use crate::reading::entries::EntryTuple;

const PREFIXES: Prefixes = Prefixes { ipv4: 24, ipv6: 64 };
const NOW: u64 = 1_700_000_100 * 1_000_000_000;

fn ip(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

/// A flow to port 443 from `src` to `dst`, which is really `real`.
fn flow(src: &str, dst: &str, real: &str, bits: u32) -> Entry {
    Entry {
        original: EntryTuple {
            src: ip(src),
            dst: ip(dst),
            sport: 5_000,
            dport: 443,
        },
        reply: EntryTuple {
            src: ip(real),
            dst: ip(src),
            sport: 8_443,
            dport: 5_000,
        },
        protocol: 6,
        state: Some(3),
        status: bits,
        remaining: Some(100),
        ..Entry::default()
    }
}

fn census(entries: &[Entry]) -> EntryCounts {
    let own = HashSet::from(["10.0.0.1".parse().unwrap()]);
    let mut census = Census::new(NOW, PREFIXES, Some(own));
    for entry in entries {
        census.add(entry);
    }
    census.finish(10)
}

fn rows(counts: &EntryCounts, by: EndBy) -> Vec<(End, u64)> {
    let found = counts.ends.iter().find(|(of, _)| *of == by);
    found.map(|(_, top)| top.rows.clone()).unwrap_or_default()
}

#[test]
fn entries_are_in_one_class_and_one_of_three_marks() {
    const BOTH: u32 = status::SEEN_REPLY | status::ASSURED;
    let tcp = |state, bits| Entry {
        state: Some(state),
        ..flow("10.0.0.2", "10.0.0.1", "10.0.0.1", bits)
    };
    let udp = |bits| Entry {
        protocol: 17,
        state: None,
        ..tcp(0, bits)
    };
    let counts = census(&[
        tcp(3, BOTH),
        tcp(3, BOTH),
        // Closing, but assured; and not assured.
        tcp(7, BOTH),
        tcp(1, 0),
        udp(status::SEEN_REPLY),
        udp(BOTH | status::OFFLOAD),
    ]);
    let class = |protocol, phase| EntryClass { protocol, phase };
    let classes: Vec<_> = counts.classes.iter().map(|(c, n)| (*c, n.listed)).collect();
    assert_eq!(
        classes,
        [
            (class(6, EntryPhase::Tcp(3)), 2),
            (class(6, EntryPhase::Tcp(1)), 1),
            (class(6, EntryPhase::Tcp(7)), 1),
            (class(17, EntryPhase::Replied(Replied::Yes)), 1),
            (class(17, EntryPhase::Offloaded), 1),
        ]
    );
    let marks = counts.marks;
    assert_eq!((marks.assured, marks.unreplied, marks.neither), (4, 1, 1));
    assert_eq!((marks.offload, marks.snat), (1, 0));
    // The unreplied and the one with a reply only; and TIME_WAIT.
    assert_eq!((counts.early_drop, counts.nearly_full), (2, 3));
}

#[test]
fn directions_follow_the_real_destination() {
    let counts = census(&[
        flow("192.0.2.1", "10.0.0.1", "10.0.0.1", 0),
        // To an address of ours, and translated to a container.
        flow("192.0.2.2", "10.0.0.1", "172.17.0.2", status::DST_NAT),
        flow("10.0.0.1", "198.51.100.7", "198.51.100.7", 0),
        flow("127.0.0.1", "127.0.0.9", "127.0.0.9", 0),
        flow("10.0.0.9", "224.0.0.1", "224.0.0.1", 0),
    ]);
    let directions = counts.directions.unwrap();
    assert_eq!(
        directions,
        DirectionCounts {
            inbound: 2,
            outbound: 1,
            forwarded: 1,
            local: 1
        }
    );
    let real = End {
        protocol: Some(6),
        address: Some("172.17.0.2/32".parse().unwrap()),
        port: Some(8_443),
    };
    assert_eq!(rows(&counts, EndBy::Real), [(real, 1)]);
    let port = |port| End {
        protocol: Some(6),
        address: None,
        port: Some(port),
    };
    assert_eq!(rows(&counts, EndBy::Inbound), [(port(8_443), 3)]);
    assert_eq!(rows(&counts, EndBy::Outbound), [(port(443), 1)]);
    let remote = |net: &str| End::of_address(Some(net.parse().unwrap()));
    let remotes = rows(&counts, EndBy::Remote);
    assert_eq!(
        remotes,
        [
            (remote("10.0.0.0/24"), 1),
            (remote("192.0.2.0/24"), 1),
            (remote("198.51.100.0/24"), 1)
        ]
    );
}

#[test]
fn without_addresses_nobody_is_local() {
    let mut census = Census::new(NOW, PREFIXES, None);
    census.add(&flow("192.0.2.1", "10.0.0.1", "10.0.0.1", 0));
    let counts = census.finish(10);
    assert_eq!(counts.directions, None);
    let kinds: Vec<EndBy> = counts.ends.iter().map(|(by, _)| *by).collect();
    assert_eq!(kinds, [EndBy::Service, EndBy::Real, EndBy::Translated]);
}

#[test]
fn ages_are_since_the_start() {
    let mut entry = flow("192.0.2.1", "10.0.0.1", "10.0.0.1", 0);
    entry.started = Some(NOW - 70 * 1_000_000_000);
    let counts = census(&[entry]);
    assert_eq!(counts.classes[0].1.age.most(), Some(70));
    assert_eq!(counts.classes[0].1.remaining.most(), Some(100));
}

#[test]
fn of_many_ends_the_first_are_kept() {
    let entry = |port| Entry {
        original: EntryTuple {
            dport: port,
            ..flow("10.0.0.1", "198.51.100.7", "198.51.100.7", 0).original
        },
        ..flow("10.0.0.1", "198.51.100.7", "198.51.100.7", 0)
    };
    let mut entries: Vec<Entry> = (0..50).map(entry).collect();
    entries.extend([entry(7), entry(7), entry(9)]);
    let counts = census(&entries);
    let (_, top) = counts
        .ends
        .iter()
        .find(|(by, _)| *by == EndBy::Outbound)
        .unwrap();
    assert_eq!((top.total, top.rows.len(), top.certain), (53, 10, true));
    let first: Vec<_> = top.rows.iter().take(2).map(|(e, n)| (e.port, *n)).collect();
    assert_eq!(first, [(Some(7), 3), (Some(9), 2)]);
}
