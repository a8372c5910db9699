//! CPUs that come and go.

use anyhow::{Result, ensure};

use super::proof::{ALL, prove};
use crate::{
    drive::race,
    kernel::{cpu_online, flush, tracking},
    traffic::UdpFlows,
};

const FLOWS: u32 = 3_000;
/// The one that goes; the first cannot.
const CPU: u32 = 1;

/// What a CPU counted stays counted when it goes, and goes on when it is back.
pub(super) fn offline_and_online() -> Result<()> {
    tracking()?;
    let mut flows = UdpFlows::new()?;
    let proof = prove(ALL, || {
        race::udp([127, 2], FLOWS)?;
        cpu_online(CPU, false)?;
        let result = flows.send(FLOWS);
        cpu_online(CPU, true)?;
        result?;
        race::udp([127, 6], FLOWS)?;
        flush()
    })?;
    let missed = &proof.ended.summary()?["missed"];
    ensure!(missed.is_null() || *missed == 0, "missed: {missed}");
    let clashes = proof.kernel("clash_resolve");
    proof
        .agrees("clash_resolve")?
        .counted("drop", 0)?
        .probed("inserted", 3 * u64::from(FLOWS))?
        .probed("new", 3 * u64::from(FLOWS) + clashes)?
        .probed("deleted", 3 * u64::from(FLOWS) + clashes)?
        .balanced()?;
    Ok(())
}
