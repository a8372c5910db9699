//! CPUs that come and go.

use anyhow::{Context, Result, ensure};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::proof::{ALL, prove};
use crate::{
    ctpulse::Stream,
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

/// Flows are counted for the CPU that made them.
pub(super) fn told_apart() -> Result<()> {
    tracking()?;
    let mut stream = Stream::start(&["--per-cpu"])?;
    let anywhere = sched_getaffinity(None)?;
    let mut only = CpuSet::new();
    only.set(CPU as usize);
    sched_setaffinity(None, &only)?;
    let sent = UdpFlows::new().and_then(|mut flows| flows.send(FLOWS));
    sched_setaffinity(None, &anywhere)?;
    sent?;
    stream.wait_for("a sample with all of them", |record| {
        record["counters"]["new"] == FLOWS
    })?;
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
