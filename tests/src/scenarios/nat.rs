//! Source NAT: ports that are taken.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::proof::{ALL, FLOW, Proof, about, prove};
use crate::{
    ctpulse::Stream,
    drive::{ipv6, nat},
    traffic::Offered,
};

const DESTINATIONS: u8 = 100;

/// As many flows as ports: each gets a port, some after trying ports of others.
pub(super) fn found() -> Result<()> {
    nat::rules()?;
    let proof = prove(FLOW, || nat::crowd(nat::PORTS, DESTINATIONS))?;
    ensure!(proof.driven.refused == 0, "{:?}", proof.driven);
    proof
        .moves_only(&["found"])?
        .agrees("found")?
        .probed("new", proof.driven.accepted)?
        .balanced()?;
    Ok(())
}

/// Flows that find no port, for each destination.
const TOO_MANY: u16 = 4;

/// More flows than ports: NAT gives up, and the flow clashes with the owner of its port.
pub(super) fn exhausted() -> Result<()> {
    nat::rules()?;
    let proof = prove(ALL, || nat::crowd(nat::PORTS + TOO_MANY, DESTINATIONS))?;
    proof.moves_only(&["found", "insert_failed", "drop"])?;
    exhausted_and_named(&proof, "udp", "127.3.", "127.0.0.1")?;
    proof
        .agrees("found")?
        .counted("insert_failed", proof.driven.refused)?
        .counted("drop", proof.driven.refused)?
        .events("insert_failed", 0, |_| false)?
        .counted("chaintoolong", 0)?
        .counted("clash_resolve", 0)?
        .balanced()?;
    Ok(())
}

/// The same over IPv6.
pub(super) fn exhausted_ipv6() -> Result<()> {
    ipv6::accept()?;
    nat::rules()?;
    let proof = prove(FLOW, || {
        nat::crowd_ipv6(nat::PORTS + TOO_MANY, DESTINATIONS)
    })?;
    exhausted_and_named(&proof, "udp", "fd00:c7::3:", "::1")
}

/// The same by TCP. Since 6.4 the search looks at the owner of a port itself, to evict it if its connection is closed: the kernel
/// counts none as found.
pub(super) fn exhausted_tcp() -> Result<()> {
    nat::rules()?;
    let proof = prove(FLOW, || {
        nat::crowd_tcp(30_000, nat::PORTS + TOO_MANY, DESTINATIONS, 1_000)
    })?;
    exhausted_and_named(&proof, "tcp", "127.5.", "127.0.0.1")
}

/// TCP with ports of connections that are closed. What the kernel refuses then depends on its release; all of it is counted.
pub(super) fn exhausted_by_closed() -> Result<()> {
    nat::rules()?;
    nat::crowd_tcp(30_000, nat::PORTS, DESTINATIONS, 1_000)?;
    nat::reset_tcp(30_000, nat::PORTS, DESTINATIONS, 1_000)?;
    let proof = prove(FLOW, || {
        nat::crowd_tcp(31_000, nat::PORTS + TOO_MANY, DESTINATIONS, 2_000)
    })?;
    println!("closed connections had the ports: {:?}", proof.driven);
    proof
        .probed("nat_exhausted", proof.driven.refused)?
        .probed("inserted", proof.driven.accepted)?
        .balanced()?;
    Ok(())
}

/// A destination that is translated to one that is taken gets another source port: nothing is refused.
pub(super) fn other_port() -> Result<()> {
    let proof = prove(FLOW, || nat::same_service(50))?;
    ensure!(proof.driven.refused == 0, "{:?}", proof.driven);
    proof
        .agrees("found")?
        .probed("nat_exhausted", 0)?
        .probed("inserted", proof.driven.accepted)?
        .balanced()?;
    Ok(())
}

/// A gateway with few ports: the client sees nothing, the server gets fewer packets.
pub(super) fn gateway() -> Result<()> {
    let gateway = nat::Gateway::new()?;
    let proof = prove(FLOW, || gateway.crowd(nat::PORTS + TOO_MANY))?;
    let refused = u64::from(TOO_MANY);
    ensure!(proof.driven.refused == refused, "{:?}", proof.driven);
    proof
        .probed("nat_exhausted", refused)?
        .events("nat_exhausted", refused, |event| {
            about("udp", "10.77.2.2")(event)
                && event["tuple"]["src"] == "10.77.1.2"
                && event["translated"]["src"] == "10.77.2.1"
        })?
        .balanced()?;
    Ok(())
}

/// The listing of entries has the ports that each destination's flows use, and that there are no more.
pub(super) fn listed() -> Result<()> {
    nat::rules()?;
    let mut stream = Stream::start(&["--top", "100"])?;
    let offered = nat::crowd(nat::PORTS + TOO_MANY, DESTINATIONS)?;
    let of_ports = |record: &Value| {
        let tables = record["tables"].as_array()?;
        let ports = tables.iter().find(|table| table["by"] == "ports")?;
        Some(ports.clone())
    };
    // The first listing may be from before that.
    let top = stream.wait_for("all flows in a listing", |record| {
        of_ports(record).is_some_and(|ports| ports["total"] == offered.accepted)
    })?;
    // It says of each listing what was refused since the one before, and not all flows need have been there at one.
    let refused: BTreeSet<String> = stream
        .records()
        .iter()
        .filter_map(of_ports)
        .flat_map(|ports| ports["rows"].as_array().cloned().unwrap_or_default())
        .filter(|row| row["nat"]["refused"] == true)
        .filter_map(|row| row["key"].as_str().map(str::to_owned))
        .collect();
    stream.stop()?;
    let ports = of_ports(&top).context("a table of ports")?;
    ensure!(ports["of"] == "nat" && ports["error"] == 0, "{ports}");
    let rows = ports["rows"].as_array().context("rows")?;
    ensure!(rows.len() == usize::from(DESTINATIONS), "{}", rows.len());
    for row in rows {
        let key = row["key"].as_str().context("a key")?;
        let left = &row["nat"];
        ensure!(
            key.starts_with("udp 127.0.0.1 → 127.3.0.")
                && row["count"] == nat::PORTS
                && left["limit"] == nat::PORTS
                && left["assumed"] == false
                && refused.contains(key)
                && left["exhausted_in_s"]["estimate"] == 0.0,
            "{row}"
        );
    }
    println!(
        "{} destinations, each with {} ports in use",
        rows.len(),
        nat::PORTS
    );
    Ok(())
}

/// Requires that exactly the flows that found no port were refused, and that each is named with what it was translated to.
fn exhausted_and_named(
    proof: &Proof<Offered>,
    protocol: &str,
    to: &str,
    translated: &str,
) -> Result<()> {
    let refused = u64::from(TOO_MANY) * u64::from(DESTINATIONS);
    ensure!(proof.driven.refused == refused, "{:?}", proof.driven);
    let ports = nat::FIRST..nat::FIRST + nat::PORTS;
    let is_translated = |event: &Value| {
        let (tuple, given) = (&event["tuple"], &event["translated"]);
        let port = given["sport"]
            .as_u64()
            .and_then(|port| port.try_into().ok());
        given["src"] == translated
            && port.is_some_and(|port: u16| ports.contains(&port))
            && ["family", "proto", "dst", "dport"].map(|field| &given[field])
                == ["family", "proto", "dst", "dport"].map(|field| &tuple[field])
    };
    proof
        .probed("nat_exhausted", refused)?
        .events("nat_exhausted", refused, |event| {
            about(protocol, to)(event) && is_translated(event)
        })?
        .probed("inserted", proof.driven.accepted)?
        .balanced()?;
    Ok(())
}
