//! What this process may do on the host.

use std::{fs, io, path::Path};

use super::{Support, host::Host};
use crate::privileges::CapabilitySet;

/// What /proc/PID/ns/user of a process in the initial user namespace leads to: `PROC_USER_INIT_INO` of linux/proc_ns.h.
const INITIAL_USER_NAMESPACE: &str = "user:[4026531837]";

/// How perf_event_paranoid goes on where it is patched as Debian, Android and Ubuntu do: from some level on, 3 or 4, no event can be
/// opened without CAP_SYS_ADMIN, whatever CAP_PERFMON allows elsewhere. Unpatched kernels know no level above this one.
const PARANOID: i32 = 2;

const OUT_OF_NAMESPACE: &str = "sudo ctpulse … on the host itself, or in a container that is not rootless; not below unshare --user";
const ALLOW_BPF: &str =
    "allow bpf(2) in the container's seccomp profile, or in the policy of SELinux or AppArmor";
const ALLOW_PERF: &str = "allow perf_event_open(2) in the container's seccomp profile, or in the policy of SELinux or AppArmor";
const LESS_PARANOID: &str =
    "sudo ctpulse …, or CAP_SYS_ADMIN; or sysctl kernel.perf_event_paranoid=2";

/// What this process may do.
pub(super) struct Privileges {
    /// Whether it may load programs.
    pub(super) probing: Support,
    /// Whether it has CAP_SYS_ADMIN.
    pub(super) admin: bool,
    /// What it holds that counts for the whole kernel; `None` if that cannot be known.
    pub(super) held: Option<CapabilitySet>,
}

impl Privileges {
    pub(super) fn of(host: &Host<'_>) -> Self {
        if !in_initial_user_namespace(host) {
            let seen = "in a user namespace, whose capabilities do not count for probes";
            return Self {
                probing: Support::unless(seen, OUT_OF_NAMESPACE),
                admin: false,
                held: Some(CapabilitySet::empty()),
            };
        }
        let status = match host.read("proc/self/status") {
            Ok(status) => status,
            Err(reason) => return Self::unknown(reason.to_string()),
        };
        let Some(effective) = effective(&status) else {
            return Self::unknown("/proc/self/status has no capabilities".to_owned());
        };
        let admin = effective.contains(CapabilitySet::SYS_ADMIN);
        let lesser = CapabilitySet::BPF | CapabilitySet::PERFMON;
        let probing = if admin || effective.contains(lesser) {
            bpf(host)
        } else {
            Support::no("needs CAP_BPF and CAP_PERFMON, or CAP_SYS_ADMIN: run as root")
        };
        Self {
            probing,
            admin,
            held: Some(effective),
        }
    }

    /// What cannot be known is tried.
    fn unknown(reason: String) -> Self {
        Self {
            probing: Support::Unknown(reason),
            admin: true,
            held: None,
        }
    }

    /// Whether this process may open performance events, which kprobes are.
    pub(super) fn perf_events(&self, host: &Host<'_>) -> Support {
        if matches!(self.probing, Support::No(_)) {
            // The kernel has them; that this process may not is said of its privileges.
            return Support::Yes;
        }
        match host.kernel().perf_event() {
            Ok(()) => Support::Yes,
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                self.why_no_perf_events(host, &error)
            }
            Err(error) => Support::Unknown(format!("perf_event_open: {error}")),
        }
    }

    fn why_no_perf_events(&self, host: &Host<'_>, error: &io::Error) -> Support {
        match paranoid_level(host).filter(|_| !self.admin) {
            Some(level) => Support::unless(
                format!("no kprobes without CAP_SYS_ADMIN: kernel.perf_event_paranoid is {level}"),
                LESS_PARANOID,
            ),
            None => Support::unless(
                format!("the kernel refuses kprobes: perf_event_open: {error}"),
                ALLOW_PERF,
            ),
        }
    }
}

/// The level of perf_event_paranoid, if it is above those that unpatched kernels know.
pub(super) fn paranoid_level(host: &Host<'_>) -> Option<i32> {
    let level = host.read("proc/sys/kernel/perf_event_paranoid").ok()?;
    let level = level.trim().parse().ok()?;
    (level > PARANOID).then_some(level)
}

/// Whether the kernel lets this process use bpf(2), which it should.
fn bpf(host: &Host<'_>) -> Support {
    match host.kernel().map() {
        Ok(()) => Support::Yes,
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Support::unless(format!("the kernel refuses bpf(2): {error}"), ALLOW_BPF)
        }
        Err(error) if error.kind() == io::ErrorKind::Unsupported => {
            Support::no("this kernel has no bpf(2) (CONFIG_BPF_SYSCALL)")
        }
        Err(error) => Support::Unknown(format!("bpf(2): {error}")),
    }
}

/// Whether capabilities of this process count for the whole kernel. Those of a user namespace count for what belongs to that.
fn in_initial_user_namespace(host: &Host<'_>) -> bool {
    match link(&host.path("proc/self/ns/user")) {
        Some(namespace) => namespace == INITIAL_USER_NAMESPACE,
        // Not of a kernel with user namespaces; what cannot be known is tried.
        None => true,
    }
}

fn link(path: &Path) -> Option<String> {
    let to = fs::read_link(path).ok()?;
    to.into_os_string().into_string().ok()
}

/// The effective set of /proc/PID/status: a line like `CapEff: 000001ffffffffff`.
fn effective(status: &str) -> Option<CapabilitySet> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))?;
    let bits = u64::from_str_radix(line.trim(), 16).ok()?;
    Some(CapabilitySet::from_bits_retain(bits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effective_capabilities() {
        let status =
            "Name:\tctpulse\nCapPrm:\t000001ffffffffff\nCapEff:\t000000c000000000\nCapBnd:\t0\n";
        let both = CapabilitySet::BPF | CapabilitySet::PERFMON;
        assert_eq!(effective(status), Some(both));
        assert_eq!(effective("CapEff:\tmany\n"), None);
        assert_eq!(effective("Name:\tctpulse\n"), None);
    }
}
