//! Packets that conntrack does not track, or already tracks.

use anyhow::Result;
use serde_json::Value;

use super::proof::{ALL, ALL_REPORTED, FLOW, prove};
use crate::{
    drive::{faulty, tcp},
    kernel::{nft, tracking},
    traffic::UdpFlows,
};

const TIMES: u32 = 100;

/// A packet on loopback crosses conntrack twice.
const CROSSINGS: u64 = 2;

/// Many kinds, IPv4 and IPv6; the driver requires that the kernel counts each kind.
pub(super) fn invalid() -> Result<()> {
    faulty::silence()?;
    let proof = prove(ALL_REPORTED, || {
        faulty::send(&faulty::invalid(), TIMES, "invalid")
    })?;
    proof
        .moves_only(&["invalid"])?
        .counted("invalid", proof.driven)?
        .events("invalid", proof.driven, between_loopbacks)?
        .counted("icmp_error", 0)?
        .events("icmp_error", 0, |_| false)?
        .counted("drop", 0)?
        .balanced()?;
    Ok(())
}

/// They pass conntrack without a flow, like invalid packets, but are not invalid.
pub(super) fn icmp_error() -> Result<()> {
    for group in [FLOW, ALL_REPORTED] {
        tracking()?;
        let proof = prove(group, || {
            faulty::send(&faulty::icmp_errors(), TIMES, "icmp_error")
        })?;
        proof
            .moves_only(&["icmp_error"])?
            .counted("icmp_error", proof.driven)?;
        if group == ALL_REPORTED {
            proof
                .events("icmp_error", proof.driven, between_loopbacks)?
                .counted("invalid", 0)?
                .events("invalid", 0, |_| false)?;
        }
    }
    Ok(())
}

/// Whether an event has the addresses of the faulty packets.
fn between_loopbacks(event: &Value) -> bool {
    let tuple = &event["tuple"];
    let loopback = match tuple["family"].as_str() {
        Some("ipv4") => "127.0.0.1",
        Some("ipv6") => "::1",
        _ => return false,
    };
    tuple["src"] == loopback && tuple["dst"] == loopback
}

/// A packet that replaces the flow it matched is looked up again, and is not invalid.
pub(super) fn reopened() -> Result<()> {
    const CONNECTIONS: u32 = 20;
    let proof = prove(ALL, || tcp::reopen(CONNECTIONS))?;
    proof
        .moves_only(&[])?
        .counted("invalid", 0)?
        .counted("drop", 0)?
        .probed("new", CONNECTIONS.into())?
        .balanced()?;
    Ok(())
}

const PACKETS: u32 = 1_000;

/// Packets marked untracked are ignored at every crossing.
pub(super) fn untracked() -> Result<()> {
    let mut flows = UdpFlows::new()?;
    nft(&format!(
        "add chain inet t raw {{ type filter hook output priority -300; }}
        add rule inet t raw udp dport {} notrack",
        flows.port()
    ))?;
    let proof = prove(ALL, || flows.send(PACKETS))?;
    proof
        .moves_only(&[])?
        .probed("ignore", CROSSINGS * u64::from(PACKETS))?
        .probed("lookups", 0)?
        .probed("new", 0)?
        .counted("invalid", 0)?
        .balanced()?;
    Ok(())
}

/// Packets with a flow are ignored at the second crossing. The first packet of a flow is looked up and not found; later ones are
/// found.
pub(super) fn already_tracked() -> Result<()> {
    const ROUNDS: u32 = 3;
    let mut flows = UdpFlows::new()?;
    let proof = prove(ALL, || {
        for _ in 0..ROUNDS {
            flows.send(PACKETS)?;
            flows.rewind();
        }
        Ok(())
    })?;
    let packets = u64::from(PACKETS);
    let rounds = u64::from(ROUNDS);
    proof
        .moves_only(&[])?
        .probed("ignore", rounds * packets)?
        .probed("lookups", rounds * packets)?
        .probed("lookups_found", (rounds - 1) * packets)?
        .probed("new", packets)?
        .counted("invalid", 0)?
        .balanced()?;
    Ok(())
}
