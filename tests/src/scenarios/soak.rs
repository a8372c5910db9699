//! A long run with all that may happen to it: a flood, namespaces that come and go, and a fault every few seconds. What ctpulse uses
//! stays the same, and what it counts is what the sender and the kernel count.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use rustix::process::Signal;
use serde_json::Value;

use super::{
    faults::set_clock,
    many::{Used, kernel_memory, settled, used},
};
use crate::{
    cpus,
    ctpulse::{Ended, Stream},
    kernel::{
        Columns, flush, gained,
        namespaces::{Namespaces, track, within},
        proc_columns, settle, sysctl, table_buckets, table_max, tracking,
    },
    markdown,
    traffic::{Offered, UdpFlows},
};

pub(super) fn three_minutes() -> Result<()> {
    soak(Duration::from_mins(3))
}

pub(super) fn half_an_hour() -> Result<()> {
    soak(Duration::from_mins(30))
}

/// Room for all flows, and for few of them.
const MAX: u32 = 262_144;
const FEW: u32 = 2_000;

/// Sizes of the hash table, both with short chains.
const BUCKETS: [u32; 2] = [65_536, 32_768];

/// How long each namespace exists: longer than ctpulse is stopped.
const LIFE: Duration = Duration::from_secs(10);

/// Flows in each namespace.
const FLOWS: u32 = 50;

fn soak(length: Duration) -> Result<()> {
    // Flows expire all the time.
    sysctl("net/netfilter/nf_conntrack_udp_timeout", 10)?;
    let columns = proc_columns()?;
    // All that it prints is kept here until the end.
    let interval = match length > Duration::from_mins(5) {
        true => "--interval=1s",
        false => "--interval=100ms",
    };
    let stream = Stream::start(&[
        interval,
        "--netns=all",
        "--top",
        "--lifetimes",
        "--probes=flow",
        "--event-rate=2",
    ])?;
    stream.nothing_refused()?;
    let (before, maps) = (used(stream.pid())?, kernel_memory(stream.pid())?);
    ensure!(maps > 0, "no maps were found");
    let over = AtomicBool::new(false);
    let (flooded, names, looks) = thread::scope(|scope| -> Result<_> {
        let flood = scope.spawn(|| flood(&over));
        let churn = scope.spawn(|| churn(&over));
        let looks = faults(&stream, length);
        over.store(true, Ordering::Relaxed);
        let panicked = |_| anyhow!("a thread panicked");
        let flooded = flood.join().map_err(panicked)??;
        let names = churn.join().map_err(panicked)??;
        Ok((flooded, names, looks?))
    })?;
    tracking()?;
    settle()?;
    let columns = gained(&columns, &proc_columns()?)?;
    let after = settled(&stream, &before)?;
    let maps_after = kernel_memory(stream.pid())?;
    let ended = stream.stop()?;
    let table = counted_twice(&ended, &flooded, &columns)?;
    println!(
        "{} s, {} faults, {} namespaces\n{table}",
        length.as_secs(),
        looks.len(),
        names.len()
    );
    ended.no_mismatch()?;
    ensure!(
        after.has_no_more_than(&before),
        "descriptors: {:?} before, {:?} after",
        before.descriptors,
        after.descriptors
    );
    ensure!(
        maps == maps_after,
        "maps: {maps} bytes before, {maps_after} after"
    );
    println!("maps and programs: {maps} bytes before and after");
    memory_is_flat(&looks)?;
    let seen: BTreeSet<&str> = ended.of("hello").flat_map(names_of).collect();
    let lost: Vec<_> = names
        .iter()
        .filter(|name| !seen.contains(name.as_str()))
        .collect();
    ensure!(lost.is_empty(), "namespaces that were not seen: {lost:?}");
    all_agree(&ended)
}

/// Sends flows at a steady pace.
fn flood(over: &AtomicBool) -> Result<Offered> {
    let mut flows = UdpFlows::new()?;
    let mut sum = Offered::default();
    while !over.load(Ordering::Relaxed) {
        let offered = flows.offer(100)?;
        sum.accepted += offered.accepted;
        sum.refused += offered.refused;
        thread::sleep(Duration::from_millis(30));
    }
    Ok(sum)
}

/// Makes namespaces, one after another, with flows in each, and returns their names.
fn churn(over: &AtomicBool) -> Result<Vec<String>> {
    let mut namespaces = Namespaces::new()?;
    let mut names = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let name = format!("soak{}", names.len());
        let start = Instant::now();
        namespaces.add(&name)?;
        within(&name, || {
            track()?;
            UdpFlows::new()?.send(FLOWS)
        })?;
        thread::sleep(LIFE.saturating_sub(start.elapsed()));
        namespaces.delete(&name)?;
        names.push(name);
    }
    Ok(names)
}

/// A fault every few seconds, and what ctpulse uses after each.
fn faults(stream: &Stream, length: Duration) -> Result<Vec<Used>> {
    const PAUSE: Duration = Duration::from_secs(2);
    let short = || thread::sleep(Duration::from_millis(1_200));
    let start = Instant::now();
    let mut looks = Vec::new();
    for number in 0.. {
        if start.elapsed() >= length {
            break;
        }
        match number % 8 {
            0 => {
                stream.signal(Signal::STOP)?;
                short();
                // Sometimes it is away for as long as a machine that was suspended.
                if number % 16 == 0 {
                    thread::sleep(Duration::from_secs(5));
                }
                stream.signal(Signal::CONT)?;
            }
            1 => flush()?,
            2 => {
                table_max(FEW)?;
                short();
                table_max(MAX)?;
            }
            3 => table_buckets(BUCKETS[1])?,
            4 => table_buckets(BUCKETS[0])?,
            5 => set_clock(3_600)?,
            6 => set_clock(-3_600)?,
            // The last CPU; a guest with one has none to spare.
            _ => {
                if let Some(cpu) = cpus::available()?.into_iter().rfind(|&cpu| cpu > 0) {
                    let away = cpus::take_away(cpu)?;
                    short();
                    away.bring_back()?;
                }
            }
        }
        thread::sleep(PAUSE);
        looks.push(used(stream.pid())?);
    }
    Ok(looks)
}

/// What the sender and the kernel counted, beside what ctpulse did.
fn counted_twice(ended: &Ended, flooded: &Offered, columns: &Columns) -> Result<String> {
    let column = |name: &str| columns.get(name).copied().unwrap_or_default();
    ensure!(
        column("drop") == flooded.refused,
        "the kernel refused {}, the sender saw {}",
        column("drop"),
        flooded.refused
    );
    let rows = [
        ("flows made", "the sender", flooded.accepted, "new"),
        (
            "flows in the table",
            "the sender",
            flooded.accepted,
            "inserted",
        ),
        ("flows removed", "the sender", flooded.accepted, "deleted"),
        (
            "flows refused",
            "the sender and the kernel",
            flooded.refused,
            "table_full",
        ),
        (
            "flows evicted",
            "the kernel",
            column("early_drop"),
            "early_drop",
        ),
    ];
    let mut cells = Vec::new();
    for (what, by, expected, counter) in rows {
        let counted = ended.probe(counter)?;
        ensure!(expected > 0, "{what}: there were none");
        cells.push([what, by, &expected.to_string(), &counted.to_string()].map(str::to_owned));
    }
    let table = markdown::table(["", "by", "counted", "ctpulse counted"], 2, &cells);
    for [what, _, expected, counted] in &cells {
        ensure!(expected == counted, "{what} differ:\n{table}");
    }
    Ok(table)
}

/// Memory of the last third of a run is that of the first, but for what its tables take until they are full.
fn memory_is_flat(looks: &[Used]) -> Result<()> {
    let third = looks.len() / 3;
    let median = |looks: &[Used]| {
        let mut kib: Vec<u64> = looks.iter().map(|look| look.resident_kib).collect();
        kib.sort_unstable();
        kib.get(kib.len() / 2).copied().context("too short a run")
    };
    let first = median(&looks[..third])?;
    let last = median(&looks[looks.len() - third..])?;
    println!("memory: {first} KiB in the first third, {last} KiB in the last");
    ensure!(
        last <= first + first / 4 + 1_024,
        "memory grows from {first} to {last} KiB"
    );
    Ok(())
}

fn names_of(hello: &Value) -> impl Iterator<Item = &str> {
    let instances = hello["instances"].as_array().into_iter().flatten();
    instances.filter_map(|instance| instance["name"].as_str())
}

/// Each check of the run is good.
fn all_agree(ended: &Ended) -> Result<()> {
    let checks = ended.summary()?["crosscheck"].as_array();
    let checks = checks.context("no checks")?;
    for check in checks {
        let verdict = check["verdict"].as_str().unwrap_or_default();
        ensure!(
            ["exact", "within_bracket", "not_comparable"].contains(&verdict),
            "{check}"
        );
    }
    let good = checks
        .iter()
        .filter(|check| check["verdict"] != "not_comparable");
    println!("{} checks agree", good.count());
    Ok(())
}
