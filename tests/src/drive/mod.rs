//! Drivers: each makes the kernel move the counters of one family, by a number known beforehand or by what
//! became of the packets.
//!
//! All use loopback. A packet there crosses conntrack twice, on its way out and on its way in; the second
//! time it is ignored if the first gave it a conntrack.

pub mod chain;
pub mod ctnetlink;
pub mod expect;
pub mod faulty;
pub mod ipv6;
pub mod nat;
pub mod packet;
pub mod race;
pub mod tcp;
pub mod zipf;
