//! What probes require of a host, in the words of the report.

use crate::{
    output::doctor::{DoctorFinding, RequirementStatus},
    probes::facts::Support,
};

/// A requirement of the probes.
pub(super) struct Requirement {
    pub(super) name: &'static str,
    /// The message when it is met.
    pub(super) met: &'static str,
    /// What is lost when it is not met.
    pub(super) consequence: &'static str,
    /// How to fix it, as a rule.
    pub(super) fix: &'static str,
}

pub(super) const NO_PROBES: &str =
    "no probes: no new, inserted, deleted, no milliseconds, no events, no check";

pub(super) const CONNTRACK: Requirement = Requirement {
    name: "nf_conntrack",
    met: "loaded",
    consequence: "nothing to count yet; a stream waits for it and goes on when it comes",
    fix: "modprobe nf_conntrack",
};
pub(super) const OBJECT: Requirement = Requirement {
    name: "eBPF programs",
    met: "embedded in this binary",
    consequence: NO_PROBES,
    fix: "cargo xtask build",
};
pub(super) const PRIVILEGES: Requirement = Requirement {
    name: "privileges",
    met: "may load and attach probes",
    consequence: NO_PROBES,
    fix: "sudo ctpulse …; in a container also --cap-add SYS_ADMIN (or BPF and PERFMON) and NET_ADMIN",
};
pub(super) const LOCKDOWN: Requirement = Requirement {
    name: "lockdown",
    met: "kernel memory may be read",
    consequence: NO_PROBES,
    fix: "boot with lockdown=integrity; it cannot be lifted while the kernel runs",
};
pub(super) const KPROBES: Requirement = Requirement {
    name: "kprobes",
    met: "offered by this kernel",
    consequence: NO_PROBES,
    fix: "a kernel with CONFIG_KPROBE_EVENTS=y, as distributions have; it cannot be added while the kernel runs",
};
pub(super) const FUNCTIONS: Requirement = Requirement {
    name: "kernel functions",
    met: "/proc/kallsyms is readable",
    consequence: NO_PROBES,
    fix: "mount -t proc proc /proc, or a kernel with CONFIG_KALLSYMS=y",
};
pub(super) const TYPES: Requirement = Requirement {
    name: "type information",
    met: "/sys/kernel/btf/vmlinux has the fields",
    consequence: NO_PROBES,
    fix: "a kernel with CONFIG_DEBUG_INFO_BTF=y; in a container, mount the host's /sys",
};
pub(super) const CPUS: Requirement = Requirement {
    name: "CPUs",
    met: "known",
    consequence: NO_PROBES,
    fix: "mount -t sysfs sysfs /sys",
};
pub(super) const MISSED_HITS: Requirement = Requirement {
    name: "missed hits",
    met: "this kernel tells how many probe hits it missed",
    consequence: "a count that falls short is shown as WRONG!, though missed hits may be the cause",
    fix: "a kernel from 6.7 on; where all probes are by fentry, from 5.12 on",
};

pub(super) fn ok(name: &'static str, detail: String) -> DoctorFinding {
    DoctorFinding {
        name,
        status: RequirementStatus::Ok,
        detail,
        consequence: None,
        fix: None,
    }
}

/// A requirement that is not met, and how to fix that where it is not as usual.
pub(super) fn cannot(
    requirement: &Requirement,
    seen: String,
    fix: Option<&'static str>,
) -> DoctorFinding {
    DoctorFinding {
        status: RequirementStatus::Missing,
        consequence: Some(requirement.consequence.to_owned()),
        fix: Some(fix.unwrap_or(requirement.fix).to_owned()),
        ..ok(requirement.name, seen)
    }
}

pub(super) fn requirement(requirement: &Requirement, support: &Support) -> DoctorFinding {
    let Requirement { name, met, .. } = *requirement;
    match support {
        Support::Yes => ok(name, met.to_owned()),
        Support::No(lack) => cannot(requirement, lack.seen.clone(), lack.fix),
        Support::Unknown(reason) => DoctorFinding {
            status: RequirementStatus::Unknown,
            ..ok(name, format!("unknown ({reason}); attaching will be tried"))
        },
    }
}
