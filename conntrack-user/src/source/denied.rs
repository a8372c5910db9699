//! Why the kernel denies this process something, and what would help: root is not always root.

use std::{fmt, fs, path::Path};

use crate::files;

/// What this process is to the kernel.
const STATUS: &str = "/proc/self/status";
const USER_NAMESPACE: &str = "/proc/self/ns/user";

/// The most bytes of [`STATUS`], which has some 1,500.
const STATUS_BYTES: u64 = 64 << 10;

/// What [`USER_NAMESPACE`] leads to in the initial user namespace: `PROC_USER_INIT_INO` of linux/proc_ns.h.
const INITIAL: &str = "user:[4026531837]";

/// Capabilities that something takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Needed {
    /// Their bits: linux/capability.h.
    bits: u64,
    /// Their names, for messages.
    names: &'static str,
}

/// To read any file.
pub const ANY_FILE: Needed = Needed {
    bits: 1 << 2,
    names: "CAP_DAC_READ_SEARCH",
};

/// To open another process's namespaces, and to enter them.
pub const OTHER_NAMESPACE: Needed = Needed {
    bits: 1 << 19 | 1 << 21,
    names: "CAP_SYS_PTRACE (to open it) and CAP_SYS_ADMIN (to enter it)",
};

/// To be answered by ctnetlink.
pub const NETLINK: Needed = Needed {
    bits: 1 << 12,
    names: "CAP_NET_ADMIN",
};

/// What would help a process that was denied something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeniedRemedy {
    /// It is not root.
    BeRoot,
    /// It is root in a user namespace only.
    LeaveUserNamespace,
    /// It is root without these capabilities, as in a container.
    Grant(&'static str),
    /// It has what it takes: something else refuses.
    SecurityModule,
}

impl DeniedRemedy {
    /// For this process, which was denied what takes these capabilities.
    #[must_use]
    pub fn after_denial(needed: Needed) -> Self {
        let status = files::read_start(Path::new(STATUS), STATUS_BYTES).unwrap_or_default();
        let namespace = fs::read_link(USER_NAMESPACE).ok();
        let initial = namespace.is_none_or(|namespace| namespace == Path::new(INITIAL));
        Self::of(needed, &status, initial)
    }

    /// For a process with this /proc/PID/status, in the initial user namespace or not.
    fn of(needed: Needed, status: &str, initial: bool) -> Self {
        let field = |name: &str, word: usize| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().nth(word)
        };
        // A line like `Uid: 1000 1000 1000 1000`, of which the second is in effect.
        let root = field("Uid:", 1).is_none_or(|uid| uid == "0");
        let effective = field("CapEff:", 0).and_then(|set| u64::from_str_radix(set, 16).ok());
        let has_all = effective.is_none_or(|effective| effective & needed.bits == needed.bits);
        match (initial, has_all, root) {
            (true, true, _) => Self::SecurityModule,
            (true, false, true) => Self::Grant(needed.names),
            (_, _, false) => Self::BeRoot,
            (false, _, true) => Self::LeaveUserNamespace,
        }
    }
}

impl fmt::Display for DeniedRemedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BeRoot => f.write_str("run as root"),
            Self::LeaveUserNamespace => f.write_str(
                "root of a user namespace (a rootless container) is not root of what lies outside it: run as the \
                 host's root",
            ),
            Self::Grant(names) => write!(f, "this root lacks {names}: grant it"),
            Self::SecurityModule => f.write_str(
                "not for want of a capability: SELinux, AppArmor or seccomp may refuse it",
            ),
        }
    }
}

/// A remedy at the end of a message, if there is any.
pub(super) struct Advised(pub(super) Option<DeniedRemedy>);

impl fmt::Display for Advised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(advice) => write!(f, "; {advice}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: &str = "000001ffffffffff";

    fn advice(needed: Needed, uid: u32, capabilities: &str, initial: bool) -> DeniedRemedy {
        let status = format!(
            "Name:\tctpulse\nUid:\t1000\t{uid}\t{uid}\t{uid}\nCapPrm:\t{ALL}\nCapEff:\t{capabilities}\n"
        );
        DeniedRemedy::of(needed, &status, initial)
    }

    #[test]
    fn the_advice_names_what_is_missing() {
        assert_eq!(advice(NETLINK, 1000, "0", true), DeniedRemedy::BeRoot);
        // As in a container of Docker: root, without CAP_SYS_PTRACE and CAP_SYS_ADMIN.
        let container = advice(OTHER_NAMESPACE, 0, "00000000a80425fb", true);
        let text = container.to_string();
        for name in ["CAP_SYS_PTRACE", "CAP_SYS_ADMIN"] {
            assert!(text.contains(name), "{text}");
        }
        assert_eq!(
            advice(OTHER_NAMESPACE, 0, ALL, false),
            DeniedRemedy::LeaveUserNamespace
        );
        assert_eq!(
            advice(OTHER_NAMESPACE, 0, ALL, true),
            DeniedRemedy::SecurityModule
        );
        // One of two capabilities is not enough, and an ordinary user may have been given both.
        assert_eq!(
            advice(OTHER_NAMESPACE, 0, "0000000000080000", true),
            DeniedRemedy::Grant(OTHER_NAMESPACE.names)
        );
        assert_eq!(
            advice(ANY_FILE, 1000, ALL, true),
            DeniedRemedy::SecurityModule
        );
    }

    #[test]
    fn what_is_not_known_is_taken_for_root_with_everything() {
        assert_eq!(
            DeniedRemedy::of(NETLINK, "", true),
            DeniedRemedy::SecurityModule
        );
        assert_eq!(
            DeniedRemedy::of(NETLINK, "", false),
            DeniedRemedy::LeaveUserNamespace
        );
    }
}
