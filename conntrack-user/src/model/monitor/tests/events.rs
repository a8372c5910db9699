//! Single events, and how many there were.

use conntrack_ebpf::{EventKind, TUPLE_SIZE, events::RawEvent};

use super::*;
use crate::reading::events::EventCounts;

fn event(ms: u64, slot: u32, kind: u32) -> RawEvent {
    RawEvent {
        time: at(ms).monotonic.as_nanos() as u64,
        slot,
        kind,
        tuple: [0; TUPLE_SIZE],
        by: [0; TUPLE_SIZE],
        replies: [0; TUPLE_SIZE],
        has_tuple: 0,
        has_by: 0,
        has_replies: 0,
        reserved: 0,
    }
}

/// So many sent, suppressed and lost of early drops, and twice as many refusals.
fn counts(early_drops: [u64; 3]) -> Option<EventCounts> {
    Some(EventKind::ALL.map(|kind| {
        let factor = match kind {
            EventKind::EarlyDrop => 1,
            EventKind::TableFull => 2,
            _ => 0,
        };
        (kind, early_drops.map(|count| factor * count))
    }))
}

#[test]
fn events_are_of_the_instance_of_their_slot() {
    let probes = status(0, everything());
    let (a, b) = (info(1, "a", Some(3)), info(2, "b", Some(4)));
    let mut monitor = monitor(&probes);
    let (early_drop, refused) = (EventKind::EarlyDrop as u32, EventKind::TableFull as u32);
    let mut events = |ms, events: Vec<RawEvent>| {
        let both = [(&a, counting(ms, 10, 0)), (&b, counting(ms, 10, 0))];
        let mut reading = reading(ms, Purpose::Interval, &probes, &both);
        reading.events = events;
        let observed = monitor.observe(&reading);
        let events = observed.records.iter().filter_map(|record| match record {
            Record::Event(event) => Some(format!(
                "{} {} {}",
                event.time.0.duration_since(at(0).realtime).as_millis(),
                event.instance.raw(),
                event.kind.raw()
            )),
            _ => None,
        });
        events.collect::<Vec<_>>()
    };
    // Before the first reading nothing counts.
    assert_eq!(events(1_000, vec![event(999, 3, early_drop)]), [""; 0]);
    let found = events(
        2_000,
        vec![
            event(1_000, 4, early_drop),
            event(1_001, 3, refused),
            event(1_002, 9, refused),
            // No such kind.
            event(1_003, 3, 99),
            event(999, 3, early_drop),
        ],
    );
    let expected = [
        "1000 b early_drop",
        "1001 a table_full",
        "1002 others table_full",
    ];
    assert_eq!(found, expected);
}

#[test]
fn totals_of_events_are_of_all_probes_there_were() {
    let off = status(0, Coverage::none(NO_PROBES));
    let a = info(1, "a", Some(0));
    let totals = |events: &Observed| {
        let events = summary(events).events.as_ref()?;
        let of = |kind| {
            let totals = events.get(kind)?;
            Some([totals.sent, totals.suppressed, totals.lost])
        };
        Some([of("early_drop")?, of("table_full")?, of("clash")?])
    };
    // Without probes they are not known, which is not the same as none.
    let mut without = monitor(&off);
    let last = reading(0, Purpose::Last, &off, &[(&a, holding(0, 10))]);
    assert_eq!(totals(&without.observe(&last)), None);

    let mut monitor = monitor(&off);
    let mut observed = Observed::default();
    for (ms, number, purpose, early_drops) in [
        (1_000, 1, Purpose::Interval, Some([1, 0, 0])),
        (2_000, 1, Purpose::Interval, Some([9, 2, 3])),
        // It could not be read; what was counted remains.
        (3_000, 1, Purpose::Interval, None),
        // These count from 0.
        (4_000, 2, Purpose::Baseline, Some([1, 1, 1])),
        (5_000, 2, Purpose::Interval, Some([2, 4, 5])),
        (6_000, 3, Purpose::Interval, None),
        (7_000, 4, Purpose::Last, Some([100, 0, 0])),
    ] {
        let probes = status(number, everything());
        let mut reading = reading(ms, purpose, &probes, &[(&a, counting(ms, 10, 0))]);
        reading.event_counts = early_drops.and_then(counts);
        if number == 1 {
            // Two early drops are of before the first reading: no interval has them.
            let kind = EventKind::EarlyDrop as u32;
            reading.events = vec![event(ms, 0, kind), event(ms - 1_000, 0, kind)];
            if ms > 2_000 {
                reading.events.clear();
            }
            if ms == 2_000 {
                reading.events.push(event(0, 0, kind));
            }
        }
        observed = monitor.observe(&reading);
    }
    let expected = [[109, 6, 8], [222, 12, 16], [0, 0, 0]];
    assert_eq!(totals(&observed), Some(expected));
}
