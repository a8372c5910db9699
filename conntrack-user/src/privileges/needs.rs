//! From what a run does to the capabilities that this takes. Pure.

use super::CapabilitySet;

/// What a run does, as far as the kernel asks for privileges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// How probes are attached; `None`: not at all.
    pub probes: Option<ProbeUse>,
    pub namespaces: NamespaceUse,
    /// Whether the kernel's counters are read through ctnetlink.
    pub ctnetlink: bool,
    /// Whether top talkers are reported, with the entries they hold and the names of processes.
    pub top: bool,
    /// Whether the commands of `--on-alert` run as another user.
    pub other_user: bool,
    /// Whether files are written whose names are not known at the start.
    pub writes_files: bool,
    pub network: NetworkUse,
    /// Major and minor number of the kernel's release; `None` if it is odd, and taken for a new one.
    pub kernel: Option<(u32, u32)>,
}

/// How probes are attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProbeUse {
    /// Whether any is by fentry on a function of a module.
    pub fentry_in_module: bool,
    /// Whether any is by kprobe.
    pub kprobes: bool,
    /// Whether this kernel opens performance events, which kprobes are, for CAP_SYS_ADMIN only.
    pub paranoid: bool,
}

/// Which network namespaces are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NamespaceUse {
    /// None: a directory laid out like /proc.
    #[default]
    Directory,
    /// The one that ctpulse runs in.
    Own,
    /// Others that were named.
    Named,
    /// All, those that appear later too.
    All,
}

/// What sockets a run has besides those to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkUse {
    /// Whether it accepts connections.
    pub accepts: bool,
    /// Whether it connects to others.
    pub connects: bool,
}

/// When a capability is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStage {
    /// At the start, up to when the probes are attached.
    Attaching,
    /// From then on.
    Reading,
}

/// The thread that needs a capability while reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The one that reads and reports.
    Run,
    /// The one that finds network namespaces.
    Scanner,
    /// The one that lists entries and looks processes up.
    Surveyor,
    /// The one that finds out what addresses belong to.
    Workloads,
}

/// A capability, and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    pub capability: CapabilitySet,
    pub stage: RunStage,
    /// Which threads need it. While attaching there is one.
    pub readers: &'static [Reader],
    /// The option that asks for it; `None`: any run with probes.
    pub option: Option<&'static str>,
    /// What it is for, in words that follow "for".
    pub purpose: &'static str,
    /// What is lost without it.
    pub without: &'static str,
}

/// Since which release bpf(2) changes maps, and tells of programs, that are open without a capability, whatever
/// kernel.unprivileged_bpf_disabled is: commit "bpf: refine kernel.unprivileged_bpf_disabled behaviour".
pub const FREE_IF_OPEN: (u32, u32) = (5, 19);
/// Since which release CAP_BPF and CAP_PERFMON are apart from CAP_SYS_ADMIN.
const BPF_APART: (u32, u32) = (5, 8);
/// Since which release memory of maps does not count against RLIMIT_MEMLOCK.
const MAPS_BY_CGROUP: (u32, u32) = (5, 11);

const RUN: &[Reader] = &[Reader::Run];
const SURVEYOR: &[Reader] = &[Reader::Surveyor];

const NO_PROBES: &str = "no probes";

impl Uses {
    /// Everything that this takes, in the order in which it is needed.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let mut needs = self.attaching();
        needs.extend(self.reading());
        needs
    }

    fn attaching(&self) -> Vec<Need> {
        let need = |capability, option, purpose, without| Need {
            capability,
            stage: RunStage::Attaching,
            readers: RUN,
            option,
            purpose,
            without,
        };
        let mut needs = Vec::new();
        if let Some(probes) = self.probes {
            if self.is_before(BPF_APART) {
                let purpose = "loading eBPF programs and attaching them";
                needs.push(need(CapabilitySet::SYS_ADMIN, None, purpose, NO_PROBES));
            } else {
                let purpose = "loading eBPF programs and making their maps";
                needs.push(need(CapabilitySet::BPF, None, purpose, NO_PROBES));
                let purpose = "programs that read kernel memory, and attaching them";
                needs.push(need(CapabilitySet::PERFMON, None, purpose, NO_PROBES));
            }
            if self.is_before(MAPS_BY_CGROUP) {
                let purpose = "locking the memory of maps, before 5.11";
                let without = "no probes where RLIMIT_MEMLOCK is small";
                needs.push(need(CapabilitySet::SYS_RESOURCE, None, purpose, without));
            }
            if probes.fentry_in_module {
                let purpose = "fentry on functions of a module, whose types only it may look up";
                let without = "kprobes instead of fentry, where those can be had";
                needs.push(need(CapabilitySet::SYS_ADMIN, None, purpose, without));
            }
            if probes.kprobes && probes.paranoid {
                let purpose = "kprobes, as kernel.perf_event_paranoid is above 2";
                needs.push(need(CapabilitySet::SYS_ADMIN, None, purpose, "no kprobes"));
            }
        }
        if self.namespaces == NamespaceUse::Named {
            let without = "--netns takes names and paths, not process ids of other users";
            needs.push(need(
                CapabilitySet::SYS_PTRACE,
                Some("--netns"),
                "opening the network namespaces of other users' processes",
                without,
            ));
        }
        if self.other_user {
            let purpose = "becoming the user that commands run as";
            let without = "--on-alert-user is refused";
            for capability in [CapabilitySet::SETUID, CapabilitySet::SETGID] {
                needs.push(need(capability, Some("--on-alert-user"), purpose, without));
            }
        }
        needs
    }

    fn reading(&self) -> Vec<Need> {
        let need = |capability, readers, option, purpose, without| Need {
            capability,
            stage: RunStage::Reading,
            readers,
            option,
            purpose,
            without,
        };
        let mut needs = Vec::new();
        let others = matches!(self.namespaces, NamespaceUse::Named | NamespaceUse::All);
        if self.probes.is_some() && (others || self.top) && self.is_before(FREE_IF_OPEN) {
            let capability = match self.is_before(BPF_APART) {
                true => CapabilitySet::SYS_ADMIN,
                false => CapabilitySet::BPF,
            };
            let purpose = "changing maps, before 5.19";
            let without = "namespaces and windows of top talkers stay as they were at the start";
            needs.push(need(
                capability,
                RUN,
                Some("--netns, --top"),
                purpose,
                without,
            ));
        }
        if others {
            let both: &[Reader] = &[Reader::Run, Reader::Surveyor];
            let netns = Some("--netns");
            let purpose = "entering other network namespaces";
            let without = "ctpulse's own network namespace only";
            needs.push(need(
                CapabilitySet::SYS_ADMIN,
                both,
                netns,
                purpose,
                without,
            ));
            let purpose = "asking whether any rule tracks connections, while a table is empty";
            let without = "an empty table may be idle, or nothing may track: that is not known";
            needs.push(need(CapabilitySet::NET_ADMIN, RUN, netns, purpose, without));
        }
        if self.namespaces == NamespaceUse::All {
            let readers: &[Reader] = &[
                Reader::Run,
                Reader::Scanner,
                Reader::Surveyor,
                Reader::Workloads,
            ];
            let purpose = "finding and opening the network namespaces of other users' processes";
            let without = "only namespaces with a name, and those of ctpulse's own user";
            let all = Some("--netns all");
            needs.push(need(
                CapabilitySet::SYS_PTRACE,
                readers,
                all,
                purpose,
                without,
            ));
        }
        if self.ctnetlink {
            let purpose = "the kernel's counters through ctnetlink, as where /proc has none";
            let without = "no counter of the kernel's own where /proc has none";
            let option = Some("--source ctnetlink");
            needs.push(need(
                CapabilitySet::NET_ADMIN,
                RUN,
                option,
                purpose,
                without,
            ));
        }
        if self.top {
            let top = Some("--top");
            let purpose = "listing the entries of the table";
            let without = "no table of who holds entries";
            needs.push(need(
                CapabilitySet::NET_ADMIN,
                SURVEYOR,
                top,
                purpose,
                without,
            ));
            let purpose = "the names of other users' processes, and of their containers";
            let without = "no names of other users' processes, and of few containers";
            let both: &[Reader] = &[Reader::Surveyor, Reader::Workloads];
            for capability in [CapabilitySet::SYS_PTRACE, CapabilitySet::DAC_READ_SEARCH] {
                needs.push(need(capability, both, top, purpose, without));
            }
        }
        needs
    }

    fn is_before(&self, release: (u32, u32)) -> bool {
        self.kernel.is_some_and(|kernel| kernel < release)
    }
}

/// What a thread keeps of what it holds, for these needs while reading.
#[must_use]
pub fn kept(needs: &[Need], reader: Reader, held: CapabilitySet) -> CapabilitySet {
    let needed = needs
        .iter()
        .filter(|need| need.stage == RunStage::Reading && need.readers.contains(&reader))
        .fold(CapabilitySet::empty(), |all, need| all | need.capability);
    let kept = needed & held;
    // A process that was given CAP_SYS_ADMIN alone changes maps by that.
    if needed.contains(CapabilitySet::BPF) && !held.contains(CapabilitySet::BPF) {
        return kept | (held & CapabilitySet::SYS_ADMIN);
    }
    kept
}

/// Whether what is held is enough: CAP_SYS_ADMIN allows what CAP_BPF and CAP_PERFMON allow.
#[must_use]
pub fn is_met(need: &Need, held: CapabilitySet) -> bool {
    let of_admin = CapabilitySet::BPF | CapabilitySet::PERFMON;
    held.contains(need.capability)
        || (of_admin.contains(need.capability) && held.contains(CapabilitySet::SYS_ADMIN))
}

#[cfg(test)]
mod tests;
