//! Hash chains longer than the kernel allows.

use anyhow::{Context, Result, bail, ensure};
use rustix::io::Errno;

use super::proof::{ALL, about, prove};
use crate::drive::{
    chain,
    ctnetlink::{Ctnetlink, Flow, Tuple},
    packet::protocol,
};

/// Packets whose flow finds its chain too long are dropped, which the kernel counts as insert_failed and not as drop.
pub(super) fn of_packets() -> Result<()> {
    let proof = prove(ALL, chain::overfill)?;
    let refused = proof.driven.refused;
    ensure!(
        refused > 0,
        "all chains were short enough: {:?}",
        proof.driven
    );
    proof
        .moves_only(&["chaintoolong", "insert_failed"])?
        .counted("chaintoolong", refused)?
        .events("chain_too_long", refused, about("udp", "127.1."))?
        .counted("insert_failed", refused)?
        .counted("drop", 0)?
        .probed("inserted", proof.driven.accepted)?
        .probed("new", proof.driven.accepted + refused)?
        .probed("deleted", refused)?
        .balanced()?;
    Ok(())
}

/// Flows created over ctnetlink, some of which find their chains too long.
pub(super) fn of_ctnetlink() -> Result<()> {
    const REQUESTS: u16 = 2_000;
    chain::overfill()?;
    let ctnetlink = Ctnetlink::open()?;
    let proof = prove(ALL, || {
        let (mut inserted, mut refused) = (0, 0);
        for port in 1..=REQUESTS {
            let flow = Flow::of(Tuple {
                protocol: protocol::UDP,
                from: ([127, 9, 0, 1].into(), port),
                to: ([127, 9, 0, 2].into(), 53),
            });
            match ctnetlink.insert(&flow)? {
                Ok(()) => inserted += 1,
                Err(Errno::NOSPC) => refused += 1,
                Err(other) => bail!("ctnetlink refused a flow: {other}"),
            }
        }
        Ok((inserted, refused))
    })
    .context("with chains overfilled")?;
    let (inserted, refused) = proof.driven;
    ensure!(refused > 0, "all chains were short enough");
    proof
        .counted("chaintoolong", refused)?
        .events("chain_too_long", refused, about("udp", "127.9."))?
        .counted("insert", inserted)?
        .counted("insert_failed", 0)?
        .counted("drop", 0)?
        .balanced()?;
    Ok(())
}
