//! The guest's kernel: settings, counters, and tools.

pub mod namespaces;
mod settle;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};

pub use self::settle::settle;
use crate::cpus;

/// Runs a command and returns its stdout; fails if the command fails.
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

/// Runs a command in a named network namespace.
pub fn run_in(netns: &str, command: &[&str]) -> Result<String> {
    run(&[&["ip", "netns", "exec", netns], command].concat())
}

/// Sets a value below /proc/sys, such as `net/netfilter/nf_conntrack_max`.
pub fn sysctl(name: &str, value: impl ToString) -> Result<()> {
    let path = format!("/proc/sys/{name}");
    fs::write(&path, value.to_string()).with_context(|| format!("write {path}"))
}

/// Runs nft commands as one transaction.
pub fn nft(commands: &str) -> Result<()> {
    run(&["nft", commands]).map(drop)
}

/// Sets the limit on flows, in each namespace.
pub fn table_max(flows: u32) -> Result<()> {
    sysctl("net/netfilter/nf_conntrack_max", flows)
}

/// Resizes the hash table. The kernel rounds up to whole pages: the minimum is 512 buckets.
pub fn table_buckets(buckets: u32) -> Result<()> {
    sysctl("net/netfilter/nf_conntrack_buckets", buckets)
}

/// The minimum number of buckets of a hash table.
pub const FEWEST_BUCKETS: u32 = 512;

/// Whether nf_conntrack is a module, and not built in.
pub fn conntrack_is_a_module() -> Result<bool> {
    // A built-in module has no state. A module that is not loaded has no directory.
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

/// The functions to whose names clang's ThinLTO has appended a hash, `NAME.llvm.HASH`: fentry may not find them.
pub fn functions_with_a_hash() -> Result<BTreeSet<String>> {
    let symbols = fs::read_to_string("/proc/kallsyms").context("read /proc/kallsyms")?;
    let symbols = symbols
        .lines()
        .filter_map(|symbol| symbol.split_whitespace().nth(2));
    let names = symbols.filter_map(|symbol| Some(symbol.split_once(".llvm.")?.0.to_owned()));
    Ok(names.collect())
}

/// Whether the kernel has the types of nf_conntrack's functions, which fentry takes. Before 5.11 modules have none.
pub fn has_types() -> Result<bool> {
    let of_module = Path::new("/sys/kernel/btf/nf_conntrack");
    Ok(!conntrack_is_a_module()? || of_module.try_exists()?)
}

/// Whether the kernel's tracing serves fentry on this processor: on arm64, since 6.4; and without missing hits, as it does where tasks
/// are preempted in programs.
pub fn serves_fentry() -> Result<bool> {
    let version = fs::read_to_string("/proc/version").context("read version")?;
    if version.contains(" PREEMPT_RT ") {
        return Ok(false);
    }
    if cfg!(not(target_arch = "aarch64")) {
        return Ok(true);
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("read osrelease")?;
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|number| number.parse::<u32>().ok());
    Ok(numbers.next().zip(numbers.next()) >= Some((6, 4)))
}

/// A rule that matches on connections makes the kernel track them.
pub const TRACK: &str = "add table inet t
    add chain inet t o { type filter hook output priority 0; }
    add rule inet t o ct state new counter";

/// Makes entries last longer than any scenario, in the shell's namespace: by default those of UDP expire after 30 s, which is too
/// short for slow guests.
pub const LASTING: &str = "for timeout in /proc/sys/net/netfilter/nf_conntrack_*_timeout*; do echo 86400 > $timeout; done";

/// Resets the guest to the common initial state of scenarios.
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

/// Prepares an empty table that tracks connections, has room, and keeps its entries.
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

/// Columns of /proc/net/stat/nf_conntrack by name.
pub type Columns = BTreeMap<String, u64>;

/// The sums of the columns over all CPUs, read independently of the program under test. `entries` is not summed.
pub fn proc_columns() -> Result<Columns> {
    sums(&fs::read_to_string("/proc/net/stat/nf_conntrack")?)
}

/// The same in a named network namespace.
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

/// The increase of each column between two readings. `entries` is that of the second.
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
