//! What the host offers. Read once, told apart from what is decided about it.

use std::{fs, path::Path};

use aya::{programs::ProgramType, sys::is_program_supported};
use rustix::thread::{CapabilitySet, capabilities};

use crate::probes::{attach::chain, kallsyms::Symbols, layout::Layout, spec::wanted_functions};

/// Whether the host has something. Not knowing is not the same as no.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Support {
    /// It has.
    Yes,
    /// It has not; the text says how that was seen.
    No(String),
    /// It could not be found out; the text says why.
    Unknown(String),
}

/// What the host offers for probing nf_conntrack.
#[derive(Clone, Debug)]
pub struct HostFacts {
    /// Kernel release.
    pub kernel: String,
    /// Whether this binary carries its eBPF programs.
    pub object: Support,
    /// CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN.
    pub capabilities: Support,
    /// Whether lockdown leaves bpf_probe_read_kernel alone.
    pub lockdown: Support,
    /// Whether the kernel has kprobes.
    pub kprobes: Support,
    /// Whether nf_conntrack is there: built in, or its module loaded.
    pub conntrack: Support,
    /// The functions of interest.
    pub symbols: Result<Symbols, String>,
    /// Offsets of kernel fields.
    pub layout: Result<Layout, String>,
    /// The functions that fentry can be had for, at least one; or why it cannot be had.
    pub fentry: Result<Vec<&'static str>, String>,
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: Result<u32, String>,
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
    /// Looks at the host.
    #[must_use]
    pub fn probe() -> Self {
        let wanted = wanted_functions();
        let (layout, fentry) = types(&wanted);
        Self {
            kernel: rustix::system::uname()
                .release()
                .to_string_lossy()
                .into_owned(),
            object: object(crate::probes::attach::OBJECT),
            capabilities: probing_capabilities(),
            lockdown: lockdown(read("/sys/kernel/security/lockdown")),
            kprobes: kprobes(),
            conntrack: conntrack(),
            symbols: read("/proc/kallsyms").map(|text| Symbols::parse(&text, &wanted)),
            layout,
            fentry,
            cpus: read("/sys/devices/system/cpu/possible").and_then(|text| cpu_ids(&text)),
        }
    }
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))
}

/// Where the fields are, and which functions fentry can be had for.
fn types(wanted: &[&'static str]) -> (Result<Layout, String>, Result<Vec<&'static str>, String>) {
    match Layout::read(Path::new("/sys/kernel/btf"), wanted) {
        Ok((layout, functions)) if functions.is_empty() => (
            Ok(layout),
            Err("nf_conntrack is a module here: fentry is for functions of vmlinux".to_owned()),
        ),
        Ok((layout, functions)) => (Ok(layout), trampolines().map(|()| functions)),
        Err(reason) => (Err(reason.clone()), Err(reason)),
    }
}

/// Whether the kernel lets programs run by trampolines: tried out, on a function that the kernel has for
/// tests (`bpf_fentry_test1`). Some have functions in their type information and refuse all the same.
fn trampolines() -> Result<(), String> {
    match is_program_supported(ProgramType::Tracing) {
        Ok(true) => Ok(()),
        Ok(false) => Err("this kernel has no trampolines for programs".to_owned()),
        Err(error) => Err(format!("the kernel refuses it: {}", chain(&error))),
    }
}

fn probing_capabilities() -> Support {
    match capabilities(None) {
        Err(e) => Support::Unknown(format!("capget: {e}")),
        Ok(sets) => {
            let has = |cap| sets.effective.contains(cap);
            // CAP_SYS_ADMIN too: kallsyms and perf_event_paranoid = 3 ask for it, not CAP_PERFMON.
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

/// `[none] integrity confidentiality`: the one in brackets is in force.
fn lockdown(text: Result<String, String>) -> Support {
    match text {
        Ok(text) if text.contains("[confidentiality]") => Support::No(
            "the kernel is locked down (confidentiality): it refuses reads of kernel memory"
                .to_owned(),
        ),
        Ok(_) => Support::Yes,
        // Without securityfs, or without the lockdown module, there is none to speak of.
        Err(reason) => Support::Unknown(reason),
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
    // Built in or a module: both have their parameters here.
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

/// The highest id of a list like `0-3,8` plus one.
fn cpu_ids(list: &str) -> Result<u32, String> {
    list.trim()
        .rsplit([',', '-'])
        .next()
        .and_then(|last| last.parse::<u32>().ok())
        .map(|last| last + 1)
        .ok_or_else(|| format!("/sys/devices/system/cpu/possible: cannot read {list:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_ids_of_lists() {
        assert_eq!(cpu_ids("0\n"), Ok(1));
        assert_eq!(cpu_ids("0-7\n"), Ok(8));
        assert_eq!(cpu_ids("0-3,8-11\n"), Ok(12));
        assert_eq!(cpu_ids("0,2,5\n"), Ok(6));
        assert!(cpu_ids("").is_err());
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
        assert!(matches!(
            lockdown(Err("gone".to_owned())),
            Support::Unknown(_)
        ));
    }
}
