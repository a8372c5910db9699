//! CPUs that go offline and come back.

use anyhow::{Context, Result, ensure};

use super::proof::{ALL, prove};
use crate::{cpus, ctpulse::Stream, drive::race, kernel::flush, traffic::UdpFlows};

const FLOWS: u32 = 3_000;
/// The CPU that goes offline; the first one cannot.
const CPU: usize = 1;

/// The counts of a CPU remain when it goes offline, and it counts again when it is back.
pub(super) fn offline_and_online() -> Result<()> {
    let mut flows = UdpFlows::new()?;
    let proof = prove(ALL, || {
        race::udp([127, 2], FLOWS)?;
        let away = cpus::take_away(CPU)?;
        flows.send(FLOWS)?;
        away.bring_back()?;
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

/// Flows are counted for the CPU that created them.
pub(super) fn counted_apart() -> Result<()> {
    let mut stream = Stream::start(&["--per-cpu"])?;
    let here = cpus::stay_on(CPU)?;
    UdpFlows::new()?.send(FLOWS)?;
    drop(here);
    stream.wait_for_sample("all of them", |sample| sample["counters"]["new"] == FLOWS)?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    let last = ended.of("sample").last().context("no sample")?;
    let per_cpu = &last["per_cpu"];
    let position = per_cpu["cpus"]
        .as_array()
        .context("no ids")?
        .iter()
        .position(|id| *id == CPU)
        .context("the CPU is not in the list")?;
    for counter in ["new", "inserted"] {
        let totals = per_cpu["totals"][counter].as_array().context("totals")?;
        for (at, total) in totals.iter().enumerate() {
            let expected = if at == position { FLOWS } else { 0 };
            ensure!(*total == expected, "{counter}: {per_cpu}");
        }
    }
    let skewed = ended.of("sample").filter_map(|sample| {
        let skew = &sample["per_cpu"]["skew"]["new"];
        Some((skew["busiest"].as_u64()?, skew["share"].as_f64()?))
    });
    for (busiest, share) in skewed {
        ensure!(
            busiest == position as u64 && share > 99.999,
            "CPU at {busiest} has {share} %"
        );
    }
    Ok(())
}
