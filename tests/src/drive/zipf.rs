//! UDP flows from many sources, a few of which have most flows: the number of flows of a source is inversely proportional to its
//! rank (Zipf's law), in random order.

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, UdpSocket},
};

use anyhow::{Context, Result};

use super::packet::{Addresses, Packet, RawSockets};

/// The first source; the others follow.
const SOURCE: u32 = u32::from_be_bytes([127, 9, 0, 1]);
/// The destination of the first flow of each source; its other flows go to the following addresses.
const DESTINATION: u32 = u32::from_be_bytes([127, 64, 0, 1]);

/// Numbers of flows by address.
pub type Counts = BTreeMap<String, u64>;

/// What was sent.
pub struct Truth {
    /// Flows of each source.
    pub sources: Counts,
    /// Flows to each destination.
    pub destinations: Counts,
    /// The destination port of all flows.
    pub port: u16,
}

/// Sends a packet for each of `flows` flows from `sources` sources.
pub fn send(flows: u32, sources: u32) -> Result<Truth> {
    // Receives the packets, so that there are no ICMP errors.
    let sink = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("bind")?;
    let port = sink.local_addr()?.port();
    let sockets = RawSockets::open()?;
    let mut next = vec![0; sources as usize];
    let mut sent = Truth {
        sources: Counts::new(),
        destinations: Counts::new(),
        port,
    };
    for rank in shuffled(&shares(flows, sources)) {
        let flow = &mut next[rank as usize];
        let from = Ipv4Addr::from(SOURCE + rank);
        let to = Ipv4Addr::from(DESTINATION + *flow);
        *flow += 1;
        let packet = Packet::udp(Addresses::V4(from, to), (5_000, port), 8);
        sockets
            .send(&packet)
            .with_context(|| format!("send from {from} to {to}"))?;
        *sent.sources.entry(from.to_string()).or_default() += 1;
        *sent.destinations.entry(to.to_string()).or_default() += 1;
    }
    Ok(sent)
}

/// The number of flows of each source, by rank; they add up to `flows`.
fn shares(flows: u32, sources: u32) -> Vec<u32> {
    let harmonic: f64 = (1..=sources).map(|rank| 1.0 / f64::from(rank)).sum();
    let share = |rank| (f64::from(flows) / harmonic / f64::from(rank)) as u32;
    let mut shares: Vec<u32> = (1..=sources).map(share).collect();
    shares[0] += flows - shares.iter().sum::<u32>();
    shares
}

/// Every rank as often as its share, in a reproducible order.
fn shuffled(shares: &[u32]) -> Vec<u32> {
    let mut ranks: Vec<u32> = (0..)
        .zip(shares)
        .flat_map(|(rank, share)| std::iter::repeat_n(rank, *share as usize))
        .collect();
    let mut state = 1_u64;
    for i in (1..ranks.len()).rev() {
        // Knuth's constants for a linear congruential generator.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ranks.swap(i, (state >> 33) as usize % (i + 1));
    }
    ranks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_with_the_rank_and_add_up() {
        let shares = shares(200_000, 5_000);
        assert_eq!(shares.iter().sum::<u32>(), 200_000);
        assert!(shares.is_sorted_by(|a, b| a >= b));
        assert!(
            shares[..12].is_sorted_by(|a, b| a > b),
            "{:?}",
            &shares[..12]
        );
        let mut ranks = shuffled(&shares);
        assert!(!ranks.is_sorted());
        ranks.sort_unstable();
        let first = ranks.iter().filter(|rank| **rank == 0).count();
        assert_eq!(first, shares[0] as usize);
    }
}
