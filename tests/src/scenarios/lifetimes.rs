//! Lifetimes of connections.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::netns::{OTHER, flows_in, with_another};
use crate::{
    ctpulse::Stream,
    kernel::{flush, run_in, settle},
    traffic::UdpFlows,
};

/// Flows that are in the table before ctpulse starts.
const BEFORE: u32 = 100;
const FLOWS: u32 = 1_000;

/// Flows that are flushed some time after their creation lived for about that time.
pub(super) fn of_the_flows() -> Result<()> {
    let mut flows = UdpFlows::new()?;
    flows.send(BEFORE)?;
    let stream = Stream::start(&["--lifetimes"])?;
    let first = Instant::now();
    flows.send(FLOWS)?;
    let last = first.elapsed();
    // So that their lifetimes differ little, however slowly they were created.
    thread::sleep(Duration::from_millis(500) + last * 4);
    let least = first.elapsed() - last;
    flush()?;
    let most = first.elapsed();
    settle()?;
    let ended = stream.stop()?;
    let lifetimes = &ended.summary()?["lifetimes"];
    println!("between {least:?} and {most:?}: {lifetimes}");
    ensure!(lifetimes["count"] == FLOWS, "{lifetimes}");
    ensure!(lifetimes["unknown"] == BEFORE, "{lifetimes}");
    let deleted = ended.probe("deleted")?;
    ensure!(deleted == u64::from(FLOWS + BEFORE), "deleted: {deleted}");
    for name in ["p50_s", "p90_s", "p99_s", "p999_s", "max_s"] {
        let shown = lifetimes[name].as_f64().context("a time")?;
        // Known within 1 %.
        let range = least.as_secs_f64() * 0.99..=most.as_secs_f64() * 1.01;
        ensure!(
            range.contains(&shown),
            "{name} is {shown}, not in {range:?}"
        );
    }
    Ok(())
}

/// Each namespace has its own lifetimes and latencies.
pub(super) fn of_each_namespace() -> Result<()> {
    const HERE: u32 = 300;
    const THERE: u32 = 500;
    with_another(|| {
        let stream = Stream::start(&["--netns", "all", "--lifetimes", "--latency"])?;
        flows_in(OTHER, THERE)?;
        UdpFlows::new()?.send(HERE)?;
        flush()?;
        run_in(OTHER, &["conntrack", "-F"])?;
        settle()?;
        let ended = stream.stop()?;
        for (name, flows) in [("self", HERE), (OTHER, THERE)] {
            let instance = ended.instance(name)?;
            let (lifetimes, confirm) = (&instance["lifetimes"], &instance["latency"]["confirm"]);
            println!("{name}: {lifetimes} {confirm}");
            ensure!(lifetimes["count"] == flows, "{name}: {lifetimes}");
            ensure!(lifetimes["unknown"] == 0, "{name}: {lifetimes}");
            ensure!(confirm["count"] == flows, "{name}: {confirm}");
        }
        Ok(())
    })
}
