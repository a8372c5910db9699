//! The guest's kernel: its settings, its counters, and the tools that drive it.

mod settle;

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};

pub use self::settle::settle;
use crate::cpus;

/// Runs a command and returns its stdout; fails unless it succeeds.
pub fn run(command: &[&str]) -> Result<String> {
    let (program, args) = command.split_first().context("an empty command")?;
    let output = Command::new(program)
        .args(args)
        .output()
        .with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!(
            "`{}`: {}: {}",
            command.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command in a network namespace with a name.
pub fn run_in(netns: &str, command: &[&str]) -> Result<String> {
    run(&[&["ip", "netns", "exec", netns], command].concat())
}

/// Sets a value below /proc/sys, such as `net/netfilter/nf_conntrack_max`.
pub fn sysctl(name: &str, value: impl ToString) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    fs::write(&path, value.to_string()).with_context(|| format!("write {path}"))
}

/// Carries out commands of nft, all or none.
pub fn nft(commands: &str) -> Result<()> {
    run(&["nft", commands]).map(drop)
}

/// How many flows the table may hold, in each namespace.
pub fn table_max(flows: u32) -> Result<()> {
    sysctl("net/netfilter/nf_conntrack_max", flows)
}

/// Resizes the hash table. The kernel rounds up to whole pages: 512 buckets are the fewest.
pub fn table_buckets(buckets: u32) -> Result<()> {
    sysctl("net/netfilter/nf_conntrack_buckets", buckets)
}

/// The fewest buckets a hash table can have.
pub const FEWEST_BUCKETS: u32 = 512;

/// Whether nf_conntrack is a module of this kernel, or built into it.
pub fn conntrack_is_a_module() -> Result<bool> {
    // What is built in has no state. Modules that are not loaded have no directory at all.
    let built_in = Path::new("/sys/module/nf_conntrack");
    Ok(!built_in.try_exists()? || built_in.join("initstate").try_exists()?)
}

/// Whether this kernel limits the length of hash chains, as kernels do from 5.15 on: they count what they refuse
/// for that in a column of its own.
pub fn chains_are_limited() -> Result<bool> {
    Ok(proc_columns()?.contains_key("chainlength"))
}

/// Whether this kernel, with its modules, has a function of this name.
pub fn has_function(name: &str) -> Result<bool> {
    let symbols = fs::read_to_string("/proc/kallsyms").context("read /proc/kallsyms")?;
    Ok(symbols
        .lines()
        .any(|symbol| symbol.split_whitespace().nth(2) == Some(name)))
}

/// A rule that looks at connections makes the kernel track them.
pub const TRACK: &str = "add table inet t
    add chain inet t o { type filter hook output priority 0; }
    add rule inet t o ct state new counter";

/// Has entries last longer than any scenario, in the namespace of the shell: by default those of UDP are
/// gone after 30 s, which a slow guest may need to make them.
pub const LASTING: &str = "for timeout in /proc/sys/net/netfilter/nf_conntrack_*_timeout*; do echo 86400 > $timeout; done";

/// Puts the guest into the state that every scenario starts from, whatever the one before left behind.
pub fn reset() -> Result<()> {
    cpus::all()?;
    for netns in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        run(&[
            "ip",
            "netns",
            "delete",
            &netns.file_name().to_string_lossy(),
        ])?;
    }
    // Packets that wait for their second crossing must not be dropped.
    sysctl("net/core/netdev_max_backlog", 1_000_000)?;
    tracking()
}

/// A table that tracks connections, is empty, has room, and keeps its entries.
pub fn tracking() -> Result<()> {
    nft("flush ruleset")?;
    nft(TRACK)?;
    run(&["sh", "-c", LASTING])?;
    sysctl("net/netfilter/nf_conntrack_tcp_loose", 1)?;
    table_max(262_144)?;
    flush()?;
    table_buckets(65_536)
}

/// Empties the table.
pub fn flush() -> Result<()> {
    run(&["conntrack", "-F"]).map(drop)
}

/// The columns of /proc/net/stat/nf_conntrack by their names.
pub type Columns = BTreeMap<String, u64>;

/// The sums of the columns over all CPUs, read independently of the program under test. `entries` is not
/// a sum.
pub fn proc_columns() -> Result<Columns> {
    sums(&fs::read_to_string("/proc/net/stat/nf_conntrack")?)
}

/// The same in a network namespace with a name.
pub fn proc_columns_in(netns: &str) -> Result<Columns> {
    sums(&run_in(netns, &["cat", "/proc/net/stat/nf_conntrack"])?)
}

fn sums(text: &str) -> Result<Columns> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines
        .next()
        .context("an empty stat file")?
        .split_whitespace()
        .collect();
    let mut sums = BTreeMap::new();
    for line in lines {
        let cells: Vec<&str> = line.split_whitespace().collect();
        ensure!(cells.len() == names.len(), "odd line {line:?}");
        for (name, cell) in names.iter().zip(cells) {
            let value = u64::from_str_radix(cell, 16)?;
            let sum = sums.entry((*name).to_owned()).or_insert(0);
            *sum = if *name == "entries" {
                value
            } else {
                *sum + value
            };
        }
    }
    Ok(sums)
}

/// By how much each column rose between two readings. `entries` is that of the second.
pub fn gained(before: &Columns, after: &Columns) -> Result<Columns> {
    let difference = |(name, after): (&String, &u64)| {
        let before = if name == "entries" { 0 } else { before[name] };
        let gained = after
            .checked_sub(before)
            .with_context(|| format!("{name} fell from {before} to {after}"))?;
        Ok((name.clone(), gained))
    };
    after.iter().map(difference).collect()
}
