//! Bursts of several counters at one time, as one: what set it off, and what rose with it.

use crate::{
    model::{
        kernel::counters::{COUNT, Counter, named},
        record::{Burst, Time},
    },
    text::Text,
};

/// The counters, causes before effects: flows arrive, the table has no room for them, flows go.
const CAUSES: [Counter; COUNT] = [
    Counter::New,
    Counter::ExpectNew,
    Counter::Alloc,
    Counter::Inserted,
    Counter::Insert,
    Counter::TableFull,
    Counter::EarlyDrop,
    Counter::Drop,
    Counter::InsertFailed,
    Counter::Chaintoolong,
    Counter::ClashResolve,
    Counter::DeleteList,
    Counter::Deleted,
    Counter::Free,
    Counter::ExpectCreate,
    Counter::ExpectDelete,
    Counter::IcmpError,
    Counter::Invalid,
    Counter::Ignore,
    Counter::SearchRestart,
    Counter::Searched,
    Counter::Found,
    Counter::Lookups,
    Counter::LookupsFound,
];

/// How far apart bursts of one group may be, in milliseconds: buckets of two counters are not read at the same instant.
const APART_MS: f64 = 1.1;

/// Counters that rose together.
#[derive(Clone, Debug, PartialEq)]
pub struct BurstGroup {
    /// When the first of them rose.
    pub start: Time,
    /// When the last of them was back to what is usual.
    pub end: Time,
    /// The burst that set off the others, and those, in order of cause and effect.
    pub bursts: Vec<Burst>,
}

impl BurstGroup {
    /// What set it off.
    #[must_use]
    pub fn cause(&self) -> Option<&Burst> {
        self.bursts.first()
    }

    /// What rose with it.
    #[must_use]
    pub fn effects(&self) -> &[Burst] {
        self.bursts.get(1..).unwrap_or_default()
    }

    /// From its start to its end, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> f64 {
        self.end.0.duration_since(self.start.0).as_secs_f64() * 1e3
    }
}

/// Groups bursts whose times overlap. They come in any order; the groups are in order of time.
#[must_use]
pub(super) fn group(bursts: &[Burst]) -> Vec<BurstGroup> {
    let mut sorted: Vec<&Burst> = bursts.iter().collect();
    sorted.sort_by_key(|burst| (burst.start, burst.end));
    let mut groups: Vec<BurstGroup> = Vec::new();
    for burst in sorted {
        match groups.last_mut() {
            Some(group)
                if burst.start.0.duration_since(group.end.0).as_secs_f64() * 1e3 <= APART_MS =>
            {
                group.end = group.end.max(burst.end);
                group.bursts.push(burst.clone());
            }
            _ => groups.push(BurstGroup {
                start: burst.start,
                end: burst.end,
                bursts: vec![burst.clone()],
            }),
        }
    }
    for group in &mut groups {
        // Of one counter, the greatest is first.
        group.bursts.sort_by(|a, b| {
            let order = rank(&a.counter).cmp(&rank(&b.counter));
            order.then(b.count.cmp(&a.count))
        });
    }
    groups
}

fn rank(counter: &Text) -> usize {
    let known = named(counter.raw()).map(|spec| spec.id);
    let place = |counter| CAUSES.iter().position(|cause| *cause == counter);
    known.and_then(place).unwrap_or(CAUSES.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn burst(counter: &str, start_ms: u32, end_ms: u32) -> Burst {
        let time = |ms: u32| format!("2026-01-02T03:04:05.{ms:03}Z");
        serde_json::from_value(json!({
            "instance": "self", "counter": counter, "start": time(start_ms), "end": time(end_ms),
            "duration_ms": end_ms - start_ms, "count": 7, "peak_rate": 1.0, "window_ms": 1.05}))
        .expect("a burst")
    }

    fn counters(group: &BurstGroup) -> Vec<&str> {
        group.bursts.iter().map(|b| b.counter.raw()).collect()
    }

    #[test]
    fn counters_that_rose_together_are_one_burst_the_cause_first() {
        let groups = group(&[
            burst("free", 104, 120),
            burst("early_drop", 103, 110),
            burst("new", 101, 103),
            burst("alloc", 100, 103),
            // A flush, a bucket later than the end of the first.
            burst("deleted", 200, 202),
            burst("delete_list", 200, 201),
            burst("free", 203, 204),
            burst("unheard_of", 400, 401),
        ]);
        let found: Vec<_> = groups.iter().map(counters).collect();
        assert_eq!(
            found,
            [
                vec!["new", "alloc", "early_drop", "free"],
                vec!["delete_list", "deleted", "free"],
                vec!["unheard_of"],
            ]
        );
        assert_eq!(groups[0].duration_ms().round(), 20.0);
        assert_eq!(groups[0].cause().map(|b| b.counter.raw()), Some("new"));
        assert_eq!(groups[2].effects(), []);
    }

    #[test]
    fn every_counter_has_its_place_once() {
        for (i, cause) in CAUSES.iter().enumerate() {
            assert!(!CAUSES[..i].contains(cause), "{cause:?} twice");
        }
    }
}
