//! The cross-check must be able to fail.

use anyhow::{Result, ensure};

use crate::{
    ctpulse::Stream,
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple},
        packet::protocol,
    },
    traffic::UdpFlows,
};

/// eBPF programs of which one only counts allocations by packets.
pub(super) const WRONG: &str = "/lib/ctpulse/wrong-selector.o";

/// Packets do not reveal the bug; every flow created over ctnetlink does.
pub(super) fn wrong() -> Result<()> {
    const FLOWS: u16 = 20;
    let ctnetlink = Ctnetlink::open()?;
    let mut stream = Stream::start(&["--object", WRONG])?;
    UdpFlows::new()?.send(1_000)?;
    stream.wait_for("a check of packets' flows", |record| {
        balance(record).is_some_and(|check| {
            check["probe"] == 1_000
                && (check["verdict"] == "exact" || check["verdict"] == "within_bracket")
        })
    })?;
    for port in 1..=FLOWS {
        let made = ctnetlink.insert(&Flow::of(Tuple {
            protocol: protocol::UDP,
            from: ([127, 9, 0, 1].into(), port),
            to: ([127, 9, 0, 2].into(), 53),
        }))?;
        ensure!(made.is_ok(), "flow {port}: {made:?}");
    }
    stream.wait_for("the mismatch", |record| {
        balance(record).is_some_and(|check| check["verdict"] == "mismatch")
    })?;
    let ended = stream.stop()?;
    let check = ended.check("entries_balance")?;
    ensure!(
        check["verdict"] == "mismatch" && check["residual"] == -i64::from(FLOWS),
        "{check}"
    );
    println!("{check}");
    Ok(())
}

/// The balance of entries in a record of checks.
fn balance(record: &serde_json::Value) -> Option<&serde_json::Value> {
    let checks = record["checks"].as_array()?;
    checks
        .iter()
        .find(|check| check["name"] == "entries_balance")
}
