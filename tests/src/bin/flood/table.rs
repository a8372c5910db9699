//! The kernel's conntrack table: sized for a round's flows, and emptied after it.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use ctpulse_tests::kernel::{flush, sysctl, tracking};

use crate::process::wait_until;

/// Enables tracking, with room for twice a round's flows and an average chain length of one: a flow is in the table twice, once
/// per direction.
pub(crate) fn prepare(flows: u32) -> Result<()> {
    tracking()?;
    sysctl("net/netfilter/nf_conntrack_max", flows * 2)?;
    sysctl(
        "net/netfilter/nf_conntrack_buckets",
        (flows * 2).next_power_of_two(),
    )?;
    empty().map(drop)
}

/// Requires that all flows of a round are in the table: a rejected flow would make the round cheaper.
pub(crate) fn holds(flows: u32) -> Result<()> {
    let entries = entries()?;
    ensure!(
        entries == flows,
        "{flows} flows were made, and {entries} are in the table"
    );
    Ok(())
}

/// Empties the table, and waits until the kernel has freed every entry. Returns the time of the removal.
pub(crate) fn empty() -> Result<Duration> {
    let start = Instant::now();
    flush()?;
    let elapsed = start.elapsed();
    wait_until("the table is empty", || Ok(entries()? == 0))?;
    Ok(elapsed)
}

pub(crate) fn entries() -> Result<u32> {
    const PATH: &str = "/proc/sys/net/netfilter/nf_conntrack_count";
    let text = fs::read_to_string(PATH).with_context(|| format!("read {PATH}"))?;
    text.trim()
        .parse()
        .with_context(|| format!("{PATH} is {text:?}"))
}
