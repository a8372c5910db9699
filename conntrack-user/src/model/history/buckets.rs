//! The in-kernel buckets of one instance, kept at full resolution for as long as memory allows.

use std::{collections::BTreeMap, ops::Range};

use crate::{
    model::{
        history::time::Nanos,
        kernel::counters::{COUNT, Counter},
    },
    reading::buckets::{BUCKET_MS, WallGrid},
};

/// Length of a bucket.
pub const SLOT: Nanos = conntrack_ebpf::BUCKET_NS as Nanos;

/// Buckets per chunk: 1.07 s.
const CHUNK: usize = 1024;

/// Buckets per cell, for windows in which single buckets cannot be seen: 67 ms.
const CELL: usize = 64;

const CELLS: usize = CHUNK / CELL;

/// The resolution at which a series is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolution {
    /// Single buckets.
    Bucket,
    /// 64 buckets.
    Cell,
    /// 1,024 buckets.
    Chunk,
}

impl Resolution {
    /// The coarsest resolution with several values per column of this length.
    #[must_use]
    pub fn for_step(step: Nanos) -> Self {
        let [bucket, cell] = [Self::Cell, Self::Chunk].map(|coarser| coarser.length() * 4);
        if step < bucket {
            Self::Bucket
        } else if step < cell {
            Self::Cell
        } else {
            Self::Chunk
        }
    }

    /// Buckets per value.
    #[must_use]
    pub const fn slots(self) -> u64 {
        match self {
            Self::Bucket => 1,
            Self::Cell => CELL as u64,
            Self::Chunk => CHUNK as u64,
        }
    }

    const fn length(self) -> Nanos {
        self.slots() as Nanos * SLOT
    }

    /// The length of a value in milliseconds.
    #[must_use]
    pub fn milliseconds(self) -> f64 {
        self.slots() as f64 * BUCKET_MS
    }
}

/// The counts of one or more buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// The start of the first bucket.
    pub at: Nanos,
    pub sum: u64,
    /// The busiest bucket.
    pub max: u32,
}

#[derive(Clone, Copy, Default)]
struct CellTotals {
    sum: u64,
    max: u32,
}

impl CellTotals {
    fn add(&mut self, more: u32, bucket: u32) {
        self.sum += u64::from(more);
        self.max = self.max.max(bucket);
    }
}

struct Chunk {
    buckets: [u32; CHUNK],
    cells: [CellTotals; CELLS],
    whole: CellTotals,
}

impl Chunk {
    fn new() -> Box<Self> {
        Box::new(Self {
            buckets: [0; CHUNK],
            cells: [CellTotals::default(); CELLS],
            whole: CellTotals::default(),
        })
    }

    fn add(&mut self, at: usize, count: u32) {
        let bucket = &mut self.buckets[at];
        *bucket = bucket.saturating_add(count);
        self.cells[at / CELL].add(count, *bucket);
        self.whole.add(count, *bucket);
    }
}

/// The chunks of one time span, by counter.
type ChunkRow = [Option<Box<Chunk>>; COUNT];

/// Buckets by counter and time.
#[derive(Default)]
pub struct BucketStore {
    grid: WallGrid,
    rows: BTreeMap<i64, ChunkRow>,
    chunks: usize,
}

impl BucketStore {
    /// The number of buckets that start in a time span.
    #[must_use]
    pub fn slots_in(&self, range: &Range<Nanos>) -> u64 {
        u64::try_from(self.grid.first_in(range.end) - self.grid.first_in(range.start))
            .unwrap_or_default()
    }

    /// Adds buckets. Counts for the same bucket add up.
    pub fn add(&mut self, counter: Counter, start: Nanos, counts: &[u64]) {
        if counts.is_empty() {
            return;
        }
        self.grid.align(start);
        let first = self.grid.nearest(start);
        for (slot, &count) in (first..).zip(counts) {
            if count == 0 {
                continue;
            }
            let row = self.rows.entry(slot.div_euclid(CHUNK as i64)).or_default();
            let chunk = row[counter as usize].get_or_insert_with(|| {
                self.chunks += 1;
                Chunk::new()
            });
            let at = usize::try_from(slot.rem_euclid(CHUNK as i64)).unwrap_or_default();
            chunk.add(at, u32::try_from(count).unwrap_or(u32::MAX));
        }
    }

    /// The count of the bucket that contains a time.
    #[must_use]
    pub fn at(&self, counter: Counter, time: Nanos) -> u32 {
        let slot = self.grid.first_in(time + 1) - 1;
        let row = self.rows.get(&slot.div_euclid(CHUNK as i64));
        let at = usize::try_from(slot.rem_euclid(CHUNK as i64)).unwrap_or_default();
        row.and_then(|row| row[counter as usize].as_ref())
            .map_or(0, |chunk| chunk.buckets[at])
    }

    /// Visits everything that starts within a time span, in order, except zeros.
    pub fn visit(
        &self,
        counter: Counter,
        range: &Range<Nanos>,
        resolution: Resolution,
        mut visit: impl FnMut(Counts),
    ) {
        if range.is_empty() {
            return;
        }
        let chunk_of = |slot: i64| slot.div_euclid(CHUNK as i64);
        let (first, end) = (
            self.grid.first_in(range.start),
            self.grid.first_in(range.end),
        );
        for (&number, row) in self.rows.range(chunk_of(first)..=chunk_of(end)) {
            let Some(chunk) = &row[counter as usize] else {
                continue;
            };
            let base = number * CHUNK as i64;
            let mut report = |slot: i64, sum: u64, max: u32| {
                if sum > 0 && (first..end).contains(&slot) {
                    let at = self.grid.start_of(slot);
                    visit(Counts { at, sum, max });
                }
            };
            match resolution {
                Resolution::Bucket => {
                    for (slot, &count) in (base..).zip(&chunk.buckets) {
                        report(slot, u64::from(count), count);
                    }
                }
                Resolution::Cell => {
                    for (slot, cell) in (base..).step_by(CELL).zip(&chunk.cells) {
                        report(slot, cell.sum, cell.max);
                    }
                }
                Resolution::Chunk => report(base, chunk.whole.sum, chunk.whole.max),
            }
        }
    }

    /// The approximate memory use in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.chunks * size_of::<Chunk>() + self.rows.len() * size_of::<ChunkRow>()
    }

    /// Drops the oldest chunks until at most `bytes` are used.
    pub fn shrink(&mut self, bytes: usize) {
        while self.bytes() > bytes {
            let Some((_, row)) = self.rows.pop_first() else {
                return;
            };
            self.chunks -= row.iter().flatten().count();
        }
    }

    /// Drops everything from a time on, to within a chunk.
    pub fn truncate(&mut self, time: Nanos) {
        let from = self.grid.nearest(time).div_euclid(CHUNK as i64);
        let gone = self.rows.split_off(&from);
        self.chunks -= gone.values().flatten().flatten().count();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(store: &BucketStore, resolution: Resolution) -> Vec<(Nanos, u64, u32)> {
        let mut seen = Vec::new();
        let range = 0..Nanos::MAX / 2;
        store.visit(Counter::New, &range, resolution, |c| {
            seen.push((c.at, c.sum, c.max));
        });
        seen
    }

    #[test]
    fn counts_of_the_same_bucket_add_up() {
        let mut store = BucketStore::default();
        store.add(Counter::New, 7, &[1, 0, 3]);
        store.add(Counter::New, 7 + 2 * SLOT, &[4]);
        assert_eq!(
            all(&store, Resolution::Bucket),
            [(7, 1, 1), (7 + 2 * SLOT, 7, 7)]
        );
        assert_eq!(all(&store, Resolution::Chunk), [(7, 8, 7)]);
        assert_eq!(store.at(Counter::New, 7 + 3 * SLOT - 1), 7);
        assert_eq!(store.at(Counter::New, 7 + 3 * SLOT), 0);
    }

    #[test]
    fn a_drifting_clock_never_merges_buckets() {
        let mut store = BucketStore::default();
        // 500 ppm, one bucket per sample: off by a whole bucket after 2,000.
        for n in 0..5000_i64 {
            store.add(Counter::New, n * (SLOT + SLOT / 2000), &[1]);
        }
        let seen = all(&store, Resolution::Bucket);
        assert_eq!(seen.iter().map(|c| c.2).max(), Some(1));
        assert_eq!(seen.len(), 5000);
    }

    #[test]
    fn the_oldest_chunks_are_dropped_first() {
        let mut store = BucketStore::default();
        for second in 0..100 {
            store.add(Counter::New, second * CHUNK as i64 * SLOT, &[1]);
        }
        let limit = store.bytes() / 2;
        store.shrink(limit);
        assert!(store.bytes() <= limit);
        let left = all(&store, Resolution::Chunk);
        assert_eq!(left.len(), 50);
        assert_eq!(left.last().map(|c| c.0), Some(99 * CHUNK as i64 * SLOT));
        store.truncate(60 * CHUNK as i64 * SLOT);
        assert_eq!(all(&store, Resolution::Chunk).len(), 10);
        store.shrink(0);
        assert_eq!(store.bytes(), 0);
    }

    proptest! {
        #[test]
        fn every_resolution_has_the_same_sum_and_peak(
            phase in 0..SLOT,
            counts in prop::collection::btree_map(0..10_000_i64, 1..1000_u64, 1..200),
        ) {
            let mut store = BucketStore::default();
            for (slot, count) in &counts {
                store.add(Counter::New, phase + slot * SLOT, &[*count]);
            }
            let sum: u64 = counts.values().sum();
            let max = counts.values().max().copied();
            for resolution in [Resolution::Bucket, Resolution::Cell, Resolution::Chunk] {
                let seen = all(&store, resolution);
                prop_assert_eq!(seen.iter().map(|c| c.1).sum::<u64>(), sum);
                prop_assert_eq!(seen.iter().map(|c| u64::from(c.2)).max(), max);
            }
        }

        #[test]
        fn adjacent_spans_share_no_bucket(phase in 0..SLOT, cuts in prop::collection::btree_set(0..50 * SLOT, 2..10)) {
            let mut store = BucketStore::default();
            store.add(Counter::New, phase, &[1; 50]);
            let cuts: Vec<Nanos> = cuts.into_iter().collect();
            let whole = cuts[0]..cuts[cuts.len() - 1];
            let parts: u64 = cuts.windows(2).map(|w| store.slots_in(&(w[0]..w[1]))).sum();
            prop_assert_eq!(parts, store.slots_in(&whole));
            let mut seen = 0;
            store.visit(Counter::New, &whole, Resolution::Bucket, |_| seen += 1);
            // Buckets other than the fifty are empty.
            prop_assert!(seen <= parts);
        }
    }
}
