//! nf_conntrack as a module that is loaded and unloaded.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    ctpulse::{PATIENCE, Stream, best_mode},
    kernel::{flush, run, settle, tracking},
    traffic::UdpFlows,
};

const FLOWS: u32 = 1_000;

pub(super) fn comes_and_goes() -> Result<()> {
    unload()?;
    // By fentry, the programs would keep the module.
    let mut stream = Stream::start(&["--lifetimes", "--latency", "--no-fentry"])?;
    stream.wait_for_sample("sample without a table", |sample| {
        sample["entries"].is_null()
    })?;
    for _ in 0..2 {
        tracking()?;
        stream.wait_for("probes", |record| {
            record["type"] == "hello" && record["probes"]["mode"] == "kprobe"
        })?;
        UdpFlows::new()?.send(FLOWS)?;
        flush()?;
        settle()?;
        unload()?;
        stream.wait_for("the loss of the probes", |record| {
            record["type"] == "hello" && record["probes"]["mode"] == "off"
        })?;
    }
    tracking()?;
    stream.wait_for("probes", |record| {
        record["type"] == "hello" && record["probes"]["mode"] == "kprobe"
    })?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    for counter in ["new", "inserted", "deleted"] {
        let counted = ended.probe(counter)?;
        ensure!(counted == u64::from(2 * FLOWS), "{counter}: {counted}");
    }
    let summary = ended.summary()?;
    for times in [&summary["lifetimes"], &summary["latency"]["confirm"]] {
        ensure!(times["count"] == 2 * FLOWS, "{times}");
    }
    ensure!(
        ended.stderr.contains("waiting for nf_conntrack"),
        "stderr: {}",
        ended.stderr
    );
    Ok(())
}

/// Programs that are attached by fentry keep the module loaded until they are gone.
pub(super) fn kept_by_fentry() -> Result<()> {
    if best_mode()? != "fentry" {
        println!("probes are attached by kprobe: nothing would keep the module");
        return Ok(());
    }
    unload()?;
    for _ in 0..2 {
        let mut stream = Stream::start(&[])?;
        tracking()?;
        stream.wait_for("probes", |record| {
            record["type"] == "hello" && record["probes"]["mode"] == "fentry"
        })?;
        UdpFlows::new()?.send(FLOWS)?;
        flush()?;
        run(&["nft", "flush", "ruleset"])?;
        settle()?;
        remove_users()?;
        ensure!(
            run(&["rmmod", "nf_conntrack"]).is_err(),
            "the module was unloaded under the programs"
        );
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        let counted = ended.probe("deleted")?;
        ensure!(counted == u64::from(FLOWS), "deleted: {counted}");
        unload()?;
    }
    Ok(())
}

/// Unloads the modules that use nf_conntrack, until only something that is no module can keep it.
fn remove_users() -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let modules = fs::read_to_string("/proc/modules").context("read /proc/modules")?;
        let names = users(&modules);
        // Name, size, references, modules that use it.
        let is_it = |line: &&str| line.starts_with("nf_conntrack ");
        let line = modules
            .lines()
            .find(is_it)
            .context("nf_conntrack is not loaded")?;
        if line.split_whitespace().nth(3) == Some("-") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "it is still used: {line}");
        for name in names.into_iter().filter(|name| *name != "nf_conntrack") {
            // Those still in use refuse; they go in a later round.
            let _ = run(&["rmmod", name]);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// Unloads nf_conntrack and all modules that use it.
pub(super) fn unload() -> Result<()> {
    run(&["nft", "flush", "ruleset"])?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let modules = fs::read_to_string("/proc/modules").context("read /proc/modules")?;
        let names = users(&modules);
        if !names.contains(&"nf_conntrack") {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "nf_conntrack cannot be unloaded: {modules}"
        );
        for name in names {
            // Modules still in use cannot be unloaded; they are in a later round. References are released one after another, as
            // entries are freed.
            let _ = run(&["rmmod", name]);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// nf_conntrack, modules that use it, and those that nothing uses.
fn users(modules: &str) -> Vec<&str> {
    let uses = |line: &&str| {
        let mut fields = line.split_whitespace();
        let name = fields.next().unwrap_or_default();
        let used_by = fields.nth(2).unwrap_or_default();
        name == "nf_conntrack"
            || used_by.is_empty()
            || line.contains("nf_")
            || line.contains("nft_")
    };
    modules
        .lines()
        .filter(uses)
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("nf") && !name.starts_with("nfnetlink"))
        .collect()
}
