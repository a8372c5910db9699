//! Two packets that start the same flow at the same time.

use anyhow::{Result, ensure};

use super::proof::{ALL, FLOW, Proof, about, prove};
use crate::{
    drive::{faulty, nat, race},
    kernel::tracking,
    traffic::Offered,
};

const ROUNDS: u32 = 2_000;
/// The most repetitions of the rounds until two packets race.
const ATTEMPTS: u32 = 10;

/// Races until the kernel has counted at least one in `met`, and returns the last experiment.
fn race_until(
    met: &str,
    group: &[&str],
    race: impl Fn() -> Result<Offered>,
) -> Result<Proof<Offered>> {
    for attempt in 1..=ATTEMPTS {
        let proof = prove(group, &race)?;
        let times = proof.kernel(met);
        if times > 0 {
            println!("{met}: {times} of {ROUNDS} races, at attempt {attempt}");
            return Ok(proof);
        }
        tracking()?;
    }
    anyhow::bail!("{met}: never in {} races", ROUNDS * ATTEMPTS)
}

/// UDP: the slower packet joins the faster one's flow.
pub(super) fn joined() -> Result<()> {
    let proof = race_until("clash_resolve", FLOW, || race::udp([127, 2], ROUNDS))?;
    ensure!(proof.driven.refused == 0, "{:?}", proof.driven);
    let clashes = proof.kernel("clash_resolve");
    proof
        .moves_only(&["clash_resolve"])?
        .agrees("clash_resolve")?
        .events("clash", clashes, about("udp", "127.2."))?
        .probed("inserted", ROUNDS.into())?
        .probed("new", u64::from(ROUNDS) + clashes)?
        .probed("deleted", clashes)?
        .balanced()?;
    Ok(())
}

/// UDP behind NAT, which has given each another port: the slower one keeps a flow for its replies.
pub(super) fn kept_for_replies() -> Result<()> {
    let proof = race_until("clash_resolve", FLOW, || {
        nat::rules()?;
        race::udp([127, 4], ROUNDS)
    })?;
    ensure!(proof.driven.refused == 0, "{:?}", proof.driven);
    let clashes = proof.kernel("clash_resolve");
    proof
        .agrees("clash_resolve")?
        .events("clash", clashes, about("udp", "127.4."))?
        .probed("inserted", ROUNDS.into())?
        .probed("new", u64::from(ROUNDS) + clashes)?
        .balanced()?;
    Ok(())
}

/// TCP: the slower packet is dropped.
pub(super) fn lost() -> Result<()> {
    let proof = race_until("insert_failed", ALL, || {
        faulty::silence()?;
        race::tcp([127, 5], ROUNDS)
    })?;
    let refused = proof.driven.refused;
    proof
        .moves_only(&["insert_failed", "drop"])?
        .counted("insert_failed", refused)?
        .counted("drop", refused)?
        .events("insert_failed", refused, about("tcp", "127.5."))?
        .counted("chaintoolong", 0)?
        .probed("inserted", ROUNDS.into())?
        .balanced()?;
    Ok(())
}
