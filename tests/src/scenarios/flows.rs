//! Counters of the flow group, each compared with the kernel's.

use anyhow::{Result, ensure};

use crate::{
    ctpulse::Stream,
    drive::{
        ctnetlink::{Ctnetlink, Flow, Tuple},
        packet::protocol,
        race,
    },
    kernel::{flush, gained, has_function, proc_columns, settle, table_max, tracking},
    traffic::UdpFlows,
};

/// Enough flows that every CPU takes part and many chains are filled.
const FLOWS: u32 = 50_000;

/// Columns that the packet path no longer counts.
const DEAD: [&str; 3] = ["new", "insert", "delete"];

pub(super) fn made_and_flushed() -> Result<()> {
    let before = proc_columns()?;
    let stream = Stream::start(&["--interval", "100ms"])?;
    UdpFlows::new()?.send(FLOWS)?;
    flush()?;
    settle()?;
    let columns = gained(&before, &proc_columns()?)?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;

    for counter in ["new", "inserted", "deleted", "delete_list", "alloc", "free"] {
        let counted = ended.probe(counter)?;
        ensure!(
            counted == u64::from(FLOWS),
            "{counter}: {counted} instead of {FLOWS}"
        );
    }
    let balance = ended.check("entries_balance")?;
    ensure!(
        balance["residual"] == 0 && balance["verdict"] == "exact",
        "{balance}"
    );
    for column in DEAD {
        ensure!(
            columns[column] == 0,
            "the kernel counts {column}: {}",
            columns[column]
        );
    }
    for (chart, dimension) in [
        ("netfilter.conntrack_new", "new"),
        ("netfilter.conntrack_changes", "inserted"),
        ("netfilter.conntrack_changes", "deleted"),
    ] {
        let total: f64 = ended
            .of("sample")
            .filter_map(|s| {
                Some(s["charts"][chart][dimension].as_f64()? * s["interval_s"].as_f64()?)
            })
            .sum();
        ensure!(
            (total - f64::from(FLOWS)).abs() < 0.5,
            "the rates of {dimension} add up to {total} instead of {FLOWS}"
        );
    }
    Ok(())
}

/// On kernels that inline `__nf_ct_delete_from_lists`, `nf_ct_delete` is probed instead.
pub(super) fn substitute() -> Result<()> {
    let stream = Stream::start(&[
        "--without-function",
        "__nf_ct_delete_from_lists",
        "--without-function",
        "nf_ct_delete_from_lists",
    ])?;
    if has_function("nf_ct_delete.part.0")? {
        // 5.10: removals pass that part, so counts of the whole would be wrong.
        let missing = stream.hello()?["probes"]["missing"].to_string();
        ensure!(
            missing.contains("nf_ct_delete.part.0"),
            "missing: {missing}"
        );
        stream.stop()?;
        return Ok(());
    }
    let attached = stream.hello()?["probes"]["attached"].to_string();
    ensure!(
        attached.contains("\"nf_ct_delete\""),
        "attached: {attached}"
    );
    ensure!(
        !attached.contains("__nf_ct_delete_from_lists"),
        "attached: {attached}"
    );
    UdpFlows::new()?.send(2_000)?;
    flush()?;
    settle()?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    let counted = ended.probe("delete_list")?;
    ensure!(counted == 2_000, "delete_list: {counted}");
    Ok(())
}

/// On kernels that inline `__nf_conntrack_hash_insert`, its callers are probed instead, by fentry or by kprobes: what they insert is
/// all that is inserted, whatever else packets and ctnetlink try meanwhile.
pub(super) fn insertions() -> Result<()> {
    const BY_CTNETLINK: u16 = 500;
    const WITHOUT: [&str; 3] = [
        "--without-function=__nf_conntrack_hash_insert",
        "--probes",
        "all",
    ];
    for more in [&[][..], &["--no-fentry"]] {
        tracking()?;
        let stream = Stream::start(&[&WITHOUT, more].concat())?;
        let probes = stream.hello()?["probes"].clone();
        ensure!(
            probes["missing"].as_array().is_some_and(Vec::is_empty)
                && !probes["attached"].to_string().contains("hash_insert\""),
            "{probes}"
        );
        UdpFlows::new()?.send(2_000)?;
        // Twice, so that half of them are there already.
        let ctnetlink = Ctnetlink::open()?;
        for port in (1..=BY_CTNETLINK).chain(1..=BY_CTNETLINK) {
            let _ = ctnetlink.insert(&Flow::of(Tuple {
                protocol: protocol::UDP,
                from: ([127, 9, 0, 1].into(), port),
                to: ([127, 9, 0, 2].into(), 53),
            }))?;
        }
        settle()?;
        let entries = 2_000 + u64::from(BY_CTNETLINK);
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        let inserted = ended.probe("inserted")?;
        ensure!(inserted == entries, "inserted: {inserted}");

        // Packets of one flow race each other to be inserted: the laws tell whether what is counted is right.
        let stream = Stream::start(&[&WITHOUT, more].concat())?;
        race::udp([127, 2], 3_000)?;
        flush()?;
        settle()?;
        let ended = stream.stop()?;
        ended.no_mismatch()?;
        let check = ended.check("inserted")?;
        ensure!(
            check["verdict"] == "exact" || check["verdict"] == "within_bracket",
            "{check}"
        );
        println!("in a race: {}", ended.probe("inserted")?);
    }
    Ok(())
}

pub(super) fn alert() -> Result<()> {
    // Above 95 % the kernel's garbage collection evicts flows, too (`gc_worker`), unless the maximum is below 100.
    table_max(99)?;
    UdpFlows::new()?.send(92)?;
    let mut stream = Stream::start(&[])?;
    let alert = stream.wait_for("an alert", |record| record["type"] == "alert")?;
    let change = |alert: &serde_json::Value| {
        format!(
            "{} {} from {}",
            alert["name"], alert["status"], alert["previous"]
        )
    };
    ensure!(
        change(&alert) == "\"netfilter_conntrack_full\" \"WARNING\" from \"CLEAR\"",
        "{alert}"
    );
    UdpFlows::new()?.send(4)?;
    let alert = stream.wait_for("a second alert", |record| record["type"] == "alert")?;
    ensure!(
        change(&alert) == "\"netfilter_conntrack_full\" \"CRITICAL\" from \"WARNING\"",
        "{alert}"
    );
    stream.stop()?;
    Ok(())
}
