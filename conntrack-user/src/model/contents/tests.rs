use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use proptest::prelude::*;

use super::{chains, estimate::Sampling, listing, *};
use crate::{
    model::record::TableContents,
    reading::{
        census::{ClassCounts, EntryClass, EntryCounts, EntryPhase},
        entries::{Listing, Replied},
        expectations::Expectations,
        nat_ports::PortsInUse,
        table_limits::{PolicyReading, SlabUse},
        top::EntryListing,
    },
};

fn at() -> Instant {
    Instant {
        monotonic: Duration::from_secs(10),
        realtime: Timestamp::from_second(1_700_000_000).unwrap(),
    }
}

fn info(id: u64) -> InstanceInfo {
    InstanceInfo {
        id,
        name: "self".into(),
        netns: Some(7),
        slot: Some(0),
    }
}

fn class(protocol: u8, phase: EntryPhase) -> EntryClass {
    EntryClass { protocol, phase }
}

/// Of TCP in TIME_WAIT so many, of UDP without a reply the rest.
fn found(listed: u64, waiting: u64, entries: Option<u64>, listing: Listing) -> EntryListing {
    let mut counts = ClassCounts {
        listed: waiting,
        assured: waiting,
        ..ClassCounts::default()
    };
    for seconds in 0..waiting.min(120) {
        counts.remaining.add(seconds);
    }
    let rest = ClassCounts {
        listed: listed - waiting,
        unreplied: listed - waiting,
        ..ClassCounts::default()
    };
    EntryListing {
        nat_ports: PortsInUse::default(),
        groups: Vec::new(),
        counts: EntryCounts {
            listed,
            classes: vec![
                (class(6, EntryPhase::Tcp(7)), counts),
                (class(17, EntryPhase::Replied(Replied::No)), rest),
            ],
            early_drop: listed - waiting,
            nearly_full: listed,
            ..EntryCounts::default()
        },
        listing,
        entries,
        dying: Some(0),
        buckets: Some(65_536),
        cpu: Duration::from_millis(300),
    }
}

fn record(found: &EntryListing) -> TableContents {
    let limits = LimitsReading {
        timeouts: vec![("tcp_timeout_time_wait".to_owned(), 120)],
        ..LimitsReading::default()
    };
    listing::record(at(), &info(1), found, Some(&limits))
}

#[test]
fn all_entries_are_exact() {
    let record = record(&found(1_000, 610, Some(1_003), Listing::Whole));
    assert!(!record.sampled && record.error == 0.0);
    assert_eq!((record.listed, record.entries), (1_000, Some(1_003)));
    let group = &record.groups[0];
    assert_eq!((group.proto.raw(), group.state.raw()), ("tcp", "TIME_WAIT"));
    assert_eq!((group.held.count, group.held.share), (610, 61.0));
    assert_eq!(group.timeout_s, Some(120));
    let remaining = group.remaining.as_ref().unwrap();
    // Of 0 to 119: half have no more than 59, whose class ends there.
    assert_eq!((remaining.p50_s, remaining.max_s), (59, 119));
    assert_eq!(remaining.classes.iter().map(|(_, n)| n).sum::<u64>(), 120);
    assert_eq!(record.groups[1].state, "UNREPLIED");
    assert_eq!(record.groups[1].remaining, None);
}

#[test]
fn a_sample_is_of_all_within_its_error() {
    let record = record(&found(131_072, 80_000, Some(1_000_000), Listing::Sampled));
    assert!(record.sampled);
    let held = record.groups[0].held;
    assert_eq!(held.count, 610_352);
    assert!((0.3..0.5).contains(&held.error), "{held:?}");
    assert!(record.error >= held.error);
    assert!((record.error - held.error).abs() < 0.02);
}

#[test]
fn what_can_be_evicted_is_found_in_eight_buckets() {
    // 390 of 65,536 buckets: e^(-8 · 780 / 65536).
    let record = record(&found(1_000, 610, Some(1_000), Listing::Whole));
    let evictable = record.evictable;
    assert_eq!(evictable.early_drop.count, 390);
    assert_eq!(evictable.nearly_full.count, 1_000);
    let found = evictable.found_percent.unwrap();
    assert!((found - 9.08).abs() < 0.01, "{found}");
}

#[test]
fn no_more_groups_than_are_kept() {
    let mut many = found(256, 0, None, Listing::Whole);
    let one = ClassCounts {
        listed: 1,
        ..ClassCounts::default()
    };
    many.counts.classes = (0..=255)
        .map(|protocol| {
            (
                class(protocol, EntryPhase::Replied(Replied::No)),
                one.clone(),
            )
        })
        .collect();
    let record = record(&many);
    assert_eq!(record.groups.len(), 40);
    assert_eq!(record.other_groups.map(|others| others.count), Some(216));
    assert_eq!(record.groups[39].proto, "39");
}

#[test]
fn chains_are_as_a_random_hash_makes_them() {
    let buckets = 4_096;
    let load = chains::load(8_192.0, buckets).unwrap();
    assert!((load.mean - 2.0).abs() < 1e-9);
    // Of e^-2 2^k / k!: 1.7 % are longer than 5, 0.45 % longer than 6.
    assert_eq!(load.p99, 6);
    assert!((9..=10).contains(&load.longest), "{load:?}");
    assert!(load.too_long < 1e-9);
    // 2 % of a Poisson distribution of 40 are beyond 50: some 5 %.
    let full = chains::load(40.0 * buckets as f64, buckets).unwrap();
    assert!((200.0..240.0).contains(&full.too_long), "{full:?}");
    assert_eq!(chains::load(1.0, 0), None);
    assert_eq!(chains::load(1e12, 1), None);
    let empty = chains::load(0.0, buckets).unwrap();
    assert_eq!((empty.p99, empty.longest), (0, 0));
}

#[test]
fn limits_say_what_a_maximum_costs() {
    let read = LimitsReading {
        entries: Some(1_000),
        max: Some(262_144),
        buckets: Some(65_536),
        expectations: Some(Expectations { held: 1, max: 4 }),
        slab: Some(SlabUse {
            object_bytes: 256.0,
            bytes: 1 << 20,
        }),
        extended: true,
        timeouts: vec![("udp_timeout".to_owned(), 30)],
        policies: Some(vec![PolicyReading {
            name: "short".to_owned(),
            protocol: 6,
            uses: 1,
            timeouts: vec![(7, 10)],
        }]),
    };
    let record = limits::record(at(), &info(1), &read);
    let memory = record.memory.unwrap();
    assert_eq!(memory.source, "slabinfo");
    assert_eq!(memory.entries_bytes, Some(384_000));
    assert_eq!(memory.buckets_bytes, Some(524_288));
    assert_eq!(memory.full_bytes, Some(262_144 * 384 + 524_288));
    assert_eq!(record.expectations.unwrap().utilization, 25.0);
    let hash = record.hash.unwrap();
    assert!((hash.full.unwrap().mean - 8.0).abs() < 1e-9);
    let policy = &record.policies.unwrap()[0];
    assert_eq!(policy.timeouts[0].name, "time_wait");
    // Nothing is known, so nothing is said.
    let none = limits::record(at(), &info(1), &LimitsReading::default());
    assert_eq!((none.hash, none.expectations), (None, None));
    assert_eq!(none.memory.unwrap().source, "typical");
}

#[test]
fn the_last_of_a_run_says_that_it_is() {
    let mut tracker = ContentsTracker::default();
    let (here, other) = (info(1), info(2));
    let found = |id| TopReading {
        listings: vec![(id, found(10, 5, Some(10), Listing::Whole))],
        limits: vec![(id, LimitsReading::default())],
        ..TopReading::default()
    };
    let interval = Purpose::Interval;
    let records = tracker.observe(at(), interval, &found(1), &[&here, &other]);
    assert_eq!(records.len(), 2);
    // Of an instance that is not watched there is nothing.
    let gone = tracker.observe(at(), interval, &found(2), &[&here]);
    assert!(gone.is_empty());
    let last = tracker.observe(at(), Purpose::Last, &found(1), &[&here]);
    assert!(last.is_empty());
    let closing = tracker.closing(&here);
    assert_eq!(closing.len(), 2);
    let closed = |record: &Record| match record {
        Record::Contents(contents) => contents.closing,
        Record::Limits(limits) => limits.closing,
        _ => false,
    };
    assert!(closing.iter().all(closed));
    assert_eq!(tracker.end(&here).len(), 2);
    assert!(tracker.closing(&here).is_empty());
}

proptest! {
    /// Of tables of any make-up, samples say what holds, nearly always: 99.7 % are asked for, and fewer than 2 of 100 may miss.
    #[test]
    fn estimates_are_within_their_error(
        entries in 2_000_u64..20_000, part in 0.0_f64..1.0, seed in any::<u64>(),
    ) {
        let marked = (entries as f64 * part) as u64;
        let listed = entries / 4;
        let mut random = seed | 1;
        let mut misses = 0;
        for _ in 0..100 {
            // Draws without putting back.
            let (mut left, mut left_marked, mut drawn) = (entries, marked, 0_u64);
            for _ in 0..listed {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                if (random >> 33) % left < left_marked {
                    left_marked -= 1;
                    drawn += 1;
                }
                left -= 1;
            }
            let sampling = Sampling::new(Listing::Sampled, listed, Some(entries));
            let estimate = sampling.of(drawn);
            let truth = marked as f64 * 100.0 / entries as f64;
            misses += u32::from((estimate.share - truth).abs() > estimate.error + 1e-9);
        }
        prop_assert!(misses <= 4, "{misses} of 100");
    }
}

#[test]
fn timeouts_are_those_of_the_state() {
    let of = |protocol, phase| names::timeout(class(protocol, phase));
    let expected = HashMap::from([
        ((6, EntryPhase::Tcp(3)), Some("tcp_timeout_established")),
        ((6, EntryPhase::Tcp(9)), None),
        ((6, EntryPhase::Offloaded), None),
        ((17, EntryPhase::Replied(Replied::Yes)), Some("udp_timeout")),
        (
            (17, EntryPhase::Replied(Replied::Assured)),
            Some("udp_timeout_stream"),
        ),
        (
            (47, EntryPhase::Replied(Replied::Yes)),
            Some("gre_timeout_stream"),
        ),
        (
            (132, EntryPhase::Sctp(5)),
            Some("sctp_timeout_shutdown_sent"),
        ),
        (
            (58, EntryPhase::Replied(Replied::No)),
            Some("icmpv6_timeout"),
        ),
        (
            (89, EntryPhase::Replied(Replied::No)),
            Some("generic_timeout"),
        ),
    ]);
    for ((protocol, phase), name) in expected {
        assert_eq!(of(protocol, phase).as_deref(), name, "{protocol} {phase:?}");
    }
}

#[test]
fn protocols_without_states_have_a_timeout_for_flows_and_one_for_streams() {
    let of = |protocol| {
        Replied::ALL.map(|replied| names::timeout(class(protocol, EntryPhase::Replied(replied))))
    };
    let all = |no: &str, yes: &str, assured: &str| [no, yes, assured].map(|n| Some(n.to_owned()));
    // A reply makes a stream of GRE; of UDP that takes packets for two seconds more.
    let udp = all("udp_timeout", "udp_timeout", "udp_timeout_stream");
    assert_eq!((of(17), of(136)), (udp.clone(), udp));
    let gre = all("gre_timeout", "gre_timeout_stream", "gre_timeout_stream");
    assert_eq!(of(47), gre);
    for (protocol, name) in [
        (1, "icmp_timeout"),
        (58, "icmpv6_timeout"),
        (50, "generic_timeout"),
        (0, "generic_timeout"),
    ] {
        assert_eq!(of(protocol), all(name, name, name), "{protocol}");
    }
    // These have states, and no timeout without one.
    assert_eq!((of(6), of(132)), ([None, None, None], [None, None, None]));
}

#[test]
fn a_state_of_no_connection_has_no_timeout() {
    let tcp = |number| names::timeout(class(6, EntryPhase::Tcp(number)));
    let sctp = |number| names::timeout(class(132, EntryPhase::Sctp(number)));
    for number in [0, 9, 200] {
        assert_eq!((tcp(number), sctp(number)), (None, None), "{number}");
    }
    let named = |name: &str| Some(name.to_owned());
    assert_eq!(tcp(1), named("tcp_timeout_syn_sent"));
    assert_eq!(tcp(8), named("tcp_timeout_close"));
    assert_eq!(sctp(1), named("sctp_timeout_closed"));
    assert_eq!(sctp(8), named("sctp_timeout_heartbeat_sent"));
    // A phase of another protocol.
    assert_eq!(names::timeout(class(17, EntryPhase::Tcp(3))), None);
}

#[test]
fn states_that_are_not_known_are_numbers() {
    let states = [
        (EntryPhase::Tcp(7), "TIME_WAIT"),
        (EntryPhase::Tcp(9), "SYN_SENT2"),
        (EntryPhase::Tcp(10), "10"),
        (EntryPhase::Sctp(0), "NONE"),
        (EntryPhase::Sctp(9), "HEARTBEAT_ACKED"),
        (EntryPhase::Sctp(255), "255"),
        (EntryPhase::Replied(Replied::Yes), "REPLIED"),
        (EntryPhase::Replied(Replied::Assured), "ASSURED"),
        (EntryPhase::Offloaded, "OFFLOADED"),
    ];
    for (phase, name) in states {
        assert_eq!(names::state(phase), name, "{phase:?}");
    }
}

/// As `enum ctattr_timeout_*` numbers them.
#[test]
fn timeouts_of_policies_have_the_names_of_their_attributes() {
    for (protocol, number, name) in [
        (6, 1, "syn_sent"),
        (6, 3, "established"),
        (6, 11, "unack"),
        (6, 12, "12"),
        (17, 1, "unreplied"),
        (136, 2, "replied"),
        (47, 2, "replied"),
        (17, 3, "3"),
        (132, 1, "closed"),
        (132, 8, "heartbeat_sent"),
        (132, 9, "9"),
        (1, 1, "timeout"),
        (89, 1, "timeout"),
        (89, 2, "2"),
    ] {
        let found = names::policy_timeout(protocol, number);
        assert_eq!(found, name, "{protocol} {number}");
    }
    assert_eq!(
        (names::protocol(132), names::protocol(253)),
        ("sctp".into(), "253".into())
    );
}
