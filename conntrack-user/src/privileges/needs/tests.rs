use super::*;

const FENTRY: ProbeUse = ProbeUse {
    fentry_in_module: true,
    kprobes: false,
    paranoid: true,
};

const KPROBES: ProbeUse = ProbeUse {
    fentry_in_module: false,
    kprobes: true,
    paranoid: false,
};

/// A run with probes in its own namespace, on a new kernel.
fn plain(probes: ProbeUse) -> Uses {
    Uses {
        probes: Some(probes),
        namespaces: NamespaceUse::Own,
        kernel: Some((6, 12)),
        ..Uses::default()
    }
}

fn of(uses: &Uses, stage: RunStage) -> CapabilitySet {
    let needs = uses.needs();
    let needs = needs.iter().filter(|need| need.stage == stage);
    needs.fold(CapabilitySet::empty(), |all, need| all | need.capability)
}

fn check(uses: &Uses, attaching: &str, reading: &str) {
    assert_eq!(
        crate::privileges::names(of(uses, RunStage::Attaching)),
        attaching,
        "{uses:?}"
    );
    assert_eq!(
        crate::privileges::names(of(uses, RunStage::Reading)),
        reading,
        "{uses:?}"
    );
}

#[test]
fn without_probes_in_its_own_namespace_nothing_is_needed() {
    check(&Uses::default(), "none", "none");
    let own = Uses {
        probes: None,
        ..plain(FENTRY)
    };
    check(&own, "none", "none");
}

#[test]
fn reading_what_probes_count_takes_nothing() {
    check(&plain(KPROBES), "CAP_PERFMON, CAP_BPF", "none");
    check(
        &plain(FENTRY),
        "CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF",
        "none",
    );
    let built_in = ProbeUse {
        fentry_in_module: false,
        ..FENTRY
    };
    // No kprobe is there to be refused.
    check(&plain(built_in), "CAP_PERFMON, CAP_BPF", "none");
    let paranoid = ProbeUse {
        paranoid: true,
        ..KPROBES
    };
    check(
        &plain(paranoid),
        "CAP_SYS_ADMIN, CAP_PERFMON, CAP_BPF",
        "none",
    );
}

#[test]
fn each_option_adds_what_it_takes() {
    let mut uses = plain(KPROBES);
    uses.ctnetlink = true;
    check(&uses, "CAP_PERFMON, CAP_BPF", "CAP_NET_ADMIN");
    let mut uses = plain(KPROBES);
    uses.top = true;
    let reading = "CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE";
    check(&uses, "CAP_PERFMON, CAP_BPF", reading);
    let mut uses = plain(KPROBES);
    uses.namespaces = NamespaceUse::Named;
    let attaching = "CAP_SYS_PTRACE, CAP_PERFMON, CAP_BPF";
    check(&uses, attaching, "CAP_NET_ADMIN, CAP_SYS_ADMIN");
    uses.namespaces = NamespaceUse::All;
    let reading = "CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN";
    check(&uses, "CAP_PERFMON, CAP_BPF", reading);
    let mut uses = plain(KPROBES);
    uses.other_user = true;
    check(
        &uses,
        "CAP_SETGID, CAP_SETUID, CAP_PERFMON, CAP_BPF",
        "none",
    );
}

#[test]
fn older_kernels_take_more() {
    let mut uses = plain(KPROBES);
    uses.top = true;
    for (kernel, attaching, for_maps) in [
        ((5, 19), "CAP_PERFMON, CAP_BPF", CapabilitySet::empty()),
        ((5, 18), "CAP_PERFMON, CAP_BPF", CapabilitySet::BPF),
        (
            (5, 10),
            "CAP_SYS_RESOURCE, CAP_PERFMON, CAP_BPF",
            CapabilitySet::BPF,
        ),
        (
            (5, 7),
            "CAP_SYS_ADMIN, CAP_SYS_RESOURCE",
            CapabilitySet::SYS_ADMIN,
        ),
    ] {
        uses.kernel = Some(kernel);
        let reading = CapabilitySet::NET_ADMIN
            | CapabilitySet::SYS_PTRACE
            | CapabilitySet::DAC_READ_SEARCH
            | for_maps;
        check(&uses, attaching, &crate::privileges::names(reading));
    }
    // Maps that nobody changes are read as memory.
    let uses = Uses {
        kernel: Some((5, 10)),
        ..plain(KPROBES)
    };
    check(&uses, "CAP_SYS_RESOURCE, CAP_PERFMON, CAP_BPF", "none");
}

#[test]
fn each_thread_keeps_its_own_part() {
    let mut uses = plain(FENTRY);
    uses.namespaces = NamespaceUse::All;
    uses.top = true;
    let needs = uses.needs();
    let all = CapabilitySet::all();
    let part = |reader| crate::privileges::names(kept(&needs, reader, all));
    assert_eq!(
        part(Reader::Run),
        "CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN"
    );
    assert_eq!(part(Reader::Scanner), "CAP_SYS_PTRACE");
    assert_eq!(
        part(Reader::Surveyor),
        "CAP_DAC_READ_SEARCH, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_ADMIN"
    );
    assert_eq!(
        part(Reader::Workloads),
        "CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE"
    );
}

#[test]
fn nothing_is_kept_that_was_not_held() {
    let mut uses = plain(KPROBES);
    uses.top = true;
    uses.kernel = Some((5, 10));
    let needs = uses.needs();
    let kept = |held| kept(&needs, Reader::Run, held);
    assert_eq!(kept(CapabilitySet::NET_ADMIN), CapabilitySet::empty());
    let both = CapabilitySet::BPF | CapabilitySet::SYS_ADMIN;
    assert_eq!(kept(both), CapabilitySet::BPF);
    // As in a container with nothing but CAP_SYS_ADMIN.
    assert_eq!(kept(CapabilitySet::SYS_ADMIN), CapabilitySet::SYS_ADMIN);
}

#[test]
fn administration_stands_for_what_was_part_of_it() {
    let needs = plain(KPROBES).needs();
    assert!(
        needs
            .iter()
            .all(|need| is_met(need, CapabilitySet::SYS_ADMIN))
    );
    assert!(!needs.iter().all(|need| is_met(need, CapabilitySet::BPF)));
    let top = Uses {
        top: true,
        ..Uses::default()
    };
    assert!(
        !top.needs()
            .iter()
            .any(|need| is_met(need, CapabilitySet::SYS_ADMIN))
    );
}
