//! Follows a ring of the probes' buckets: each event is reported once, in its bucket, even when it is counted late.

use std::{collections::BTreeMap, time::Duration};

use conntrack_ebpf::COUNTER_SLOTS;

use crate::reading::buckets::{BucketBatch, BucketCounts, Epoch, LATE, epoch_of};

/// Newest buckets that may still gain counts: the current one, and the one before it, for a program that read the clock just
/// before that one ended.
const UNSETTLED: u64 = 2;

/// Buckets that are this close to being overwritten count as lost: they might be overwritten while they are read.
const MARGIN: u64 = 8;

/// A ring of buckets of one instance, in parts of one CPU each.
pub trait BucketRing {
    /// Number of CPU ids.
    fn cpus(&self) -> u32;
    /// Number of buckets in a CPU's part.
    fn length(&self) -> u64;
    /// The counts of a bucket; `None` when nothing was counted in it or it is overwritten.
    fn read(&self, cpu: u32, epoch: Epoch) -> Option<[u32; COUNTER_SLOTS]>;
}

/// Remembers what was already read of a ring, so that a reading reports only what is new.
#[derive(Debug)]
pub struct BucketFollower {
    /// The first bucket not yet reported.
    next: Epoch,
    /// What was reported of the last [`LATE`] buckets, by CPU and bucket.
    seen: BTreeMap<(Epoch, u32), [u32; COUNTER_SLOTS]>,
}

impl BucketFollower {
    /// Follows a ring from `now` on; what was counted before is not reported.
    pub fn new(ring: &impl BucketRing, now: Duration) -> Self {
        let mut follower = Self {
            next: epoch_of(now).saturating_sub(LATE),
            seen: BTreeMap::new(),
        };
        let current = epoch_of(now);
        follower.advance(ring, current + 1, current);
        // The current bucket may gain more; what it has by now is in `seen`.
        follower.next = current;
        follower
    }

    /// All events in buckets that are complete at `now`, and late ones of earlier buckets.
    pub fn settled(&mut self, ring: &impl BucketRing, now: Duration) -> BucketBatch {
        let current = epoch_of(now);
        self.advance(ring, (current + 1).saturating_sub(UNSETTLED), current)
    }

    /// All events so far, the current bucket's included: for the end of a run.
    pub fn all(&mut self, ring: &impl BucketRing, now: Duration) -> BucketBatch {
        let current = epoch_of(now);
        self.advance(ring, current + 1, current)
    }

    fn advance(&mut self, ring: &impl BucketRing, end: Epoch, current: Epoch) -> BucketBatch {
        let first = self.next;
        let end = end.max(first);
        let oldest = (current + MARGIN).saturating_sub(ring.length());
        let mut counts: BTreeMap<Epoch, BucketCounts> = BTreeMap::new();
        for epoch in first.saturating_sub(LATE).max(oldest)..end {
            for cpu in 0..ring.cpus() {
                let Some(row) = ring.read(cpu, epoch) else {
                    continue;
                };
                let seen = self
                    .seen
                    .insert((epoch, cpu), row)
                    .unwrap_or([0; COUNTER_SLOTS]);
                if seen == row {
                    continue;
                }
                let sum = counts.entry(epoch).or_insert([0; COUNTER_SLOTS]);
                for (sum, (now, before)) in sum.iter_mut().zip(row.iter().zip(&seen)) {
                    *sum += u64::from(now.saturating_sub(*before));
                }
            }
        }
        self.next = end;
        // One more bucket than the next reading covers, because `new` sets `next` back by one.
        self.seen = self.seen.split_off(&(end.saturating_sub(LATE + 1), 0));
        BucketBatch {
            first,
            end,
            counts,
            lost: oldest.min(end).saturating_sub(first),
        }
    }
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::BUCKET_NS;
    use proptest::prelude::*;

    use super::*;

    /// The rings as the eBPF programs write them, in ordinary memory.
    struct Model {
        cpus: u32,
        len: u64,
        rows: BTreeMap<(u32, u64), (Epoch, [u32; COUNTER_SLOTS])>,
    }

    impl Model {
        fn new(cpus: u32, len: u64) -> Self {
            Self {
                cpus,
                len,
                rows: BTreeMap::new(),
            }
        }

        fn count(&mut self, cpu: u32, epoch: Epoch, n: u32) {
            let row = self
                .rows
                .entry((cpu, epoch % self.len))
                .or_insert((epoch, [0; COUNTER_SLOTS]));
            if row.0 != epoch {
                *row = (epoch, [0; COUNTER_SLOTS]);
            }
            row.1[0] += n;
        }
    }

    impl BucketRing for Model {
        fn cpus(&self) -> u32 {
            self.cpus
        }
        fn length(&self) -> u64 {
            self.len
        }
        fn read(&self, cpu: u32, epoch: Epoch) -> Option<[u32; COUNTER_SLOTS]> {
            self.rows
                .get(&(cpu, epoch % self.len))
                .filter(|(tag, _)| *tag == epoch)
                .map(|(_, counts)| *counts)
        }
    }

    fn at(epoch: Epoch) -> Duration {
        Duration::from_nanos(epoch * BUCKET_NS + BUCKET_NS / 2)
    }

    fn points(batch: &BucketBatch) -> Vec<(Epoch, u64)> {
        batch.counts.iter().map(|(&e, c)| (e, c[0])).collect()
    }

    #[test]
    fn the_unsettled_end_waits_for_the_next_reading() {
        let mut ring = Model::new(2, 1024);
        let mut follower = BucketFollower::new(&ring, at(1000));
        ring.count(0, 1005, 3);
        ring.count(1, 1005, 4);
        ring.count(0, 1010, 1);
        let batch = follower.settled(&ring, at(1010));
        assert_eq!(points(&batch), [(1005, 7)]);
        assert_eq!((batch.first, batch.end), (1000, 1009));
        ring.count(0, 1010, 1);
        assert_eq!(points(&follower.settled(&ring, at(1020))), [(1010, 2)]);
    }

    #[test]
    fn a_late_count_is_reported_once_in_its_bucket() {
        let mut ring = Model::new(1, 1024);
        let mut follower = BucketFollower::new(&ring, at(1000));
        ring.count(0, 1003, 1);
        assert_eq!(points(&follower.settled(&ring, at(1010))), [(1003, 1)]);
        ring.count(0, 1003, 2);
        assert_eq!(points(&follower.settled(&ring, at(1020))), [(1003, 2)]);
        assert_eq!(points(&follower.settled(&ring, at(1030))), []);
    }

    #[test]
    fn counts_before_the_start_are_not_reported() {
        let mut ring = Model::new(1, 1024);
        ring.count(0, 990, 5);
        ring.count(0, 1000, 5);
        let mut follower = BucketFollower::new(&ring, at(1000));
        ring.count(0, 1000, 2);
        assert_eq!(points(&follower.all(&ring, at(1000))), [(1000, 2)]);
    }

    #[test]
    fn a_reader_starved_for_less_than_the_ring_misses_nothing() {
        let mut ring = Model::new(1, 1024);
        let mut follower = BucketFollower::new(&ring, at(1000));
        for epoch in 1000..2000 {
            ring.count(0, epoch, 1);
        }
        let batch = follower.settled(&ring, at(2001));
        assert_eq!((batch.counts.len(), batch.lost), (1000, 0));
    }

    #[test]
    fn a_reader_starved_for_longer_reports_its_losses() {
        let mut ring = Model::new(1, 1024);
        let mut follower = BucketFollower::new(&ring, at(1000));
        for epoch in 1000..5000 {
            ring.count(0, epoch, 1);
        }
        let batch = follower.settled(&ring, at(5000));
        let span = batch.end - batch.first;
        assert_eq!(batch.counts.len() as u64 + batch.lost, span);
        assert!(batch.lost >= 4000 - 1024, "{}", batch.lost);
    }

    proptest! {
        /// Whatever the moments of counting and reading, every event is reported exactly once.
        #[test]
        fn sums_are_exact(
            steps in prop::collection::vec((0u64..40, 0u32..3, 1u32..5, 0u64..60, any::<bool>()), 1..200)
        ) {
            let mut ring = Model::new(3, 1024);
            let mut now = 10_000;
            let mut follower = BucketFollower::new(&ring, at(now));
            let (mut counted, mut reported) = (0u64, 0u64);
            for (forward, cpu, n, late, read) in steps {
                now += forward;
                ring.count(cpu, (now - late.min(30)).max(10_000), n);
                counted += u64::from(n);
                if read {
                    reported += follower.settled(&ring, at(now)).counts.values().map(|c| c[0]).sum::<u64>();
                }
            }
            reported += follower.all(&ring, at(now)).counts.values().map(|c| c[0]).sum::<u64>();
            prop_assert_eq!(counted, reported);
        }

        /// However short the ring and however late the reader: a bucket of the span is reported with all its
        /// events, or it is one of the first, which are counted as lost and of which nothing is reported.
        #[test]
        fn losses_are_known_for_any_length_of_the_ring(
            ring_bits in 0_u32..=12,
            steps in prop::collection::vec((0_u64..100, 1_u32..5, any::<bool>()), 1..200)
        ) {
            let mut ring = Model::new(1, 1 << ring_bits);
            let (start, mut now) = (10_000, 10_000);
            let mut follower = BucketFollower::new(&ring, at(now));
            let mut truth: BTreeMap<Epoch, u64> = BTreeMap::new();
            let mut reported: BTreeMap<Epoch, u64> = BTreeMap::new();
            let mut end = start;
            for (forward, n, read) in steps {
                now += forward;
                ring.count(0, now, n);
                *truth.entry(now).or_default() += u64::from(n);
                if !read {
                    continue;
                }
                let batch = follower.settled(&ring, at(now));
                prop_assert_eq!(batch.first, end);
                end = batch.end;
                let known = batch.first + batch.lost..batch.end;
                for (epoch, n) in points(&batch) {
                    prop_assert!(known.contains(&epoch), "{epoch} is not in {known:?}");
                    reported.insert(epoch, n);
                }
                for (epoch, n) in truth.range(known) {
                    prop_assert_eq!(reported.get(epoch), Some(n));
                }
            }
        }
    }
}
