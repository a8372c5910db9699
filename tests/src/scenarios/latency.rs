//! The time spent in the kernel's functions. The durations themselves are not known; only the number of measured calls, and
//! relations that hold for any durations.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::proof::{Proof, prove};
use crate::{
    ctpulse::Stream,
    drive::tcp::Connections,
    kernel::{FEWEST_BUCKETS, has_function, table_buckets, table_max},
    traffic::UdpFlows,
};

const LATENCY: &[&str] = &["--probes", "flow", "--latency", "--event-rate", "100000"];

/// Each new flow is confirmed once, and none is evicted while there is room.
pub(super) fn of_new_flows() -> Result<()> {
    const FLOWS: u32 = 2_000;
    let mut flows = UdpFlows::new()?;
    let started = Instant::now();
    let proof = prove(LATENCY, || flows.send(FLOWS))?;
    let longest = started.elapsed();
    proof.probed("inserted", FLOWS.into())?.balanced()?;
    let latency = latency(&proof)?;
    measured(&latency["confirm"], FLOWS.into(), longest)?;
    ensure!(
        latency["early_drop"]["count"] == 0 && latency["early_drop"]["max_us"].is_null(),
        "{latency}"
    );
    Ok(())
}

/// A call of `early_drop` can evict several flows, all for the same new one.
pub(super) fn of_evictions() -> Result<()> {
    const ROOM: u32 = 1_000;
    const FLOWS: u32 = 3_000;
    table_buckets(FEWEST_BUCKETS)?;
    table_max(ROOM)?;
    let mut flows = UdpFlows::new()?;
    let started = Instant::now();
    let proof = prove(LATENCY, || flows.send(FLOWS))?;
    let longest = started.elapsed();
    let evicted = proof.kernel("early_drop");
    proof
        .moves_only(&["early_drop"])?
        .counted("early_drop", evicted)?
        .probed("table_full", 0)?;
    let events = proof.ended.of("event");
    let mut reported = 0;
    let mut calls = BTreeSet::new();
    for event in events.filter(|event| event["kind"] == "early_drop") {
        reported += 1;
        ensure!(event["by"]["proto"] == "udp", "{event}");
        calls.insert(event["by"].to_string());
    }
    ensure!(
        reported == evicted,
        "{reported} of {evicted} evictions reported"
    );
    let latency = latency(&proof)?;
    measured(&latency["early_drop"], calls.len() as u64, longest)?;
    measured(&latency["confirm"], FLOWS.into(), longest)
}

/// Calls that evict nothing are measured too, and rejected flows are never confirmed.
pub(super) fn of_refusals() -> Result<()> {
    const ASSURED: u32 = 100;
    const REFUSED: u32 = 500;
    table_max(ASSURED)?;
    let _assured = Connections::establish(ASSURED as usize)?;
    let mut flows = UdpFlows::new()?;
    let started = Instant::now();
    let proof = prove(LATENCY, || flows.offer(REFUSED))?;
    let longest = started.elapsed();
    proof.probed("table_full", REFUSED.into())?;
    let latency = latency(&proof)?;
    measured(&latency["early_drop"], REFUSED.into(), longest)?;
    ensure!(latency["confirm"]["count"] == 0, "{latency}");
    Ok(())
}

/// Latency that cannot be measured is unavailable, with the reason.
pub(super) fn unavailable() -> Result<()> {
    let destroy = if has_function("nf_ct_destroy")? {
        "nf_ct_destroy"
    } else {
        // Up to 5.14.
        "destroy_conntrack"
    };
    let stream = Stream::start(&[
        "--latency",
        "--lifetimes",
        "--without-function",
        "__nf_conntrack_confirm",
        "--without-function",
        destroy,
    ])?;
    UdpFlows::new()?.send(100)?;
    let ended = stream.stop()?;
    let summary = ended.summary()?;
    for what in [&summary["lifetimes"], &summary["latency"]["confirm"]] {
        // One reason for both functions, which hello names.
        let reason = what["reason"].as_str().unwrap_or_default();
        ensure!(
            what["count"].is_null() && reason.contains("has no such function"),
            "{what}"
        );
    }
    let missing = ended.records[0]["probes"]["missing"].to_string();
    ensure!(
        missing.contains(destroy) && missing.contains("__nf_conntrack_confirm"),
        "{missing}"
    );
    let early_drop = &summary["latency"]["early_drop"];
    ensure!(early_drop["count"] == 0, "{early_drop}");
    Ok(())
}

fn latency<T>(proof: &Proof<T>) -> Result<Value> {
    let latency = proof.ended.summary()?["latency"].clone();
    println!("{latency}");
    Ok(latency)
}

/// Requires that this many calls were measured, and that each took some time, but no longer than all of them.
fn measured(times: &Value, calls: u64, longest: Duration) -> Result<()> {
    ensure!(times["count"] == calls, "{times}, not {calls}");
    let mut before = 0.0;
    for name in ["p50_us", "p90_us", "p99_us", "p999_us", "max_us"] {
        let time = times[name].as_f64().context("a time")?;
        ensure!(time > 0.0 && time >= before, "{times}");
        before = time;
    }
    ensure!(
        before < longest.as_secs_f64() * 1e6,
        "{times}, all in {longest:?}"
    );
    Ok(())
}
