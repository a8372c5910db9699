//! What the host offers for probing. Facts only: `plan` decides.

mod host;
mod privileges;
#[cfg(test)]
pub(crate) mod simulated;
mod trampolines;
mod types;

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, BufReader, Read},
    path::PathBuf,
    sync::Arc,
};

use conntrack_ebpf::table;
use thiserror::Error;

use self::{
    host::LARGEST_FILE,
    privileges::{Privileges, paranoid_level},
    types::{cast, types},
};
pub use self::{
    host::{Host, KernelAnswers, running_release},
    trampolines::{FentryTargets, NoFentry},
};

use super::{
    kallsyms::Symbols,
    object::is_embedded,
    offsets::{FentryTarget, FieldOffsets, TypesError},
};
use crate::{privileges::CapabilitySet, reading::cpus::cpu_list};

/// Whether the host supports something. Unknown is not the same as no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// It does not.
    No(Lack),
    /// It could not be found out; the text says why.
    Unknown(String),
}

/// What a host lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lack {
    /// How that was seen, for users.
    pub seen: String,
    /// What to do about it, where it is not what one usually does.
    pub fix: Option<&'static str>,
}

impl Support {
    /// It does not, and is fixed as usual.
    #[must_use]
    pub fn no(seen: impl Into<String>) -> Self {
        Self::No(Lack {
            seen: seen.into(),
            fix: None,
        })
    }

    /// It does not, and this is what to do about it.
    fn unless(seen: impl Into<String>, fix: &'static str) -> Self {
        Self::No(Lack {
            seen: seen.into(),
            fix: Some(fix),
        })
    }
}

/// Why a fact about the host is not known.
#[derive(Clone, Debug, Error)]
pub enum FactError {
    /// The file could not be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        cause: Arc<io::Error>,
    },
    /// The file is hidden with everything else that is not of a process.
    #[error("{} is mounted with subset=pid, which hides {}", proc.display(), path.display())]
    Hidden {
        /// Where procfs is mounted.
        proc: PathBuf,
        /// The file.
        path: PathBuf,
    },
    /// The file has none of the functions.
    #[error("{} has no function of nf_conntrack", .0.display())]
    NoFunctions(PathBuf),
    /// The file does not list CPUs.
    #[error("{}: cannot read {text:?}", path.display())]
    CpuList {
        /// The file.
        path: PathBuf,
        /// What is in it.
        text: String,
    },
}

impl FactError {
    /// What to do about it, where it is not what one usually does.
    #[must_use]
    pub const fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Hidden { .. } => Some(
                "ProcSubset=all in its systemd unit; or mount -t proc proc /proc, without subset=pid",
            ),
            Self::NoFunctions(_) => Some(
                "a kernel with CONFIG_KALLSYMS=y; in a container or sandbox, the host's /proc/kallsyms",
            ),
            Self::Read { .. } | Self::CpuList { .. } => None,
        }
    }
}

/// What the host offers for probing nf_conntrack.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Kernel release, as `uname -r` prints it.
    pub kernel: String,
    /// Whether this binary carries its eBPF programs.
    pub object: Support,
    /// CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN.
    pub capabilities: Support,
    /// What this process holds that counts for the whole kernel; `None` if that cannot be known.
    pub held: Option<CapabilitySet>,
    /// Whether kernel.perf_event_paranoid keeps kprobes for CAP_SYS_ADMIN.
    pub paranoid: bool,
    /// Whether kernel lockdown allows bpf_probe_read_kernel.
    pub lockdown: Support,
    /// Whether the kernel has kprobes.
    pub kprobes: Support,
    /// Whether nf_conntrack is built in, or its module loaded.
    pub conntrack: Support,
    /// Which of the functions that may be probed the kernel has.
    pub symbols: Result<Symbols, FactError>,
    /// Offsets of the kernel fields that programs read.
    pub offsets: Result<FieldOffsets, TypesError>,
    /// The kernel's function that casts addresses to types, if programs may call it: its number in the types of vmlinux.
    pub cast: Option<u32>,
    /// The functions that fentry can be used on, at least one; or why it cannot be used.
    pub fentry: Result<FentryTargets, NoFentry>,
    /// Functions that are to be probed by kprobe nevertheless.
    pub without_fentry: Vec<String>,
    /// Functions that are left to their alternatives.
    pub disproved: Vec<Disproved>,
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: Result<u32, FactError>,
}

/// A function that counts what cannot be right: not all calls pass it, for example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("what {function} counted broke {law}")]
pub struct Disproved {
    pub function: &'static str,
    /// The law of conservation that the counts broke.
    pub law: &'static str,
}

/// Whether this binary carries its eBPF programs.
#[must_use]
pub fn object(is_embedded: bool) -> Support {
    match is_embedded {
        true => Support::Yes,
        false => Support::no(
            "this binary was built without its eBPF programs; build it with `cargo xtask build`",
        ),
    }
}

impl HostFacts {
    /// Reads files below /proc and /sys of this host, and asks its kernel.
    #[must_use]
    pub fn probe() -> Self {
        Self::of(&Host::this())
    }

    /// The facts about a host.
    #[must_use]
    pub fn of(host: &Host<'_>) -> Self {
        // A function can be of several rows.
        let functions: BTreeSet<_> = table::functions().map(|function| function.name).collect();
        let functions = Vec::from_iter(functions);
        let privileges = Privileges::of(host);
        let conntrack = conntrack(host);
        let symbols = symbols(host, &functions, &conntrack);
        let (offsets, fentry) = types(host, &functions, &symbols, &privileges);
        let kprobes = kprobes(host, &privileges);
        let fentry = fentry.and_then(|targets| match (is_realtime(host), &kprobes) {
            (true, Support::Yes) => Err(NoFentry::Realtime),
            _ => Ok(targets),
        });
        let cast = offsets
            .as_ref()
            .ok()
            .and_then(|offsets| cast(host, offsets, &privileges));
        Self {
            kernel: host.release(),
            object: object(is_embedded()),
            lockdown: lockdown(host.read("sys/kernel/security/lockdown")),
            kprobes,
            symbols,
            capabilities: privileges.probing,
            held: privileges.held,
            paranoid: paranoid_level(host).is_some(),
            conntrack,
            offsets,
            cast,
            fentry,
            without_fentry: Vec::new(),
            disproved: Vec::new(),
            cpus: cpu_ids(host),
        }
    }

    /// A host that supports everything except fentry, for tests; they change one thing.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn capable() -> Self {
        Self {
            kernel: "6.12.0".to_owned(),
            object: Support::Yes,
            capabilities: Support::Yes,
            held: Some(CapabilitySet::all()),
            paranoid: false,
            lockdown: Support::Yes,
            kprobes: Support::Yes,
            conntrack: Support::Yes,
            symbols: Ok(Symbols::of(
                table::functions().map(|function| function.name),
            )),
            offsets: Ok(FieldOffsets::complete()),
            cast: None,
            fentry: Err(NoFentry::NoFunctions),
            without_fentry: Vec::new(),
            disproved: Vec::new(),
            cpus: Ok(2),
        }
    }

    /// What a trampoline for a function is made with.
    ///
    /// # Errors
    ///
    /// Why there can be none.
    pub fn fentry_target(&self, function: &str) -> Result<FentryTarget, NoFentry> {
        let targets = self.fentry.as_ref().map_err(Clone::clone)?;
        if self.without_fentry.iter().any(|name| name == function) {
            return Err(NoFentry::TurnedOff);
        }
        targets.get(function)
    }
}

/// How much of /proc/kallsyms is in memory at a time.
const PIECE: usize = 64 << 10;

/// Which of the functions the kernel has. Their addresses, which are 0 for those who may not see them, are not needed.
fn symbols(host: &Host<'_>, functions: &[&str], conntrack: &Support) -> Result<Symbols, FactError> {
    let file = "proc/kallsyms";
    let read = |file: File| {
        let lines = BufReader::with_capacity(PIECE, file.take(LARGEST_FILE));
        Symbols::read(lines, functions)
    };
    let symbols = host.read_by(file, read).map_err(|error| match error {
        FactError::Read { path, cause }
            if cause.kind() == io::ErrorKind::NotFound && host.proc().has_processes_only() =>
        {
            let proc = host.path("proc");
            FactError::Hidden { proc, path }
        }
        error => error,
    })?;
    // Those of a module come with it.
    if symbols.is_empty() && !matches!(conntrack, Support::No(_)) {
        return Err(FactError::NoFunctions(host.path(file)));
    }
    Ok(symbols)
}

/// Parses text such as `[none] integrity confidentiality`: the mode in brackets is in force.
fn lockdown(text: Result<String, FactError>) -> Support {
    match text {
        Ok(text) if text.contains("[confidentiality]") => Support::no(
            "the kernel is locked down (confidentiality): it refuses reads of kernel memory",
        ),
        Ok(_) => Support::Yes,
        // Without securityfs, or without the lockdown module, there is most likely no lockdown.
        Err(reason) => Support::Unknown(reason.to_string()),
    }
}

/// Whether kprobes can be had: those of this kernel, by this process.
fn kprobes(host: &Host<'_>, privileges: &Privileges) -> Support {
    let pmu = host.path("sys/bus/event_source/devices/kprobe/type");
    match pmu.try_exists() {
        Ok(true) => privileges.perf_events(host),
        Ok(false) if host.path("sys/bus/event_source/devices").exists() => {
            Support::no("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)")
        }
        Ok(false) => Support::Unknown("sysfs is not mounted at /sys".to_owned()),
        Err(e) => Support::Unknown(format!("{}: {e}", pmu.display())),
    }
}

/// Whether the kernel is built with CONFIG_PREEMPT_RT, which is in its version (`init/version-timestamp.c`).
fn is_realtime(host: &Host<'_>) -> bool {
    host.read("proc/version")
        .is_ok_and(|version| version.split_whitespace().any(|word| word == "PREEMPT_RT"))
}

fn conntrack(host: &Host<'_>) -> Support {
    // Its parameters are here, whether it is built in or a module.
    let module = host.path("sys/module/nf_conntrack");
    match module.try_exists() {
        Ok(true) => Support::Yes,
        Ok(false) => Support::no(
            "nf_conntrack is not loaded; it comes with the first firewall rule that tracks \
             connections, or with `modprobe nf_conntrack`",
        ),
        Err(e) => Support::Unknown(format!("{}: {e}", module.display())),
    }
}

/// The highest id of a list of CPUs like `0-3,8`, plus one.
fn cpu_ids(host: &Host<'_>) -> Result<u32, FactError> {
    let file = "sys/devices/system/cpu/possible";
    let text = host.read(file)?;
    let highest = cpu_list(&text).and_then(|ids| ids.last().copied());
    highest.map(|id| id + 1).ok_or_else(|| FactError::CpuList {
        path: host.path(file),
        text,
    })
}

#[cfg(test)]
mod tests;
