//! The probes' counts of one instance: its totals, and its buckets while it has a ring.

use std::rc::Rc;

use conntrack_ebpf::COUNTER_SLOTS;

use crate::{
    clock::Clock,
    reading::{buckets::BucketBatch, probes::ProbeTotals, unavailable::Unavailable},
    source::{buckets::BucketFollower, maps::counters::CounterMaps},
};

/// Why an instance has totals and no buckets.
const NO_RING: &str =
    "only the busiest network namespaces have buckets of a millisecond, and this is none of them";

/// Why the buckets of an interval are not all that happened in it.
const NEW_RING: &str = "it has buckets since this interval only, because it became busy";

/// Which buckets a reading covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The complete ones.
    Settled,
    /// All, the current one included.
    All,
}

/// The probes' counters of one instance.
pub struct ProbeFeed {
    pub(super) maps: Rc<CounterMaps>,
    slot: u32,
    ring: Option<FollowedRing>,
    /// What was in a ring that was taken back, until it is read.
    rest: Option<BucketBatch>,
    /// Whether something may have happened since the last reading that is in no ring.
    uncovered: bool,
}

struct FollowedRing {
    number: u32,
    follower: BucketFollower,
}

/// What the probes have counted in a slot.
pub(super) struct SlotTotals {
    pub(super) sum: ProbeTotals,
    /// By CPU id.
    pub(super) cpus: Vec<ProbeTotals>,
    pub(super) faults: u64,
}

impl ProbeFeed {
    /// Follows the totals of a slot.
    #[must_use]
    pub fn new(maps: Rc<CounterMaps>, slot: u32) -> Self {
        Self {
            maps,
            slot,
            ring: None,
            rest: None,
            uncovered: false,
        }
    }

    /// Follows a ring from now on, in which the programs do not count for the slot yet.
    pub fn follow(&mut self, number: u32, clock: &impl Clock) {
        let follower = BucketFollower::new(&self.maps.ring(number), clock.now().monotonic);
        self.ring = Some(FollowedRing { number, follower });
    }

    /// Follows its ring no more, in which the programs do not count for the slot any more. What is in there is in the next reading.
    pub fn leave_ring(&mut self, clock: &impl Clock) {
        if let Some(mut left) = self.ring.take() {
            let rest = left
                .follower
                .all(&self.maps.ring(left.number), clock.now().monotonic);
            self.rest = Some(rest);
            self.uncovered = true;
        }
    }

    pub(super) fn totals(&self) -> SlotTotals {
        let (cpus, faults) = self.maps.totals_by_cpu(self.slot);
        let mut sum = [0; COUNTER_SLOTS];
        for totals in &cpus {
            sum.iter_mut().zip(totals).for_each(|(sum, n)| *sum += n);
        }
        SlotTotals { sum, cpus, faults }
    }

    /// The buckets since the last call, and why they are not all that happened, if they are not.
    pub(super) fn buckets(
        &mut self,
        clock: &impl Clock,
        extent: Extent,
    ) -> (BucketBatch, Option<Unavailable>) {
        if let Some(rest) = self.rest.take() {
            return (rest, Some(NO_RING.into()));
        }
        let Some(FollowedRing { number, follower }) = &mut self.ring else {
            self.uncovered = true;
            return (BucketBatch::default(), Some(NO_RING.into()));
        };
        let (ring, now) = (self.maps.ring(*number), clock.now().monotonic);
        let batch = match extent {
            Extent::Settled => follower.settled(&ring, now),
            Extent::All => follower.all(&ring, now),
        };
        let late = std::mem::take(&mut self.uncovered);
        (batch, late.then(|| NEW_RING.into()))
    }
}
