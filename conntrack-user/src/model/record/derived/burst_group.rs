//! Bursts of several counters at the same time are one event.

use jiff::SignedDuration;

use crate::{
    model::{
        kernel::counters::{COUNT, Counter, named},
        record::{Burst, Time},
    },
    text::Text,
};

/// Bursts closer than this belong together; two bursts of one counter are farther apart.
pub const NEAR: SignedDuration = SignedDuration::from_millis(17);

/// The counters, causes before effects: flows arrive, the table has no room for them, flows go.
pub const CAUSES: [Counter; COUNT] = [
    Counter::New,
    Counter::ExpectNew,
    Counter::Alloc,
    Counter::Inserted,
    Counter::Insert,
    Counter::TableFull,
    Counter::EarlyDrop,
    Counter::NatExhausted,
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

/// Bursts of one instance that overlap in time.
#[derive(Clone, Debug, PartialEq)]
pub struct BurstGroup {
    /// Whose bursts they are.
    pub instance: Text,
    /// The start of the first.
    pub start: Time,
    /// The end of the last.
    pub end: Time,
    /// The cause first: in the order of their starts, of equals in that of causes and effects.
    bursts: Vec<Burst>,
}

impl BurstGroup {
    /// Starts with one.
    #[must_use]
    pub fn new(burst: Burst) -> Self {
        Self {
            instance: burst.instance.clone(),
            start: burst.start,
            end: burst.end,
            bursts: vec![burst],
        }
    }

    /// Adds a burst if it belongs to these; returns it if not.
    pub fn join(&mut self, burst: Burst) -> Result<(), Burst> {
        let is_near = |end: Time, start: Time| start.0.duration_since(end.0) < NEAR;
        let near = is_near(self.end, burst.start) && is_near(burst.end, self.start);
        let known = |known: &Burst| known.counter == burst.counter;
        if !near || burst.instance != self.instance || self.bursts.iter().any(known) {
            return Err(burst);
        }
        self.start = self.start.min(burst.start);
        self.end = self.end.max(burst.end);
        self.bursts.push(burst);
        self.bursts.sort_by_key(|burst| (burst.start, rank(burst)));
        Ok(())
    }

    /// Adds a burst to the first of these that it belongs to; returns it if there is none.
    pub fn join_any<'a>(groups: impl Iterator<Item = &'a mut Self>, burst: Burst) -> Option<Burst> {
        let mut groups = groups;
        // Turned around: it goes on for as long as none takes the burst.
        groups.try_fold(burst, |burst, group| group.join(burst).err())
    }

    /// The bursts of counters that are on a chart, the cause first; all if none is.
    #[must_use]
    pub fn bursts(&self) -> Vec<&Burst> {
        let charted: Vec<&Burst> = self.bursts.iter().filter(|b| is_charted(b)).collect();
        if charted.is_empty() {
            return self.bursts.iter().collect();
        }
        charted
    }

    /// All bursts, those of [`Self::bursts`] first.
    #[must_use]
    pub fn all(&self) -> Vec<&Burst> {
        let mut all: Vec<&Burst> = self.bursts.iter().collect();
        all.sort_by_key(|burst| !is_charted(burst));
        all
    }

    /// From its start to its end, in milliseconds.
    #[must_use]
    pub fn duration_ms(&self) -> f64 {
        self.end.0.duration_since(self.start.0).as_secs_f64() * 1e3
    }
}

fn is_charted(burst: &Burst) -> bool {
    named(burst.counter.raw()).is_some_and(|spec| spec.id.is_charted())
}

/// The place of its counter among causes and effects.
fn rank(burst: &Burst) -> usize {
    let known = named(burst.counter.raw()).map(|spec| spec.id);
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

    fn counters(bursts: &[&Burst]) -> Vec<String> {
        bursts
            .iter()
            .map(|burst| burst.counter.to_string())
            .collect()
    }

    #[test]
    fn what_set_it_off_is_first() {
        let mut group = BurstGroup::new(burst("free", 104, 120));
        for (counter, start, end) in [
            ("deleted", 101, 110),
            ("delete_list", 101, 110),
            ("early_drop", 101, 110),
            ("alloc", 100, 103),
            ("inserted", 100, 103),
            ("new", 100, 103),
        ] {
            assert_eq!(group.join(burst(counter, start, end)), Ok(()));
        }
        let charted = ["new", "inserted", "early_drop", "delete_list", "deleted"];
        assert_eq!(counters(&group.bursts()), charted);
        assert_eq!(
            counters(&group.all()),
            [&charted[..], &["alloc", "free"]].concat()
        );
        assert_eq!(group.duration_ms().round(), 20.0);
    }

    #[test]
    fn what_is_later_or_of_the_same_counter_is_another() {
        let mut group = BurstGroup::new(burst("new", 100, 110));
        for other in [
            burst("free", 127, 130),
            burst("free", 50, 83),
            burst("new", 111, 112),
        ] {
            assert_eq!(group.join(other.clone()), Err(other));
        }
        assert_eq!(group.join(burst("free", 126, 130)), Ok(()));
    }

    #[test]
    fn every_counter_has_its_place_once() {
        for (i, cause) in CAUSES.iter().enumerate() {
            assert!(!CAUSES[..i].contains(cause), "{cause:?} twice");
        }
    }
}
