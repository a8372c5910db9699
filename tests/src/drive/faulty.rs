//! Packets that conntrack counts as invalid, or as ICMP errors.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};

use super::packet::{Addresses, Packet, RawSockets, flag, protocol};
use crate::{
    kernel::{gained, nft, proc_columns, settle, sysctl},
    traffic::Offered,
};

/// A port without a listener, whose packets are dropped.
const SILENT: u16 = 9;

/// A fault, with a packet that has it.
pub type Fault = (&'static str, Packet);

/// Makes conntrack strict about the middle of TCP connections, and drops packets to the silent port, so that they are not
/// answered with resets.
pub fn silence() -> Result<()> {
    sysctl("net/netfilter/nf_conntrack_tcp_loose", 0)?;
    nft("add chain inet t i { type filter hook input priority 0; }
        add rule inet t i tcp dport 9 drop")
}

/// Packets that belong to no connection and cannot start one. Each counts as invalid at both crossings.
pub fn invalid() -> Vec<Fault> {
    let mut faults = Vec::new();
    for to in [Addresses::LOOPBACK_V4, Addresses::LOOPBACK_V6] {
        let tcp = |flags| Packet::tcp(to, (10_000, SILENT), flags);
        faults.extend([
            ("RST without a connection", tcp(flag::RST)),
            ("ACK without a connection", tcp(flag::ACK)),
            ("TCP without flags", tcp(0)),
            ("SYN and FIN", tcp(flag::SYN | flag::FIN)),
            (
                "TCP that ends within its ports",
                Packet::new(to, protocol::TCP, &[0, 1, 0]),
            ),
            (
                "UDP that ends after its ports",
                Packet::new(to, protocol::UDP, &[0, 1, 0, 2]),
            ),
            (
                "UDP that says it is longer than its packet",
                Packet::udp(to, (10_000, SILENT), 100),
            ),
        ]);
    }
    faults.extend([
        (
            "ICMP of a type without an answer",
            Packet::icmp(Addresses::LOOPBACK_V4, 2, &[]),
        ),
        (
            "an IPv6 extension header that is not there",
            Packet::new(Addresses::LOOPBACK_V6, protocol::DESTINATION_OPTIONS, &[]),
        ),
    ]);
    faults
}

/// ICMP messages that conntrack rejects. Each counts as an error at both crossings.
pub fn icmp_errors() -> Vec<Fault> {
    let (v4, v6) = (Addresses::LOOPBACK_V4, Addresses::LOOPBACK_V6);
    // The flow in these messages does not exist.
    let unknown_v4 = Packet::udp(
        Addresses::V4(Ipv4Addr::LOCALHOST, Ipv4Addr::new(127, 9, 9, 9)),
        (1, 2),
        8,
    );
    let unknown_v6 = Packet::udp(
        Addresses::V6(Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST),
        (1, 2),
        8,
    );
    vec![
        ("ICMP of an unknown type", Packet::icmp(v4, 200, &[])),
        (
            "ICMP without a whole header",
            Packet::new(v4, protocol::ICMP, &[8, 0, 0, 0]),
        ),
        (
            "unreachable, about an unknown flow",
            Packet::icmp(v4, 3, unknown_v4.bytes()),
        ),
        (
            "ICMPv6 without a whole header",
            Packet::new(v6, protocol::ICMPV6, &[128, 0, 0, 0]),
        ),
        (
            "ICMPv6 unreachable, about an unknown flow",
            Packet::icmp(v6, 1, unknown_v6.bytes()),
        ),
        ("an empty ICMPv6 redirect", Packet::icmp(v6, 137, &[])),
    ]
}

/// Sends each packet `times` times.
pub fn offer(faults: &[Fault], times: u32) -> Result<()> {
    let sockets = RawSockets::open()?;
    let mut offered = Offered::default();
    for (fault, packet) in faults {
        for _ in 0..times {
            offered
                .count(sockets.send(packet))
                .with_context(|| format!("send {fault}"))?;
        }
    }
    Ok(())
}

/// Sends each packet `times` times, requires that the kernel counts each at both crossings in `column`, and
/// returns how many it counted.
pub fn send(faults: &[Fault], times: u32, column: &str) -> Result<u64> {
    const CROSSINGS: u64 = 2;
    let expected = CROSSINGS * u64::from(times);
    for fault in faults.chunks(1) {
        let before = proc_columns()?;
        offer(fault, times)?;
        settle()?;
        let gained = gained(&before, &proc_columns()?)?[column];
        ensure!(
            gained == expected,
            "{}: {column} rose by {gained} instead of {expected}",
            fault[0].0
        );
    }
    Ok(faults.len() as u64 * expected)
}
