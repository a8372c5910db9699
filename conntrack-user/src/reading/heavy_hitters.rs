//! Counts per key in bounded memory, each with the bounds of its error.
//!
//! A [`Sketch`] is merged from the Space-Saving sets of `conntrack_ebpf::heavy_hitters`, over CPUs and over time. Both are the
//! same operation: two streams of keys, each summarised on its own, are summarised together. Nothing is estimated: for each key
//! there is a lower and an upper bound that always hold.

use conntrack_ebpf::heavy_hitters::{FlowKey, SketchSet};

/// Keys that a sketch keeps. The counts of the others stay bounded, see `MergedSet::absent`: where no key stands out, by about a
/// 16,384th of all occurrences. The nine tables of a run take 6 MiB when all are full.
pub const KEYS: usize = 16_384;

/// Bounds of the count of a key, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Range {
    /// It occurred at least so often.
    pub low: u64,
    /// It occurred at most so often.
    pub high: u64,
}

impl Range {
    /// How far the lower bound can be from the truth.
    #[must_use]
    pub fn width(&self) -> u64 {
        self.high - self.low
    }
}

/// The keys that hash to one set. All streams use the same hash, so a key is in the same set of each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct MergedSet {
    /// Sorted by key.
    held: Vec<(FlowKey, Range)>,
    /// How often a key that is not held can have occurred, at most.
    absent: u64,
    /// Occurrences that belong to the set, but to no key for certain.
    loose: u64,
}

impl MergedSet {
    fn of(set: &SketchSet, generation: u64) -> Self {
        let mut held: Vec<_> = set
            .entries(generation)
            .map(|entry| {
                let range = Range {
                    low: u64::from(entry.count - entry.error),
                    high: u64::from(entry.count),
                };
                (entry.key, range)
            })
            .collect();
        held.sort_unstable_by_key(|(key, _)| *key);
        Self {
            loose: held.iter().map(|(_, range)| range.width()).sum(),
            held,
            absent: u64::from(set.absent(generation)),
        }
    }

    /// Merges the same set of another stream, and keeps the keys that may have occurred most often. This is done in `merged`, which is
    /// empty before and after, so that the set has no more memory than its keys need.
    fn add(&mut self, other: &Self, keys: usize, merged: &mut Vec<(FlowKey, Range)>) {
        let (mut ours, mut theirs) = (self.held.iter().peekable(), other.held.iter().peekable());
        loop {
            // A key that one stream does not hold may still have occurred there, up to `absent` times.
            let (key, a, b) = match (ours.peek(), theirs.peek()) {
                (None, None) => break,
                (Some((key, a)), Some((other, b))) if key == other => (*key, Some(*a), Some(*b)),
                (Some((key, a)), Some((other, _))) if key < other => (*key, Some(*a), None),
                (Some((key, a)), None) => (*key, Some(*a), None),
                (_, Some((key, b))) => (*key, None, Some(*b)),
            };
            ours.next_if(|_| a.is_some());
            theirs.next_if(|_| b.is_some());
            let unseen = |absent| Range {
                low: 0,
                high: absent,
            };
            let (a, b) = (
                a.unwrap_or(unseen(self.absent)),
                b.unwrap_or(unseen(other.absent)),
            );
            let sum = Range {
                low: a.low + b.low,
                high: a.high + b.high,
            };
            merged.push((key, sum));
        }
        self.absent += other.absent;
        self.loose += other.loose;
        self.trim(keys, merged);
        self.held.clear();
        self.held.reserve_exact(merged.len());
        self.held.append(merged);
    }

    /// Keeps the keys that may have occurred most often.
    fn trim(&mut self, keys: usize, merged: &mut Vec<(FlowKey, Range)>) {
        if merged.len() <= keys {
            return;
        }
        merged.sort_unstable_by_key(|(key, range)| (u64::MAX - range.high, *key));
        for (_, range) in merged.drain(keys..) {
            self.absent = self.absent.max(range.high);
            self.loose += range.low;
        }
        merged.sort_unstable_by_key(|(key, _)| *key);
    }
}

/// How often each key occurred, of a stream or of several: a mergeable summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sketch {
    parts: Vec<MergedSet>,
    keys_per_part: usize,
    /// Whether an instance's keys were dropped: `loose` may then count occurrences of theirs.
    forgotten: bool,
    /// Where sets are merged; empty otherwise.
    merged: Vec<(FlowKey, Range)>,
}

impl Sketch {
    /// An empty sketch of streams whose keys hash to `sets` sets, with room for `keys` keys.
    #[must_use]
    pub fn new(sets: usize, keys: usize) -> Self {
        Self {
            parts: vec![MergedSet::default(); sets],
            keys_per_part: keys.div_ceil(sets.max(1)).max(1),
            forgotten: false,
            merged: Vec::new(),
        }
    }

    /// An empty sketch with as many sets and as much room.
    #[must_use]
    pub fn emptied(&self) -> Self {
        Self {
            parts: vec![MergedSet::default(); self.parts.len()],
            keys_per_part: self.keys_per_part,
            forgotten: false,
            merged: Vec::new(),
        }
    }

    /// Merges a set of one CPU's table; `place` is its index.
    pub fn add_set(&mut self, place: usize, set: &SketchSet, generation: u64) {
        if let Some(part) = self.parts.get_mut(place) {
            let other = MergedSet::of(set, generation);
            part.add(&other, usize::MAX, &mut self.merged);
        }
    }

    /// Merges the sketch of another stream with as many sets.
    pub fn add(&mut self, other: &Self) {
        for (part, other) in self.parts.iter_mut().zip(&other.parts) {
            if !other.held.is_empty() {
                part.add(other, self.keys_per_part, &mut self.merged);
            }
        }
    }

    /// Drops the keys of an instance.
    pub fn forget(&mut self, slot: u32) {
        self.forgotten = true;
        for part in &mut self.parts {
            part.held.retain(|(key, _)| key.slot() != slot);
        }
    }

    /// The heavy hitters of an instance, at most `count` of them.
    #[must_use]
    pub fn heavy_hitters(&self, slot: u32, count: usize) -> HeavyHitters {
        let (mut ours, others): (Vec<_>, Vec<_>) = self
            .parts
            .iter()
            .flat_map(|part| &part.held)
            .partition(|(key, _)| key.slot() == slot);
        let certain: u64 = ours.iter().map(|(_, range)| range.low).sum();
        let loose = if others.is_empty() && !self.forgotten {
            self.parts.iter().map(|part| part.loose).sum()
        } else {
            0
        };
        ours.sort_unstable_by_key(|(key, range)| (u64::MAX - range.low, *key));
        let mut rest = ours.split_off(ours.len().min(count));
        // What did not occur even once for certain is no heavy hitter.
        while ours.last().is_some_and(|(_, range)| range.low == 0) {
            rest.extend(ours.pop());
        }
        let unlisted = rest.iter().map(|(_, range)| range.high).max();
        let absent = self.parts.iter().map(|part| part.absent).max();
        let rival = unlisted.max(absent).unwrap_or(0);
        HeavyHitters {
            total: certain + loose,
            error: ours.iter().map(|(_, r)| r.width()).max().unwrap_or(0),
            certain: ours.last().map_or(0, |(_, range)| range.low) >= rival,
            rows: ours,
        }
    }
}

/// The keys that occurred most often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeavyHitters {
    /// Occurrences of all keys. While several instances share the sketch, without those that belong to no key for certain.
    pub total: u64,
    /// How far the lower bound of any row can be from the truth, at most.
    pub error: u64,
    /// Whether no other key can have occurred more often than the last row.
    pub certain: bool,
    /// By lower bound, greatest first.
    pub rows: Vec<(FlowKey, Range)>,
}

/// Makes a sketch of keys that user space counts, with the same algorithm as the eBPF programs'.
#[derive(Clone, Debug)]
pub struct SketchBuilder {
    sets: Vec<SketchSet>,
    set_bits: u32,
    seed: u32,
}

/// The generation of all sets. Any number will do, as there is only one window.
const GENERATION: u64 = 1;

impl SketchBuilder {
    /// An empty sketch of 2^`set_bits` sets; `seed` chooses which keys share one.
    #[must_use]
    pub fn new(set_bits: u32, seed: u32) -> Self {
        Self {
            sets: vec![SketchSet::default(); 1 << set_bits],
            set_bits,
            seed,
        }
    }

    /// Counts a key.
    pub fn add(&mut self, key: FlowKey) {
        if let Some(set) = self
            .sets
            .get_mut(key.set(self.seed, self.set_bits) as usize)
        {
            set.add(GENERATION, key);
        }
    }

    /// The sketch of what was counted so far.
    #[must_use]
    pub fn sketch(&self) -> Sketch {
        let mut sketch = Sketch::new(self.sets.len(), KEYS);
        for (place, set) in self.sets.iter().enumerate() {
            sketch.add_set(place, set, GENERATION);
        }
        sketch
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    const SLOT: u32 = 3;

    fn key(n: u64) -> FlowKey {
        FlowKey::number(SLOT, n)
    }

    /// A stream of few keys that occur often among many that do not.
    fn stream() -> impl Strategy<Value = Vec<u64>> {
        let one = prop_oneof![3 => 0_u64..5, 2 => 5_u64..60, 1 => 60_u64..100_000];
        prop::collection::vec(one, 0..600)
    }

    fn exact(streams: &[Vec<u64>]) -> HashMap<FlowKey, u64> {
        let mut counts = HashMap::new();
        for n in streams.iter().flatten() {
            *counts.entry(key(*n)).or_insert(0) += 1;
        }
        counts
    }

    /// Two sets of 7 entries, so that keys fall out.
    fn summarised(stream: &[u64]) -> Sketch {
        let mut builder = SketchBuilder::new(1, 42);
        for n in stream {
            builder.add(key(*n));
        }
        builder.sketch()
    }

    fn check(sketch: &Sketch, streams: &[Vec<u64>], count: usize) -> Result<(), TestCaseError> {
        let exact = exact(streams);
        for part in &sketch.parts {
            for (key, range) in &part.held {
                let truth = exact.get(key).copied().unwrap_or(0);
                prop_assert!((range.low..=range.high).contains(&truth));
            }
        }
        let held = |key: &FlowKey| {
            let part = &sketch.parts[key.set(42, 1) as usize];
            part.held.iter().any(|(held, _)| held == key)
        };
        for (key, truth) in &exact {
            let part = &sketch.parts[key.set(42, 1) as usize];
            prop_assert!(held(key) || *truth <= part.absent);
        }
        let hitters = sketch.heavy_hitters(SLOT, count);
        prop_assert_eq!(hitters.total, exact.values().sum::<u64>());
        for (key, range) in &hitters.rows {
            prop_assert!(exact[key] - range.low <= hitters.error);
        }
        if hitters.certain {
            let last = hitters.rows.iter().map(|(key, _)| exact[key]).min();
            let listed = |key: &FlowKey| hitters.rows.iter().any(|(row, _)| row == key);
            let best = exact
                .iter()
                .filter(|(key, _)| !listed(key))
                .map(|(_, n)| *n)
                .max();
            prop_assert!(best.unwrap_or(0) <= last.unwrap_or(0));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn one_stream(stream in stream()) {
            check(&summarised(&stream), &[stream], 5)?;
        }

        #[test]
        fn many_streams(streams in prop::collection::vec(stream(), 1..6), keys in 1_usize..40) {
            let mut sum = Sketch::new(2, keys);
            for stream in &streams {
                sum.add(&summarised(stream));
            }
            prop_assert!(sum.parts.iter().all(|part| part.held.len() <= keys.div_ceil(2)));
            check(&sum, &streams, 5)?;
        }

        #[test]
        fn exact_while_there_is_room(stream in prop::collection::vec(0_u64..7, 0..500)) {
            let hitters = summarised(&stream).heavy_hitters(SLOT, 7);
            let exact = exact(&[stream]);
            prop_assert!(hitters.certain);
            prop_assert_eq!(hitters.error, 0);
            let rows: HashMap<FlowKey, u64> = hitters.rows.iter().map(|(key, range)| (*key, range.low)).collect();
            prop_assert_eq!(rows, exact);
        }

        #[test]
        fn instances_are_told_apart(ours in stream(), theirs in stream()) {
            let mut builder = SketchBuilder::new(10, 7);
            for n in &ours {
                builder.add(key(*n));
            }
            for n in &theirs {
                builder.add(FlowKey::number(SLOT + 1, *n));
            }
            let mut sketch = builder.sketch();
            let hitters = sketch.heavy_hitters(SLOT, 5);
            prop_assert!(hitters.total <= ours.len() as u64);
            let exact = exact(&[ours]);
            for (key, range) in &hitters.rows {
                prop_assert!((range.low..=range.high).contains(&exact[key]));
            }
            sketch.forget(SLOT);
            prop_assert_eq!(sketch.heavy_hitters(SLOT, 5).rows, Vec::new());
        }
    }

    #[test]
    fn a_set_of_another_generation_is_empty() {
        let mut set = SketchSet::default();
        set.add(1, key(1));
        set.add(1, key(1));
        assert_eq!(set.entries(2).count(), 0);
        set.add(2, key(2));
        let entries: Vec<_> = set.entries(2).map(|e| (e.key, e.count, e.error)).collect();
        assert_eq!(entries, [(key(2), 1, 0)]);
    }

    /// Skewed as traffic is: the heavy hitters are known although there are far more keys than entries.
    #[test]
    fn zipf() {
        let mut builder = SketchBuilder::new(8, 1);
        let mut truth = Vec::new();
        for rank in 1..=5_000_u64 {
            truth.push((20_000 / rank).max(1));
        }
        // Interleaved: each key in turn, as long as it has occurrences left.
        let most = truth[0];
        for round in 0..most {
            for (rank, count) in truth.iter().enumerate() {
                if round < *count {
                    builder.add(key(rank as u64));
                }
            }
        }
        let hitters = builder.sketch().heavy_hitters(SLOT, 10);
        assert!(hitters.certain);
        for (rank, (row, range)) in hitters.rows.iter().enumerate() {
            assert_eq!(*row, key(rank as u64));
            assert!((range.low..=range.high).contains(&truth[rank]));
        }
        assert_eq!(hitters.total, truth.iter().sum::<u64>());
    }
}
