//! Many network namespaces.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fs, thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::{
    ctpulse::{Ended, PATIENCE, Stream},
    kernel::{
        namespaces::{Namespaces, track, within},
        settle,
    },
    traffic::UdpFlows,
};

/// What the manual promises for the memory that probes take in the kernel.
const KERNEL_MEMORY: u64 = 64 << 20;

const ARGS: &[&str] = &["--netns", "all", "--probes", "flow", "--interval"];

/// More namespaces than there are rings of buckets, whatever the number of CPUs.
pub(super) fn more_than_rings() -> Result<()> {
    at_once(64, &["1s"])
}

/// What the manual promises.
pub(super) fn five_hundred_and_twelve() -> Result<()> {
    at_once(512, &["5s", "--duration", "240s"])
}

/// With a duration, ctpulse ends by itself: after a signal there is less than a second for its last output, which is long. Every
/// record is kept, so the interval should not be short.
fn at_once(number: usize, more: &[&str]) -> Result<()> {
    let names: Vec<String> = (0..number).map(|n| format!("many{n}")).collect();
    let mut namespaces = Namespaces::new()?;
    for name in &names {
        namespaces.add(name)?;
        within(name, track)?;
    }
    println!("{number} namespaces are there");
    let mut stream = Stream::start(&[ARGS, more].concat())?;
    stream.nothing_refused()?;
    let memory = kernel_memory(stream.pid())?;
    println!("{} KiB of kernel memory", memory >> 10);
    // Less would mean that not everything was found.
    ensure!(
        (KERNEL_MEMORY / 2..=KERNEL_MEMORY).contains(&memory),
        "{memory} bytes"
    );
    let mut made = BTreeMap::new();
    for (n, name) in names.iter().enumerate() {
        let flows = 10 + (n % 7) as u32;
        within(name, || UdpFlows::new()?.send(flows))?;
        made.insert(name.clone(), u64::from(flows));
    }
    let busy = busy_ones_get_buckets(&mut stream, &names)?;
    *made.entry(busy.0).or_default() += busy.1;
    settle()?;
    let ended = if more.contains(&"--duration") {
        stream.wait()?
    } else {
        stream.stop()?
    };
    ensure!(ended.status.success(), "{}", ended.stderr);
    for (name, flows) in &made {
        exact(&ended, name, *flows)?;
    }
    let lines = ended.stderr.lines().count();
    println!("{}", ended.stderr);
    ensure!(lines <= 5, "{lines} lines on stderr");
    for name in names {
        namespaces.delete(&name)?;
    }
    Ok(())
}

/// A namespace without buckets, which says so, gets them when it is busy. Returns its name and the number of flows made there.
fn busy_ones_get_buckets(stream: &mut Stream, names: &[String]) -> Result<(String, u64)> {
    const FLOWS: u32 = 500;
    let without = stream.wait_for_sample("a namespace without buckets", |sample| {
        sample["buckets_unavailable"].is_string()
            && names.iter().any(|name| sample["instance"] == **name)
    })?;
    let peaks = without["peaks"].as_object().context("peaks")?;
    ensure!(peaks.is_empty(), "{without}");
    let name = without["instance"].as_str().context("name")?.to_owned();
    let mut made = 0;
    loop {
        within(&name, || UdpFlows::new()?.send(FLOWS))?;
        made += u64::from(FLOWS);
        // The interval may be longer than the ring holds, so not every flow is in a bucket.
        let sample = stream.wait_for_sample("its peak", |sample| sample["instance"] == *name)?;
        let peak = sample["peaks"]["new"]["rate"].as_f64();
        if peak.is_some_and(|rate| rate > 0.0) {
            ensure!(sample["buckets_unavailable"].is_null(), "{sample}");
            return Ok((name, made));
        }
    }
}

/// The totals of a namespace are those of the flows made there, and its checks agree.
fn exact(ended: &Ended, name: &str, flows: u64) -> Result<()> {
    let instance = ended.instance(name)?;
    for counter in ["new", "inserted"] {
        let counted = &instance["totals"][counter]["probe"];
        ensure!(
            *counted == flows,
            "{name}: {counter} is {counted}, not {flows}"
        );
    }
    let checks = instance["crosscheck"].as_array().context("no checks")?;
    let balance = checks
        .iter()
        .find(|check| check["name"] == "entries_balance");
    ensure!(
        balance.is_some_and(|check| check["verdict"] == "exact"),
        "{name}: {balance:?}"
    );
    for check in checks {
        ensure!(check["verdict"] != "mismatch", "{name}: {check}");
    }
    Ok(())
}

/// Namespaces come and go, some a second.
pub(super) fn come_and_go() -> Result<()> {
    churn(10.0, Duration::from_secs(10))
}

/// What the manual promises.
pub(super) fn a_hundred_a_second() -> Result<()> {
    churn(100.0, Duration::from_secs(60))
}

/// How long each namespace exists.
const LIFE: Duration = Duration::from_secs(1);

fn churn(rate: f64, length: Duration) -> Result<()> {
    let mut namespaces = Namespaces::new()?;
    let mut stream = Stream::start(&[ARGS, &["1s"]].concat())?;
    let before = used(stream.pid())?;
    let mut halfway = None;
    let start = Instant::now();
    let mut alive: VecDeque<(String, Instant)> = VecDeque::new();
    let mut made = BTreeSet::new();
    loop {
        if halfway.is_none() && start.elapsed() >= length / 2 {
            halfway = Some(used(stream.pid())?);
        }
        let due = start + Duration::from_secs_f64(made.len() as f64 / rate);
        let adding = start.elapsed() < length;
        // Ends come first: where namespaces cannot be made that fast, they still exist for no longer than they should.
        if let Some((name, _)) = alive.pop_front_if(|(_, since)| since.elapsed() >= LIFE) {
            namespaces.delete(&name)?;
        } else if adding && Instant::now() >= due {
            let name = format!("brief{}", made.len());
            namespaces.add(&name)?;
            alive.push_back((name.clone(), Instant::now()));
            made.insert(name);
        } else if adding || !alive.is_empty() {
            thread::sleep(Duration::from_millis(1));
        } else {
            break;
        }
    }
    let took = start.elapsed().saturating_sub(LIFE).as_secs_f64();
    // Under emulation it may be fewer than were asked for.
    println!(
        "{} namespaces in {took:.1} s: {:.1} a second",
        made.len(),
        made.len() as f64 / took
    );
    stream.wait_for("the end of the last one", |record| {
        record["type"] == "hello" && record["instances"].as_array().map(Vec::len) == Some(1)
    })?;
    let after = settled(&stream, &before)?;
    let halfway = halfway.context("it was too short")?;
    println!("before: {before:?}; halfway: {halfway:?}; after: {after:?}");
    let ended = stream.stop()?;
    println!("{}", ended.stderr);
    let seen: BTreeSet<String> = ended.of("hello").flat_map(names_of).collect();
    let lost: Vec<&String> = made.difference(&seen).collect();
    ensure!(
        lost.is_empty(),
        "{} of {} were lost: {lost:?}",
        lost.len(),
        made.len()
    );
    let summary = ended.last()?;
    let summed = summary["instances"].as_array().context("instances")?.len() as u64
        + summary["instances_left_out"].as_u64().unwrap_or_default();
    // `ip` itself may be seen in a namespace that has no name yet.
    ensure!(
        summed > made.len() as u64,
        "{summed} instances in the summary"
    );
    ended.no_mismatch()?;
    ensure!(
        after.has_no_more_than(&before),
        "descriptors leak: {after:?}"
    );
    // What a watched namespace takes, and the summaries that are kept, had been allocated by then.
    let grown = after.resident_kib.saturating_sub(halfway.resident_kib);
    ensure!(grown < 4_096, "{grown} KiB more memory");
    let lines = ended.stderr.lines().count() as u64;
    ensure!(
        lines <= 10 + length.as_secs() / 5,
        "{lines} lines on stderr"
    );
    Ok(())
}

fn names_of(hello: &Value) -> Vec<String> {
    let instances = hello["instances"].as_array().into_iter().flatten();
    instances
        .filter_map(|instance| Some(instance["name"].as_str()?.to_owned()))
        .collect()
}

/// What a process uses.
#[derive(Debug)]
pub(super) struct Used {
    /// Descriptors by what they lead to.
    pub(super) descriptors: BTreeMap<String, usize>,
    pub(super) resident_kib: u64,
}

impl Used {
    /// Whether it has no more descriptors of any kind than then. A lookup in the background may have had one open then.
    pub(super) fn has_no_more_than(&self, before: &Self) -> bool {
        let then = |kind| before.descriptors.get(kind).copied().unwrap_or(0);
        let mut now = self.descriptors.iter();
        now.all(|(kind, count)| *count <= then(kind))
    }
}

/// What ctpulse uses once it has closed what it had opened since `before`, or after all patience.
pub(super) fn settled(stream: &Stream, before: &Used) -> Result<Used> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let now = used(stream.pid())?;
        if now.has_no_more_than(before) || Instant::now() > deadline {
            return Ok(now);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

pub(super) fn used(pid: u32) -> Result<Used> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let anonymous = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let resident = anonymous.and_then(|value| value.split_whitespace().next());
    let mut descriptors = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))? {
        // One that was closed since leads nowhere.
        if let Ok(to) = fs::read_link(entry?.path()) {
            let to = to.to_string_lossy();
            let named = to.starts_with("/run/netns/");
            let kind = if named { "namespace" } else { &to };
            let kind = kind.split('[').next().unwrap_or_default();
            *descriptors.entry(kind.to_owned()).or_default() += 1;
        }
    }
    Ok(Used {
        descriptors,
        resident_kib: resident.context("no RssAnon")?.parse()?,
    })
}

/// Bytes of all maps and programs that a process holds, as the kernel accounts for them.
pub(super) fn kernel_memory(pid: u32) -> Result<u64> {
    let mut bytes = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))? {
        let Ok(info) = fs::read_to_string(entry?.path()) else {
            continue;
        };
        let field = |name: &str| -> Option<u64> {
            let value = info.lines().find_map(|line| line.strip_prefix(name))?;
            value.trim().parse().ok()
        };
        let id = field("map_id:").map(|id| ("map", id));
        let id = id.or_else(|| Some(("program", field("prog_id:")?)));
        if let (Some(id), Some(memory)) = (id, field("memlock:")) {
            bytes.insert(id, memory);
        }
    }
    Ok(bytes.values().sum())
}
