//! Which instances have a ring of buckets: all while there are enough, else the busiest.

use std::{collections::BTreeMap, time::Duration};

/// After this time what happened in an instance counts half.
const HALF_LIFE: Duration = Duration::from_secs(10);

/// How many times as busy an instance must be as the one whose ring it gets, so that rings do not go back and forth.
const BUSIER: f64 = 4.0;

/// The rings, and how busy the instances are.
#[derive(Debug)]
pub(super) struct RingPool {
    free: Vec<u32>,
    /// By slot.
    instances: BTreeMap<u32, RingUser>,
    /// Whether an instance has ended since [`Self::has_ended`].
    ended: bool,
}

#[derive(Debug)]
struct RingUser {
    ring: Option<u32>,
    /// Hits of probes, the older the less; as of `at`.
    hits: f64,
    /// All hits so far.
    total: u64,
    at: Duration,
}

/// A ring that goes to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RingMove {
    pub(super) ring: u32,
    /// The slot of the instance that has it now; `None` if nobody has.
    pub(super) from: Option<u32>,
    /// The slot of the instance that gets it.
    pub(super) to: u32,
}

impl RingPool {
    /// All rings are free.
    pub(super) fn new(rings: u32) -> Self {
        Self {
            free: (0..rings).rev().collect(),
            instances: BTreeMap::new(),
            ended: false,
        }
    }

    /// Adds an instance, and returns its ring if one is free. `total` is the number of hits in its slot so far.
    pub(super) fn add(&mut self, slot: u32, total: u64, now: Duration) -> Option<u32> {
        let ring = self.free.pop();
        self.instances.insert(
            slot,
            RingUser {
                ring,
                hits: 0.0,
                total,
                at: now,
            },
        );
        ring
    }

    /// Removes an instance that has ended; its ring is free.
    pub(super) fn remove(&mut self, slot: u32) {
        if let Some(ended) = self.instances.remove(&slot) {
            self.free.extend(ended.ring);
            self.ended = true;
        }
    }

    /// Whether an instance has ended since the last call: programs may still count in its slot and ring.
    pub(super) fn has_ended(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }

    /// Takes the number of hits in a slot so far.
    pub(super) fn observe(&mut self, slot: u32, total: u64, now: Duration) {
        let Some(user) = self.instances.get_mut(&slot) else {
            return;
        };
        let half_lives = now.saturating_sub(user.at).as_secs_f64() / HALF_LIFE.as_secs_f64();
        let new = total.saturating_sub(user.total);
        user.hits = user.hits * 0.5_f64.powf(half_lives) + new as f64;
        (user.total, user.at) = (total, now);
    }

    /// Gives rings to instances that have none: free ones, then those of instances that are far less busy.
    pub(super) fn moves(&mut self) -> Vec<RingMove> {
        let by_hits = |has_ring: bool| {
            let of = self.instances.iter();
            let mut of: Vec<(u32, f64)> = of
                .filter(|(_, user)| user.ring.is_some() == has_ring)
                .map(|(slot, user)| (*slot, user.hits))
                .collect();
            of.sort_by(|a, b| a.1.total_cmp(&b.1));
            of
        };
        let mut idlest = by_hits(true).into_iter();
        let mut moves = Vec::new();
        for (to, hits) in by_hits(false).into_iter().rev() {
            let (ring, from) = if let Some(ring) = self.free.pop() {
                (ring, None)
            } else if let Some((from, idle)) = idlest.next()
                && hits >= 1.0
                && hits > BUSIER * idle
                && let Some(ring) = self.set_ring(from, None)
            {
                (ring, Some(from))
            } else {
                break;
            };
            self.set_ring(to, Some(ring));
            moves.push(RingMove { ring, from, to });
        }
        moves
    }

    /// Changes the ring of an instance, and returns the one it had.
    fn set_ring(&mut self, slot: u32, ring: Option<u32>) -> Option<u32> {
        let user = self.instances.get_mut(&slot)?;
        std::mem::replace(&mut user.ring, ring)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Three instances of which two have a ring.
    fn short_of_one() -> RingPool {
        let mut pool = RingPool::new(2);
        let rings = [0, 1, 2].map(|slot| pool.add(slot, 0, seconds(0)));
        assert_eq!(rings, [Some(0), Some(1), None]);
        pool
    }

    #[test]
    fn a_busy_instance_gets_the_ring_of_the_least_busy_one() {
        let mut pool = short_of_one();
        for (slot, total) in [(0, 1_000), (1, 5), (2, 400)] {
            pool.observe(slot, total, seconds(1));
        }
        let expected = RingMove {
            ring: 1,
            from: Some(1),
            to: 2,
        };
        assert_eq!(pool.moves(), [expected]);
        assert_eq!(pool.moves(), []);
    }

    #[test]
    fn instances_that_are_as_busy_keep_their_rings() {
        let mut pool = short_of_one();
        for second in 1..100 {
            for slot in [0, 1, 2] {
                pool.observe(slot, 100 * second, seconds(second));
            }
            assert_eq!(pool.moves(), [], "after {second} s");
        }
    }

    #[test]
    fn what_happened_long_ago_counts_little() {
        let mut pool = short_of_one();
        for slot in [0, 1] {
            pool.observe(slot, 1_000, seconds(1));
        }
        pool.observe(1, 2_000, seconds(60));
        for second in [1, 61] {
            pool.observe(2, 100 * second, seconds(second));
            pool.observe(0, 1_000, seconds(second));
            let moves = pool.moves();
            assert_eq!(moves.len(), usize::from(second == 61), "after {second} s");
            assert!(moves.iter().all(|moved| moved.from == Some(0)));
        }
    }

    #[test]
    fn an_idle_instance_takes_no_ring_from_another_but_a_free_one() {
        let mut pool = short_of_one();
        assert_eq!(pool.moves(), []);
        assert!(!pool.has_ended());
        pool.remove(0);
        assert!(pool.has_ended());
        let expected = RingMove {
            ring: 0,
            from: None,
            to: 2,
        };
        assert_eq!(pool.moves(), [expected]);
    }

    /// What the pool is asked to do: add, remove or observe a slot.
    fn steps() -> impl Strategy<Value = Vec<(u8, u32, u64)>> {
        prop::collection::vec((0_u8..4, 0_u32..8, 0_u64..1_000), 1..200)
    }

    proptest! {
        /// Whatever happens: each ring has one owner or is free, and none is free while an instance has none.
        #[test]
        fn no_ring_is_lost_or_shared(rings in 1_u32..5, steps in steps()) {
            let mut pool = RingPool::new(rings);
            let mut totals = [0; 8];
            for (at, (what, slot, more)) in (0..).zip(steps) {
                let total = &mut totals[slot as usize];
                *total += more;
                let known = pool.instances.contains_key(&slot);
                match what {
                    0 if !known => drop(pool.add(slot, *total, seconds(at))),
                    1 => pool.remove(slot),
                    _ => pool.observe(slot, *total, seconds(at)),
                }
                pool.moves();
                let held = pool.instances.values().filter_map(|user| user.ring);
                let mut all: Vec<u32> = held.chain(pool.free.iter().copied()).collect();
                all.sort_unstable();
                prop_assert_eq!(all, (0..rings).collect::<Vec<_>>());
                let without = pool.instances.values().any(|user| user.ring.is_none());
                prop_assert!(pool.free.is_empty() || !without);
            }
        }
    }
}
