//! The lengths of hash chains that are to be expected: the hash is random, so they follow the Poisson distribution.

use crate::model::record::ChainLoad;

/// `MIN_CHAINLEN` of kernels that limit chains so: since 6.4, and in the stable releases of 5.15 and 6.1.
pub(super) const LIMIT: u64 = 50;

/// Beyond this average all chains are too long, and the rest is of no interest.
const MOST: f64 = 10_000.0;

/// What is to be expected where `chained` entries are in the chains of `buckets`.
pub(super) fn load(chained: f64, buckets: u64) -> Option<ChainLoad> {
    let all = buckets as f64;
    let mean = chained / all;
    if buckets == 0 || !mean.is_finite() || mean > MOST {
        return None;
    }
    // Few chains are longer: fewer than one of a thousand tables has one.
    let end = (mean + 20.0 * mean.sqrt() + 60.0) as u64;
    let mut shares = Vec::with_capacity(end as usize + 1);
    let mut logarithm = -mean;
    for length in 0..=end {
        if length > 0 {
            logarithm += mean.ln() - (length as f64).ln();
        }
        shares.push(logarithm.exp());
    }
    // From the end: small numbers first, so that none is lost.
    let mut longer = 0.0;
    let mut chains_longer = vec![0.0; shares.len()];
    for (length, share) in shares.iter().enumerate().rev() {
        chains_longer[length] = longer * all;
        longer += share;
    }
    let shortest = |chains: f64| {
        let length = chains_longer.iter().position(|longer| *longer <= chains);
        length.map_or(end, |length| length as u64)
    };
    Some(ChainLoad {
        mean,
        p99: shortest(all / 100.0),
        longest: shortest(0.5),
        too_long: chains_longer.get(LIMIT as usize).copied().unwrap_or(0.0),
    })
}
