//! What the host offers for probing. Facts only: `plan` decides.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use aya::{
    programs::{ProgramError, ProgramType},
    sys::is_program_supported,
};
use conntrack_ebpf::table;
use rustix::thread::{CapabilitySet, capabilities};
use thiserror::Error;

use super::{
    error::chain,
    fentry::FentryError,
    kallsyms::Symbols,
    object::OBJECT,
    offsets::{FentryTarget, FieldOffsets, TypesError},
};
use crate::{files, reading::cpus::cpu_list};

/// Whether the host supports something. Unknown is not the same as no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// It does.
    Yes,
    /// It does not; the text says how that was seen.
    No(String),
    /// It could not be found out; the text says why.
    Unknown(String),
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
    /// The file does not list CPUs.
    #[error("{}: cannot read {text:?}", path.display())]
    CpuList {
        /// The file.
        path: PathBuf,
        /// What is in it.
        text: String,
    },
}

/// Why no program is attached by fentry.
#[derive(Clone, Debug, Error)]
pub enum NoFentry {
    /// None of the functions is in the kernel's types.
    #[error("the kernel has no type information of nf_conntrack (CONFIG_DEBUG_INFO_BTF_MODULES)")]
    NoFunctions,
    /// The kernel's types cannot be read.
    #[error(transparent)]
    Types(TypesError),
    /// This process may not have the type information of modules.
    #[error("it takes CAP_SYS_ADMIN where nf_conntrack is a module")]
    NotAdmin,
    /// The kernel does not support fentry.
    #[error("this kernel has no trampolines for programs")]
    NoTrampolines,
    /// The kernel refused the program that tests whether fentry works.
    #[error("the kernel refuses it: {}", chain(.0.as_ref()))]
    Refused(Arc<ProgramError>),
    /// The user asked for kprobes.
    #[error("turned off with --no-fentry")]
    TurnedOff,
    /// The kernel's types do not have this function.
    #[error("the kernel's type information does not have the function")]
    NoFunction,
    /// The kernel refused a program, though it should have run it.
    #[error(transparent)]
    Attach(Arc<FentryError>),
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
    /// The functions that fentry can be used on, at least one; or why it cannot be used.
    pub fentry: Result<Vec<FentryTarget>, NoFentry>,
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
pub fn object(bytes: &[u8]) -> Support {
    if bytes.is_empty() {
        Support::No(
            "this binary was built without its eBPF programs; build it with `cargo xtask build`"
                .to_owned(),
        )
    } else {
        Support::Yes
    }
}

impl HostFacts {
    /// Reads files below /proc and /sys, and asks the kernel for capabilities and program types.
    #[must_use]
    pub fn probe() -> Self {
        // A function can be of several rows.
        let functions: BTreeSet<_> = table::functions().map(|function| function.name).collect();
        let functions = Vec::from_iter(functions);
        let (offsets, fentry) = types(&functions);
        Self {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            object: object(OBJECT),
            capabilities: probing_capabilities(),
            lockdown: lockdown(read(Path::new("/sys/kernel/security/lockdown"))),
            kprobes: kprobes(),
            conntrack: conntrack(),
            symbols: read(Path::new("/proc/kallsyms"))
                .map(|text| Symbols::parse(&text, &functions)),
            offsets,
            fentry,
            without_fentry: Vec::new(),
            disproved: Vec::new(),
            cpus: cpu_ids(Path::new("/sys/devices/system/cpu/possible")),
        }
    }

    /// A host that supports everything except fentry, for tests; they change one thing.
    #[cfg(test)]
    pub(crate) fn capable() -> Self {
        Self {
            kernel: "6.12.0".to_owned(),
            object: Support::Yes,
            capabilities: Support::Yes,
            lockdown: Support::Yes,
            kprobes: Support::Yes,
            conntrack: Support::Yes,
            symbols: Ok(Symbols::of(
                table::functions().map(|function| function.name),
            )),
            offsets: Ok(FieldOffsets::complete()),
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
        let target = targets.iter().find(|target| target.function == function);
        target.copied().ok_or(NoFentry::NoFunction)
    }
}

/// The most bytes that are read of a file. The longest, /proc/kallsyms, has some 10 MB.
const LARGEST_FILE: u64 = 256 << 20;

fn read(path: &Path) -> Result<String, FactError> {
    let unreadable = |cause| FactError::Read {
        path: path.to_owned(),
        cause: Arc::new(cause),
    };
    let bytes = files::read(path, LARGEST_FILE).map_err(unreadable)?;
    String::from_utf8(bytes)
        .map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "is not text")))
}

/// The offsets of kernel fields, and the functions that fentry can be used on.
fn types(
    functions: &[&'static str],
) -> (
    Result<FieldOffsets, TypesError>,
    Result<Vec<FentryTarget>, NoFentry>,
) {
    match FieldOffsets::read(Path::new("/sys/kernel/btf"), functions) {
        Ok((offsets, targets)) => {
            let usable = usable(targets, has_capability(CapabilitySet::SYS_ADMIN));
            (
                Ok(offsets),
                usable.and_then(|targets| trampolines().map(|()| targets)),
            )
        }
        Err(reason) => (Err(reason.clone()), Err(NoFentry::Types(reason))),
    }
}

/// Those of the functions that this process may put trampolines on: the type information of a module takes CAP_SYS_ADMIN to have
/// (`bpf_btf_get_fd_by_id`, `bpf_obj_get_next_id`).
fn usable(targets: Vec<FentryTarget>, admin: bool) -> Result<Vec<FentryTarget>, NoFentry> {
    let (in_module, built_in): (Vec<_>, Vec<_>) =
        targets.iter().partition(|target| target.in_module);
    match (in_module.is_empty(), built_in.is_empty()) {
        (true, true) => Err(NoFentry::NoFunctions),
        (false, true) if !admin => Err(NoFentry::NotAdmin),
        (false, false) if !admin => Ok(built_in),
        _ => Ok(targets),
    }
}

/// Tests whether the kernel runs programs by trampolines, on a function that it has for tests (`bpf_fentry_test1`): some kernels
/// have the functions in their type information and refuse nevertheless.
fn trampolines() -> Result<(), NoFentry> {
    match is_program_supported(ProgramType::Tracing) {
        Ok(true) => Ok(()),
        Ok(false) => Err(NoFentry::NoTrampolines),
        Err(error) => Err(NoFentry::Refused(Arc::new(error))),
    }
}

/// Whether this process has a capability. What cannot be known is tried.
fn has_capability(capability: CapabilitySet) -> bool {
    capabilities(None).map_or(true, |sets| sets.effective.contains(capability))
}

fn probing_capabilities() -> Support {
    match capabilities(None) {
        Err(e) => Support::Unknown(format!("capget: {e}")),
        Ok(sets) => {
            let has = |capability| sets.effective.contains(capability);
            // CAP_SYS_ADMIN stands for both, and some hosts want it instead of CAP_PERFMON: for kallsyms, or with
            // perf_event_paranoid = 3.
            if has(CapabilitySet::SYS_ADMIN)
                || (has(CapabilitySet::BPF) && has(CapabilitySet::PERFMON))
            {
                Support::Yes
            } else {
                Support::No(
                    "needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN: run as root".to_owned(),
                )
            }
        }
    }
}

/// Parses text such as `[none] integrity confidentiality`: the mode in brackets is in force.
fn lockdown(text: Result<String, FactError>) -> Support {
    match text {
        Ok(text) if text.contains("[confidentiality]") => Support::No(
            "the kernel is locked down (confidentiality): it refuses reads of kernel memory"
                .to_owned(),
        ),
        Ok(_) => Support::Yes,
        // Without securityfs, or without the lockdown module, there is most likely no lockdown.
        Err(reason) => Support::Unknown(reason.to_string()),
    }
}

fn kprobes() -> Support {
    let pmu = Path::new("/sys/bus/event_source/devices/kprobe/type");
    match pmu.try_exists() {
        Ok(true) => Support::Yes,
        Ok(false) if Path::new("/sys/bus/event_source/devices").exists() => {
            Support::No("this kernel has no kprobes (CONFIG_KPROBE_EVENTS)".to_owned())
        }
        Ok(false) => Support::Unknown("sysfs is not mounted at /sys".to_owned()),
        Err(e) => Support::Unknown(format!("{}: {e}", pmu.display())),
    }
}

fn conntrack() -> Support {
    // Its parameters are here, whether it is built in or a module.
    match Path::new("/sys/module/nf_conntrack").try_exists() {
        Ok(true) => Support::Yes,
        Ok(false) => Support::No(
            "nf_conntrack is not loaded; it comes with the first firewall rule that tracks \
             connections, or with `modprobe nf_conntrack`"
                .to_owned(),
        ),
        Err(e) => Support::Unknown(format!("/sys/module/nf_conntrack: {e}")),
    }
}

/// The highest id of a list of CPUs like `0-3,8`, plus one.
fn cpu_ids(path: &Path) -> Result<u32, FactError> {
    let text = read(path)?;
    let highest = cpu_list(&text).and_then(|ids| ids.last().copied());
    highest.map(|id| id + 1).ok_or_else(|| FactError::CpuList {
        path: path.to_owned(),
        text,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_of_a_module_take_an_administrator() {
        let target = |function, in_module| FentryTarget {
            function,
            id: 1,
            in_module,
        };
        let names = |result: Result<Vec<FentryTarget>, NoFentry>| -> Result<Vec<&str>, String> {
            let names = result.map(|targets| targets.iter().map(|t| t.function).collect());
            names.map_err(|reason| reason.to_string())
        };
        let module = vec![target("early_drop", true)];
        assert_eq!(names(usable(module.clone(), true)), Ok(vec!["early_drop"]));
        let refused = names(usable(module, false)).unwrap_err();
        assert!(refused.contains("CAP_SYS_ADMIN"), "{refused}");
        let mixed = vec![target("early_drop", true), target("nf_conntrack_in", false)];
        assert_eq!(names(usable(mixed, false)), Ok(vec!["nf_conntrack_in"]));
        let none = names(usable(Vec::new(), true)).unwrap_err();
        assert!(none.contains("no type information"), "{none}");
    }

    #[test]
    fn cpu_ids_of_lists() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("possible");
        let of = |text: &str| {
            std::fs::write(&path, text).unwrap();
            cpu_ids(&path).map_err(|error| error.to_string())
        };
        assert_eq!(of("0\n"), Ok(1));
        assert_eq!(of("0-7\n"), Ok(8));
        assert_eq!(of("0-3,8-11\n"), Ok(12));
        assert_eq!(of("0,2,5\n"), Ok(6));
        let error = of("").unwrap_err();
        assert_eq!(error, format!("{}: cannot read \"\"", path.display()));
    }

    #[test]
    fn lockdown_modes() {
        let of = |text: &str| lockdown(Ok(text.to_owned()));
        assert_eq!(of("[none] integrity confidentiality\n"), Support::Yes);
        assert_eq!(of("none [integrity] confidentiality\n"), Support::Yes);
        assert!(matches!(
            of("none integrity [confidentiality]\n"),
            Support::No(_)
        ));
        let gone = read(Path::new("no/such/file"));
        assert!(matches!(lockdown(gone), Support::Unknown(_)));
    }
}
