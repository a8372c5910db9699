//! Drivers: each makes the kernel increment the counters of one family, by a known number or by a number that follows from the
//! fate of its packets.
//!
//! All use loopback. A packet there crosses conntrack twice, on output and on input; the second time it is ignored if it already
//! has a conntrack.

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
