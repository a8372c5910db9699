//! A full table: evictions and rejections.

use anyhow::{Result, bail, ensure};
use serde_json::Value;

use super::proof::{ALL, FLOW, Proof, about, prove};
use crate::{
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple},
        ipv6, nat,
        packet::protocol,
        tcp::Connections,
    },
    kernel::{FEWEST_BUCKETS, table_buckets, table_max, tracking},
    traffic::{Offered, UdpFlows},
};

const ASSURED: u32 = 100;
const REFUSED: u32 = 500;

/// Assured flows are not evicted: every further packet is dropped.
pub(super) fn refuses() -> Result<()> {
    refused_by(ALL)
}

/// The same, with these arguments.
pub(super) fn refused_by(args: &[&str]) -> Result<()> {
    tracking()?;
    table_max(ASSURED)?;
    let _assured = Connections::establish(ASSURED as usize)?;
    let mut flows = UdpFlows::new()?;
    let proof = prove(args, || flows.offer(REFUSED))?;
    let refused = u64::from(REFUSED);
    ensure!(proof.driven.refused == refused, "{:?}", proof.driven);
    proof
        .moves_only(&["drop"])?
        .counted("drop", refused)?
        .probed("table_full", refused)?
        .events("table_full", refused, about("udp", "127.1."))?
        .probed("new", 0)?
        .balanced()?;
    Ok(())
}

/// ctnetlink is rejected as well, but that drops no packet.
pub(super) fn refuses_ctnetlink() -> Result<()> {
    const REQUESTS: u16 = 50;
    table_max(ASSURED)?;
    let _assured = Connections::establish(ASSURED as usize)?;
    let ctnetlink = Ctnetlink::open()?;
    let proof = prove(ALL, || {
        for port in 1..=REQUESTS {
            let answer = ctnetlink.insert(&Flow::of(Tuple {
                protocol: protocol::UDP,
                from: ([127, 9, 0, 1].into(), port),
                to: ([127, 9, 0, 2].into(), 53),
            }))?;
            ensure!(answer.is_err(), "there was room");
        }
        Ok(())
    })?;
    proof
        .moves_only(&[])?
        .probed("table_full", REQUESTS.into())?
        .events("table_full", REQUESTS.into(), about("udp", "127.9."))?
        .counted("drop", 0)?
        .counted("insert", 0)?
        .balanced()?;
    Ok(())
}

/// Flows that are offered to a table that evicts others for them.
pub(super) const FLOWS: u32 = 20_000;

/// Flows without a reply make room for new ones.
pub(super) fn evicts() -> Result<()> {
    let offer = || UdpFlows::new()?.offer(FLOWS);
    let proof = evicted_by(FLOW, offer, "127.1.", &[])?;
    let translated = |event: &&Value| event.get("translated").is_some();
    let odd = proof.reported("early_drop").find(translated);
    ensure!(odd.is_none(), "{odd:?}");
    Ok(())
}

/// Where NAT has changed their destination, the real one is known.
pub(super) fn evicts_translated() -> Result<()> {
    let offer = || nat::one_service(FLOWS);
    // They need ports of their own then.
    let proof = evicted_by(FLOW, offer, "127.7.", &["found"])?;
    let service = nat::SERVICE.to_string();
    let as_it_was = |event: &&Value| event["translated"]["dst"] != service;
    let odd = proof.reported("early_drop").find(as_it_was);
    ensure!(odd.is_none(), "{odd:?}");
    Ok(())
}

/// The same for IPv6.
pub(super) fn evicts_ipv6() -> Result<()> {
    ipv6::accept()?;
    evicted_by(FLOW, || ipv6::udp(FLOWS), "fd00:c7:", &[]).map(drop)
}

/// With few buckets the kernel always finds a flow to evict near the new one's. `besides` are other columns that move.
pub(super) fn evicted_by(
    args: &[&str],
    offer: impl Fn() -> Result<Offered>,
    to: &str,
    besides: &[&str],
) -> Result<Proof<Offered>> {
    const ROOM: u32 = 1_000;
    let proof = without_gc(|| {
        tracking()?;
        table_buckets(FEWEST_BUCKETS)?;
        table_max(ROOM)?;
        let proof = prove(args, &offer)?;
        let gone = u64::from(FLOWS) - proof.kernel("entries");
        Ok((gone == proof.kernel("early_drop")).then_some(proof))
    })?;
    let left = proof.kernel("entries");
    ensure!(proof.driven.refused == 0, "{:?}", proof.driven);
    ensure!(left <= u64::from(ROOM), "{left} entries are left");
    let evicted = u64::from(FLOWS) - left;
    proof
        .moves_only(&[&["early_drop"], besides].concat())?
        .counted("early_drop", evicted)?
        .events("early_drop", evicted, |event| {
            about("udp", to)(event)
                && event["by"]["proto"] == "udp"
                && event["by"] != event["tuple"]
        })?
        .probed("table_full", 0)?
        .probed("new", FLOWS.into())?
        .probed("delete_list", evicted)?
        .balanced()?;
    Ok(proof)
}

/// Repeats an experiment with evictions until the kernel's garbage collection has not interfered (`None`: it has). After a
/// rejection, the next collection removes further entries from a table that is nearly full (`conntrack_gc_work.early_drop`), and
/// does not count them. It does so once, up to a minute later.
pub(super) fn without_gc<T>(mut experiment: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    const ATTEMPTS: usize = 3;
    for attempt in 1..=ATTEMPTS {
        if let Some(outcome) = experiment()? {
            return Ok(outcome);
        }
        println!("attempt {attempt}: the kernel collected garbage meanwhile");
    }
    bail!("fewer entries were evicted than are gone, in each of {ATTEMPTS} attempts")
}
