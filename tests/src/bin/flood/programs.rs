//! BPF programs of a process: how often and how long they ran, as the kernel counts in /proc/PID/fdinfo while
//! kernel.bpf_stats_enabled is 1.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    ops::AddAssign,
};

use anyhow::{Context, Result};
use ctpulse_tests::kernel::sysctl;

/// The activity of a program since it was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// How often it ran.
    pub(crate) count: u64,
    /// Their total duration.
    pub(crate) nanoseconds: u64,
}

impl AddAssign for Runs {
    fn add_assign(&mut self, other: Self) {
        self.count += other.count;
        self.nanoseconds += other.nanoseconds;
    }
}

/// Programs by code: those with the same instructions have the same tag.
pub(crate) type ByTag = BTreeMap<String, Runs>;

/// Makes the kernel count and time runs, which makes them slower, until this is dropped.
pub(crate) struct Counting(());

impl Counting {
    /// Starts counting.
    pub(crate) fn start() -> Result<Self> {
        sysctl("kernel/bpf_stats_enabled", 1)?;
        Ok(Self(()))
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        if let Err(error) = sysctl("kernel/bpf_stats_enabled", 0) {
            eprintln!("flood: {error:#}");
        }
    }
}

/// The programs of a process.
pub(crate) fn of(pid: u32) -> Result<ByTag> {
    let dir = format!("/proc/{pid}/fdinfo");
    let mut seen = BTreeSet::new();
    let mut by_tag = ByTag::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("read {dir}"))? {
        // A descriptor may have been closed meanwhile: it is not that of a program then.
        let text = fs::read_to_string(entry?.path()).unwrap_or_default();
        if let Some(program) = parse(&text)
            && seen.insert(program.id)
        {
            *by_tag.entry(program.tag).or_default() += program.runs;
        }
    }
    Ok(by_tag)
}

/// The activity since an earlier reading.
pub(crate) fn since(now: &ByTag, earlier: &ByTag) -> ByTag {
    let difference = |(tag, runs): (&String, &Runs)| {
        let before = earlier.get(tag).copied().unwrap_or_default();
        let runs = Runs {
            count: runs.count - before.count,
            nanoseconds: runs.nanoseconds - before.nanoseconds,
        };
        (tag.clone(), runs)
    };
    now.iter().map(difference).collect()
}

/// The names of programs by tag, from the compiled programs among the kernel's symbols. Empty if it does not list them.
pub(crate) fn names() -> Result<BTreeMap<String, Vec<String>>> {
    let text = fs::read_to_string("/proc/kallsyms").context("read /proc/kallsyms")?;
    let mut names = BTreeMap::<_, Vec<_>>::new();
    for (tag, name) in text.lines().filter_map(symbol) {
        names
            .entry(tag.to_owned())
            .or_default()
            .push(name.to_owned());
    }
    Ok(names)
}

/// Parses a program's symbol:
///
/// ```text
/// ffffffffc0201f5c t bpf_prog_6deef7357e7b4530_hash_insert [bpf]
/// ```
fn symbol(line: &str) -> Option<(&str, &str)> {
    line.split_whitespace()
        .nth(2)?
        .strip_prefix("bpf_prog_")?
        .split_once('_')
}

#[derive(Debug, PartialEq, Eq)]
struct Program {
    id: u32,
    tag: String,
    runs: Runs,
}

/// Parses the description of a program's descriptor, `name:\tvalue` on each line; `None` for other descriptors.
fn parse(fdinfo: &str) -> Option<Program> {
    let fields: BTreeMap<_, _> = fdinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim()))
        .collect();
    // A link has the program's id and tag too, but no statistics.
    Some(Program {
        id: fields.get("prog_id")?.parse().ok()?,
        tag: (*fields.get("prog_tag")?).to_owned(),
        runs: Runs {
            count: fields.get("run_cnt")?.parse().ok()?,
            nanoseconds: fields.get("run_time_ns")?.parse().ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "pos:\t0\nflags:\t02000002\nmnt_id:\t15\nino:\t1057\nprog_type:\t2\n\
        prog_jited:\t1\nprog_tag:\t3b185187f1855c4c\nmemlock:\t4096\nprog_id:\t37\n\
        run_time_ns:\t48210\nrun_cnt:\t60\nrecursion_misses:\t0\nverified_insns:\t43\n";

    #[test]
    fn a_programs_descriptor() {
        let runs = Runs {
            count: 60,
            nanoseconds: 48_210,
        };
        let expected = Program {
            id: 37,
            tag: "3b185187f1855c4c".to_owned(),
            runs,
        };
        assert_eq!(parse(PROGRAM), Some(expected));
    }

    #[test]
    fn other_descriptors() {
        let link =
            "pos:\t0\nlink_type:\tperf\nlink_id:\t4\nprog_tag:\t3b185187f1855c4c\nprog_id:\t37\n";
        assert_eq!(parse(link), None);
        assert_eq!(parse("pos:\t0\nflags:\t02\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn names_may_have_underscores() {
        let line = "ffffffffc0201f5c t bpf_prog_6deef7357e7b4530_hash_insert\t[bpf]";
        assert_eq!(symbol(line), Some(("6deef7357e7b4530", "hash_insert")));
        assert_eq!(symbol("ffffffff81000000 T _stext"), None);
    }
}
