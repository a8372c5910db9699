//! How probes are attached: by fentry where the kernel has the types of nf_conntrack's functions, else by kprobes.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    full,
    proof::{ALL, prove},
};
use crate::{
    ctpulse::{Stream, best_mode},
    kernel::{flush, functions_with_a_hash, settle, tracking},
    traffic::UdpFlows,
};

const FLOWS: u32 = 5_000;

/// Every probe is attached the best way, and on request by kprobes; both count the same. Functions with ThinLTO's hash may be the
/// exception: that depends on the kernel's types, and on whether the kernel ignores the hash.
pub(super) fn best_way() -> Result<()> {
    let excepted = functions_with_a_hash()?;
    let ways: [(&[&str], _); 2] = [
        (&["--probes", "all"], best_mode()?),
        (&["--probes", "all", "--no-fentry"], "kprobe"),
    ];
    for (args, mode) in ways {
        tracking()?;
        let stream = Stream::start(args)?;
        let probes = &stream.hello()?["probes"];
        ensure!(probes["mode"] == mode, "{probes}");
        ensure!(by_kprobe(probes).is_subset(&excepted), "{probes}");
        let functions = probes["functions"].as_array().context("functions")?;
        ensure!(
            functions.len() == probes["attached"].as_array().map_or(0, Vec::len),
            "{probes}"
        );
        for function in functions {
            let name = function["function"].as_str().context("function")?;
            let by = match by_kprobe(probes).contains(name) {
                true => "kprobe",
                false => mode,
            };
            let has_reason = !function["reason"].is_null();
            ensure!(
                function["by"] == by && has_reason == (by == "kprobe"),
                "{function}"
            );
        }
        ensure!(
            probes["missing"].as_array().is_some_and(Vec::is_empty),
            "{probes}"
        );
        UdpFlows::new()?.send(FLOWS)?;
        flush()?;
        settle()?;
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        for counter in ["new", "inserted", "delete_list"] {
            let counted = ended.probe(counter)?;
            ensure!(counted == u64::from(FLOWS), "{mode}: {counter}: {counted}");
        }
    }
    Ok(())
}

/// The functions that are probed by kprobe while others are by fentry.
fn by_kprobe(probes: &Value) -> BTreeSet<String> {
    let names = probes["by_kprobe"].as_array().into_iter().flatten();
    names
        .filter_map(|name| Some(name.as_str()?.to_owned()))
        .collect()
}

/// An entry context that one kind of probe saves is found by the other: calls are identified by their stacks.
pub(super) fn mixed() -> Result<()> {
    const CALLS: [&str; 4] = [
        "__nf_conntrack_alloc",
        "early_drop",
        "__nf_ct_delete_from_lists",
        "__nf_conntrack_confirm",
    ];
    if best_mode()? != "fentry" {
        println!("probes are attached by kprobe: there is no fentry to go with");
        return Ok(());
    }
    for function in CALLS {
        let without = format!("--no-fentry={function}");
        let args = [ALL, &[&without]].concat();
        let offer = || UdpFlows::new()?.offer(full::FLOWS);
        full::evicted_by(&args, offer, "127.1.", &[])?;
        // Rejections are counted at the return of early_drop, with the context saved at the entry of alloc.
        full::refused_by(&args)?;
        let proof = prove(&args, || Ok(()))?;
        let probes = &proof.ended.records[0]["probes"];
        let mut others = by_kprobe(probes);
        ensure!(others.remove(function), "{probes}");
        ensure!(others.is_subset(&functions_with_a_hash()?), "{probes}");
    }
    Ok(())
}
