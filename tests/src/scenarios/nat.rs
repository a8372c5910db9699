//! Source NAT: ports that are taken.

use anyhow::{Result, ensure};

use super::proof::{ALL, FLOW, about, prove};
use crate::drive::nat;

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

/// More flows than ports: NAT gives up, and the flow clashes with the owner of its port.
pub(super) fn exhausted() -> Result<()> {
    const TOO_MANY: u16 = 4;
    nat::rules()?;
    let proof = prove(ALL, || nat::crowd(nat::PORTS + TOO_MANY, DESTINATIONS))?;
    let refused = u64::from(TOO_MANY) * u64::from(DESTINATIONS);
    ensure!(proof.driven.refused == refused, "{:?}", proof.driven);
    proof
        .moves_only(&["found", "insert_failed", "drop"])?
        .agrees("found")?
        .counted("insert_failed", refused)?
        .counted("drop", refused)?
        .events("insert_failed", refused, about("udp", "127.3."))?
        .counted("chaintoolong", 0)?
        .counted("clash_resolve", 0)?
        .probed("inserted", proof.driven.accepted)?
        .balanced()?;
    Ok(())
}
