//! The laws of conservation: obeyed whatever happens, and broken at once by a fault.

use std::fs;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use crate::{
    ctpulse::Stream,
    kernel::{flush, settle},
    traffic::UdpFlows,
};

/// eBPF programs of which one does not see what is taken out of the table.
const UNSEEN_REMOVALS: &str = "/lib/ctpulse/unseen-removals.o";

/// The function that is probed where the one that removes cannot be.
const ALTERNATIVE: &str = "nf_ct_delete";

/// Whether the kernel's kprobes are armed: for all, at once.
const KPROBES_ENABLED: &str = "/sys/kernel/debug/kprobes/enabled";

const FLOWS: u32 = 5_000;

/// By fentry and by kprobe: flows that come and go, with a table that is full at the start, obey every law all the time, and all
/// counters that no column counts are verified by them.
pub(super) fn obeyed() -> Result<()> {
    UdpFlows::new()?.send(FLOWS)?;
    for args in [
        &["--probes", "all"][..],
        &["--probes", "all", "--no-fentry"],
    ] {
        let mut stream = Stream::start(args)?;
        for _ in 0..3 {
            UdpFlows::new()?.send(FLOWS)?;
            stream.samples(2)?;
            flush()?;
            settle()?;
            stream.samples(2)?;
        }
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        for name in [
            "flows_balance",
            "list_balance",
            "unconfirmed_balance",
            "packets_balance",
            "frees_balance",
            "new",
            "inserted",
            "deleted",
            "delete_list",
        ] {
            let check = ended.check(name)?;
            ensure!(
                ["exact", "within_bracket"]
                    .iter()
                    .any(|verdict| check["verdict"] == *verdict),
                "{check}"
            );
        }
    }
    Ok(())
}

/// As where the compiler has inlined the calls: the probe is attached, and its function is not called.
pub(super) fn unseen_removals() -> Result<()> {
    let without = format!("--without-function={ALTERNATIVE}");
    let mut stream = Stream::start(&["--object", UNSEEN_REMOVALS, &without])?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    broken(&mut stream, "list_balance")?;
    let wrong = stream.wait_for_sample("a sample that says so", |sample| {
        sample["wrong"]["delete_list"].is_string()
    })?;
    ensure!(
        wrong["wrong"]
            .as_object()
            .is_some_and(|wrong| wrong.len() == 1),
        "others are in doubt: {}",
        wrong["wrong"]
    );
    let ended = stream.stop()?;
    for name in ["flows_balance", "frees_balance", "entries_balance"] {
        let check = ended.check(name)?;
        ensure!(check["verdict"] != "mismatch", "{check}");
    }
    Ok(())
}

/// The same where another function can be probed instead: it is, and counts what comes from then on; the total of the run stays
/// in doubt.
pub(super) fn alternative() -> Result<()> {
    let mut stream = Stream::start(&["--object", UNSEEN_REMOVALS])?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    broken(&mut stream, "list_balance")?;
    // Attaching the others takes a while, in which those that are attached count.
    UdpFlows::new()?.send(FLOWS)?;
    let hello = stream.wait_for("another function", |record| {
        let mut functions = record["probes"]["functions"]
            .as_array()
            .into_iter()
            .flatten();
        functions.any(|function| function["function"] == ALTERNATIVE)
    })?;
    let mut functions = hello["probes"]["functions"]
        .as_array()
        .into_iter()
        .flatten();
    let reason = functions
        .find(|function| function["function"] == ALTERNATIVE)
        .and_then(|function| function["reason"].as_str());
    ensure!(
        reason.is_some_and(|reason| reason.contains("broke list_balance")),
        "{reason:?}"
    );
    stream.samples(2)?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    let right = stream.wait_for_sample("what is removed", |sample| {
        sample["counters"]["delete_list"].as_u64() > Some(0)
    })?;
    ensure!(
        right["wrong"].as_object().is_none_or(Map::is_empty),
        "{right}"
    );
    let ended = stream.stop()?;
    // The second and the third flows are flushed together.
    let counted = ended.probe("delete_list")?;
    ensure!(counted == 2 * u64::from(FLOWS), "delete_list: {counted}");
    let (new, made) = (ended.probe("new")?, 3 * u64::from(FLOWS));
    println!("{new} of {made} flows were counted");
    ensure!(new <= made && made - new < u64::from(FLOWS) / 10, "{new}");
    let last = ended.of("crosscheck").last().context("crosscheck")?;
    let mut checks = last["checks"].as_array().into_iter().flatten();
    ensure!(checks.all(|check| check["verdict"] != "mismatch"), "{last}");
    let check = ended.check("delete_list")?;
    ensure!(check["verdict"] == "mismatch", "{check}");
    Ok(())
}

/// Somebody disarms all kprobes of the kernel.
pub(super) fn lost_probes() -> Result<()> {
    let mut stream = Stream::start(&["--no-fentry"])?;
    UdpFlows::new()?.send(FLOWS)?;
    stream.wait_for_sample("the flows", |sample| sample["counters"]["new"] == FLOWS)?;
    arm(false)?;
    flush()?;
    let caught = settle().and_then(|()| broken(&mut stream, "entries_balance"));
    arm(true)?;
    caught?;
    stream.stop()?;
    Ok(())
}

fn arm(armed: bool) -> Result<()> {
    fs::write(KPROBES_ENABLED, if armed { "1" } else { "0" }).context(KPROBES_ENABLED)
}

/// Waits for a check to fail.
fn broken(stream: &mut Stream, name: &str) -> Result<Value> {
    let is_broken = |record: &Value| {
        let mut checks = record["checks"].as_array().into_iter().flatten();
        checks.any(|check| check["name"] == *name && check["verdict"] == "mismatch")
    };
    let found = stream.wait_for(name, is_broken)?;
    println!("{name} was broken at {}", found["time"]);
    Ok(found)
}
