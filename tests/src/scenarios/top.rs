//! Top talkers, compared with what was sent.

use std::{
    collections::BTreeMap,
    net::{TcpListener, TcpStream},
    process,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{
    netns::{OTHER, flows_in, with_another},
    proof::{ALL, prove},
};
use crate::{
    ctpulse::{Ended, Stream},
    drive::{
        ipv6,
        tcp::Connections,
        zipf::{self, Counts},
    },
    kernel::{FEWEST_BUCKETS, table_buckets, table_max},
    traffic::UdpFlows,
};

/// As many as a listing takes without sampling, or fewer.
const FLOWS: u32 = 130_000;
const SOURCES: u32 = 5_000;

/// The true top 10 by source and destination, with counts within the stated error, although there are several times as many
/// destinations as counters.
pub(super) fn zipf() -> Result<()> {
    let stream = Stream::start(&["--top"])?;
    let sent = zipf::send(FLOWS, SOURCES)?;
    let ended = stream.stop()?;
    ended.no_mismatch()?;
    let new = ended.probe("new")?;
    ensure!(new == u64::from(FLOWS), "new: {new}");
    let top = whole_run(&ended, "self")?;
    let port = Counts::from([(format!("udp/{}", sent.port), FLOWS.into())]);
    for (of, truth) in [
        ("src", &sent.sources),
        ("dst", &sent.destinations),
        ("dport", &port),
    ] {
        is_top(table(&top, "new", of)?, truth)?;
    }
    // The tables of each second are part of the run's.
    let mut sum = 0;
    for second in ended.of("top").filter(|top| in_window(top)) {
        sum += table(second, "new", "src")?["total"].as_u64().unwrap_or(0);
    }
    ensure!(sum <= u64::from(FLOWS), "the seconds add up to {sum}");

    // The same flows are in the table now, and found by listing its entries.
    let mut stream = Stream::start(&["--top", "--probes", "off"])?;
    let held = stream.wait_for("the entries held", |record| {
        record["type"] == "top" && table(record, "entries", "src").is_ok()
    })?;
    stream.stop()?;
    ensure!(held["window_s"] == 0.0, "{held}");
    for (of, truth) in [("src", &sent.sources), ("dst", &sent.destinations)] {
        is_top(table(&held, "entries", of)?, truth)?;
    }
    for (of, key) in [("proto", "udp"), ("zone", "0"), ("mark", "0x0")] {
        let counts = Counts::from([(key.to_owned(), FLOWS.into())]);
        is_top(table(&held, "entries", of)?, &counts)?;
    }
    Ok(())
}

/// The entries listed at the end of a run are the current ones, however short it was.
pub(super) fn held_at_the_end() -> Result<()> {
    const FLOWS: u32 = 2_500;
    let mut stream = Stream::start(&["--top"])?;
    let entries =
        |top: &Value| -> Option<u64> { table(top, "entries", "src").ok()?["total"].as_u64() };
    let first = stream.wait_for("the entries held", |record| {
        record["type"] == "top" && entries(record).is_some()
    })?;
    UdpFlows::new()?.send(FLOWS)?;
    let ended = stream.stop()?;
    let closing = ended.of("top").filter(|top| top["closing"] == true);
    let held: Vec<u64> = closing.filter_map(entries).collect();
    println!("{:?} at first, {held:?} at the end", entries(&first));
    ensure!(entries(&first) == Some(0), "{first}");
    ensure!(held == [u64::from(FLOWS)], "{held:?}");
    Ok(())
}

/// Sources and destinations that a full table rejects.
pub(super) fn dropped() -> Result<()> {
    const REFUSED: u32 = 700;
    table_max(100)?;
    let _assured = Connections::establish(100)?;
    let flows = [REFUSED, 40];
    let proof = prove(&[ALL, &["--top", "--top-prefix", "16"]].concat(), || {
        let refused = UdpFlows::new()?.offer(flows[0])?.refused;
        Ok(refused + UdpFlows::new()?.offer(flows[1])?.refused)
    })?;
    let refused = u64::from(flows.iter().sum::<u32>());
    ensure!(proof.driven == refused, "{} refused", proof.driven);
    proof.probed("table_full", refused)?;
    let top = whole_run(&proof.ended, "self")?;
    for (of, key) in [("src", "127.0.0.0/16"), ("dst", "127.1.0.0/16")] {
        let truth = Counts::from([(key.to_owned(), refused)]);
        is_top(table(&top, "dropped", of)?, &truth)?;
    }
    let ports = table(&top, "dropped", "dport")?;
    let counts: Vec<_> = rows(ports)?.map(|row| row["count"].as_u64()).collect();
    let expected = flows.map(|flows| Some(u64::from(flows)));
    ensure!(counts == expected, "{ports}");
    let evicted = table(&top, "evicted", "src")?;
    ensure!(evicted["total"] == 0, "{evicted}");
    Ok(())
}

/// Networks that a full table evicts.
pub(super) fn evicted_ipv6() -> Result<()> {
    const FLOWS: u32 = 5_000;
    ipv6::accept()?;
    table_buckets(FEWEST_BUCKETS)?;
    table_max(1_000)?;
    let proof = prove(&["--top"], || ipv6::udp(FLOWS))?;
    let evicted = proof.ended.probe("early_drop")?;
    ensure!(evicted > 0, "nothing was evicted");
    proof.counted("early_drop", evicted)?;
    let top = whole_run(&proof.ended, "self")?;
    for (by, count) in [("evicted", evicted), ("new", FLOWS.into())] {
        let truth = Counts::from([("fd00:c7::/64".to_owned(), count)]);
        is_top(table(&top, by, "dst")?, &truth)?;
    }
    Ok(())
}

/// Each namespace has its own top talkers and entries.
pub(super) fn namespaces() -> Result<()> {
    with_another(|| {
        UdpFlows::new()?.send(300)?;
        flows_in(OTHER, 700)?;
        let mut stream = Stream::start(&["--top", "--netns", "all"])?;
        let mut held = BTreeMap::new();
        while held.len() < 2 {
            let top = stream.wait_for("the entries held", |record| {
                record["type"] == "top" && table(record, "entries", "src").is_ok()
            })?;
            let total = table(&top, "entries", "src")?["total"].as_u64();
            held.insert(top["instance"].as_str().unwrap_or("?").to_owned(), total);
        }
        let expected = BTreeMap::from([
            (OTHER.to_owned(), Some(700)),
            ("self".to_owned(), Some(300)),
        ]);
        ensure!(held == expected, "{held:?}");
        flows_in(OTHER, 500)?;
        UdpFlows::new()?.send(200)?;
        let ended = stream.stop()?;
        for (name, flows) in [("self", 200), (OTHER, 500)] {
            let truth = Counts::from([("127.0.0.1".to_owned(), flows)]);
            is_top(table(&whole_run(&ended, name)?, "new", "src")?, &truth)?;
        }
        Ok(())
    })
}

/// The process that listens on a port is named.
pub(super) fn process_named() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").context("listen")?;
    let address = listener.local_addr()?;
    let port = format!("tcp/{}", address.port());
    let mut stream = Stream::start(&["--top"])?;
    let named = stream.wait_for("the listener's name", |record| {
        // A new connection each time, so that there is something to name.
        if TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok() {
            let _ = listener.accept();
        }
        row(record, "new", "dport", &port).is_some_and(|row| !row["process"].is_null())
    })?;
    let row = row(&named, "new", "dport", &port).context("the row")?;
    let us = format!("[{}]", process::id());
    ensure!(
        row["process"].as_str().is_some_and(|p| p.ends_with(&us)),
        "{row}"
    );
    stream.stop()?;
    Ok(())
}

fn in_window(top: &Value) -> bool {
    top["closing"] == false && top["window_s"] != 0.0
}

/// The tables of the whole run.
fn whole_run(ended: &Ended, instance: &str) -> Result<Value> {
    ended
        .of("top")
        .find(|top| top["closing"] == true && top["instance"] == instance)
        .cloned()
        .with_context(|| format!("no tables of {instance}"))
}

fn table<'a>(top: &'a Value, by: &str, of: &str) -> Result<&'a Value> {
    top["tables"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|table| table["by"] == by && table["of"] == of)
        .with_context(|| format!("no table {by} of {of}"))
}

fn rows(table: &Value) -> Result<impl Iterator<Item = &Value>> {
    Ok(table["rows"].as_array().context("rows")?.iter())
}

fn row<'a>(top: &'a Value, by: &str, of: &str, key: &str) -> Option<&'a Value> {
    let table = table(top, by, of).ok()?;
    rows(table).ok()?.find(|row| row["key"] == key)
}

/// Requires that the rows are the true top, and that no count is too low by more than the stated error.
fn is_top(table: &Value, truth: &Counts) -> Result<()> {
    let total: u64 = truth.values().sum();
    ensure!(table["total"] == total, "{table}: {total} in all");
    ensure!(table["certain"] == true, "{table}");
    let error = table["error"].as_u64().context("error")?;
    let mut expected: Vec<_> = truth.iter().collect();
    expected.sort_by_key(|(key, count)| (u64::MAX - **count, *key));
    expected.truncate(10);
    let mut named: Vec<&str> = Vec::new();
    for row in rows(table)? {
        let key = row["key"].as_str().context("key")?;
        let count = row["count"].as_u64().context("count")?;
        let true_count = *truth
            .get(key)
            .with_context(|| format!("{key} sent nothing"))?;
        ensure!(
            count <= true_count && true_count - count <= error,
            "{key}: {count} with an error of {error}, not {true_count}"
        );
        named.push(key);
    }
    // Of equals, any may be listed.
    let least = expected.last().map_or(0, |(_, count)| **count);
    ensure!(named.len() == expected.len(), "{named:?}, not {expected:?}");
    for key in &named {
        ensure!(truth[*key] >= least, "{key} is not one of {expected:?}");
    }
    println!(
        "{} of {}: {} rows, error {error}",
        table["by"],
        table["of"],
        named.len()
    );
    Ok(())
}
