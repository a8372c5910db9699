//! What the kernel can remove for new flows.

use super::estimate::Sampling;
use crate::{model::record::Evictable, reading::top::EntryListing};

/// The buckets that are looked through for an entry to give up (`NF_CT_EVICTION_RANGE`).
const RANGE: f64 = 8.0;

/// The chains that an entry is in: one for each direction.
pub(super) const CHAINS_PER_ENTRY: f64 = 2.0;

pub(super) fn evictable(listing: &EntryListing, sampling: &Sampling) -> Evictable {
    let early_drop = sampling.of(listing.counts.early_drop);
    Evictable {
        early_drop,
        nearly_full: sampling.of(listing.counts.nearly_full),
        found_percent: listing
            .buckets
            .filter(|buckets| *buckets > 0)
            .map(|buckets| found_percent(early_drop.count, buckets)),
    }
}

/// A hash spreads entries over buckets at random: of `n` that could be removed, 8 buckets of `b` hold none with a probability of
/// e^(-8 · 2n / b).
fn found_percent(evictable: u64, buckets: u64) -> f64 {
    let held = RANGE * CHAINS_PER_ENTRY * evictable as f64 / buckets as f64;
    -(-held).exp_m1() * 100.0
}
