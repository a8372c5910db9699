//! What a process may do, as /proc/PID/task/TID/status has it for each of its threads.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, Result, ensure};

/// What a thread may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its name.
    pub name: String,
    effective: u64,
    permitted: u64,
    inheritable: u64,
    bounding: u64,
    ambient: u64,
    no_new_privileges: bool,
    /// Whether its system calls are filtered.
    filtered: bool,
}

/// Bits of capabilities, by the names that messages have.
const NAMES: &[(&str, u32)] = &[
    ("CAP_DAC_READ_SEARCH", 2),
    ("CAP_NET_ADMIN", 12),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_PERFMON", 38),
    ("CAP_BPF", 39),
];

/// The set of capabilities with these names.
#[must_use]
pub fn set(names: &[&str]) -> u64 {
    let bits = NAMES.iter().filter(|(name, _)| names.contains(name));
    bits.fold(0, |set, (_, bit)| set | 1 << bit)
}

impl Thread {
    /// Of a status file.
    pub fn parse(status: &str) -> Result<Self> {
        let fields: BTreeMap<&str, &str> = status
            .lines()
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name, value.trim()))
            .collect();
        let field = |name: &str| fields.get(name).copied().with_context(|| name.to_owned());
        let capabilities = |name| -> Result<u64> { Ok(u64::from_str_radix(field(name)?, 16)?) };
        Ok(Self {
            name: field("Name")?.to_owned(),
            effective: capabilities("CapEff")?,
            permitted: capabilities("CapPrm")?,
            inheritable: capabilities("CapInh")?,
            bounding: capabilities("CapBnd")?,
            ambient: capabilities("CapAmb")?,
            no_new_privileges: field("NoNewPrivs")? == "1",
            filtered: field("Seccomp")? == "2",
        })
    }

    /// Requires that it has given up everything but these capabilities, for good. `all`: it could give up what its programs may
    /// gain, too.
    pub fn has_given_up_all_but(&self, names: &[&str], all: bool) -> Result<()> {
        let kept = set(names);
        let nothing_handed_on = self.inheritable == 0 && self.ambient == 0;
        ensure!(
            self.effective == kept
                && self.permitted == kept
                && nothing_handed_on
                && (!all || self.bounding == kept),
            "not only {names:?} ({kept:x}): {self:x?}"
        );
        ensure!(self.no_new_privileges && self.filtered, "{self:x?}");
        Ok(())
    }

    /// Requires that it holds nothing, whatever it could.
    pub fn holds_nothing(&self) -> Result<()> {
        ensure!(self.effective == 0 && self.permitted == 0, "{self:x?}");
        Ok(())
    }

    /// Requires that it holds nothing, and that no program that it starts does.
    pub fn can_gain_nothing(&self) -> Result<()> {
        self.holds_nothing()?;
        let handed_on = self.inheritable | self.ambient;
        ensure!(handed_on == 0 && self.no_new_privileges, "{self:x?}");
        Ok(())
    }

    /// Whether its system calls are filtered.
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.filtered
    }

    /// Whether it has given anything up for good.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.no_new_privileges || self.filtered
    }
}

/// All threads of a process, its first one first.
pub fn threads(pid: u32) -> Result<Vec<Thread>> {
    let tasks = format!("/proc/{pid}/task");
    let mut ids = Vec::new();
    for task in fs::read_dir(&tasks).context(tasks)? {
        let task = task?;
        let id: u32 = task.file_name().to_string_lossy().parse()?;
        ids.push((id, task.path()));
    }
    ids.sort();
    let status = |(_, path): &(u32, std::path::PathBuf)| {
        Thread::parse(&fs::read_to_string(path.join("status"))?)
    };
    ids.iter().map(status).collect()
}
