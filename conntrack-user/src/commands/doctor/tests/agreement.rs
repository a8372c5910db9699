//! doctor promises what the stream then does, and says the same reasons: on hosts that lack one thing each.

use std::collections::BTreeSet;

use super::*;
use crate::{
    probes::{
        attach::attach,
        facts::simulated::{SimulatedHost, kallsyms},
        object::embedded,
        plan,
    },
    reading::probes::Probes,
};

/// A host, and what it is called.
type Case = (&'static str, fn(&mut SimulatedHost));

/// Hosts on which nothing can be attached, and words of the reason.
const REFUSING: &[(Case, &str)] = &[
    (("user namespace", in_user_namespace), "user namespace"),
    (
        ("no privileges", |host| host.capabilities("0")),
        "run as root",
    ),
    (
        ("seccomp", |host| host.refuses_maps(libc::EPERM)),
        "refuses bpf(2)",
    ),
    (
        ("lockdown", |host| {
            let modes = "none integrity [confidentiality]\n";
            host.write("sys/kernel/security/lockdown", modes);
        }),
        "locked down",
    ),
    (
        ("no nf_conntrack", |host| {
            host.remove("sys/module/nf_conntrack")
        }),
        "not loaded",
    ),
    (
        ("perf_event_paranoid 3", paranoid),
        "perf_event_paranoid is 3",
    ),
    (
        ("no kprobes, no fentry", |host| {
            host.remove("sys/bus/event_source/devices/kprobe");
            host.has_no_trampolines();
        }),
        "CONFIG_KPROBE_EVENTS",
    ),
    (
        ("no kallsyms", |host| host.remove("proc/kallsyms")),
        "kallsyms: No such file",
    ),
    (
        ("subset=pid", |host| host.hides_all_but_processes()),
        "subset=pid",
    ),
    (
        ("no symbol", |host| host.write("proc/kallsyms", "")),
        "no function of nf_conntrack",
    ),
    (
        ("no types", |host| host.remove("sys/kernel/btf")),
        "CONFIG_DEBUG_INFO_BTF",
    ),
    (
        ("damaged types", |host| {
            host.write("sys/kernel/btf/vmlinux", "BTF");
        }),
        "header",
    ),
    (
        ("no list of CPUs", |host| {
            host.remove("sys/devices/system/cpu/possible");
        }),
        "cpu/possible",
    ),
];

/// Hosts on which something can be attached.
const ATTACHING: &[Case] = &[
    ("capable", |_| ()),
    ("no fentry", |host| host.has_no_trampolines()),
    ("no CAP_SYS_ADMIN", |host| {
        host.capabilities("000000c000000000")
    }),
    ("no kprobes", |host| {
        host.remove("sys/bus/event_source/devices/kprobe");
    }),
    ("no types of the module", |host| {
        host.remove("sys/kernel/btf/nf_conntrack");
    }),
    ("COS", |host| host.write("proc/kallsyms", kallsyms("cos"))),
    ("ThinLTO", |host| {
        host.write("proc/kallsyms", kallsyms("thinlto"));
    }),
    ("ThinLTO of 6.12", |host| {
        host.write("proc/kallsyms", kallsyms("thinlto-6.12"));
    }),
    ("ThinLTO, whose hash the kernel ignores", |host| {
        host.write("proc/kallsyms", kallsyms("thinlto"));
        host.finds_renamed_functions();
    }),
    ("GCC's versions", |host| {
        host.write("proc/kallsyms", kallsyms("gcc-isra"));
    }),
];

fn in_user_namespace(host: &mut SimulatedHost) {
    host.user_namespace(4_026_532_177);
}

fn paranoid(host: &mut SimulatedHost) {
    host.capabilities("000000c000000000");
    host.write("proc/sys/kernel/perf_event_paranoid", "3\n");
    host.refuses_perf_events(libc::EACCES);
}

/// What doctor reports of a host, and what a stream with this group of probes reports, were the kernel to refuse nothing else.
fn both((_, change): &Case, group: ProbeGroup) -> (DoctorReport, Probes) {
    let mut host = SimulatedHost::capable();
    change(&mut host);
    let facts = host.facts();
    let doctor = report(&facts, &ProcRoot::new(host.path("proc")), &"self".into());
    let planned = Plan::new(ProbeRequest::Group(group), false, &facts);
    let stream = if planned.probes.is_empty() {
        attach(&planned, &facts.kernel, &embedded().unwrap()).report()
    } else {
        let points: Vec<AttachPoint> = planned.attachments().cloned().collect();
        plan::report(group, &points, &planned.missing)
    };
    (doctor, stream)
}

fn probes_of(doctor: &DoctorReport, status: RequirementStatus) -> Vec<&DoctorFinding> {
    let mut findings = doctor.findings.iter().collect::<Vec<_>>();
    findings.retain(|finding| finding.name == "probe" && finding.status == status);
    findings
}

#[test]
fn what_cannot_be_attached_is_not_promised_and_has_one_reason() {
    for (case, words) in REFUSING {
        for group in [ProbeGroup::Flow, ProbeGroup::All] {
            let (doctor, stream) = both(case, group);
            let name = case.0;
            let reason = stream.reason.as_ref().unwrap().to_string();
            assert!(reason.contains(words), "{name}: {reason}");
            assert_eq!(doctor.blocked.as_ref(), Some(&reason), "{name}");
            assert!(!reason.contains("--probes all"), "{name}: {reason}");
            for missing in &stream.missing {
                assert_eq!(*missing.reason.raw(), reason, "{name}");
            }
            let text = text(&doctor, None);
            assert!(
                text.contains(&format!("\nNo probes: {reason}.\n")),
                "{name}: {text}"
            );
            for promise in [
                "Probes will be attached",
                "used instead",
                "to be used",
                "✓ probe",
            ] {
                assert!(!text.contains(promise), "{name}: {text}");
            }
            // The thing that is missing says what it costs, and how to get it.
            let cause = doctor.findings.iter().find(|finding| {
                finding.status == RequirementStatus::Missing && reason.contains(&finding.detail)
            });
            let known = cause.is_some_and(|f| f.consequence.is_some() && f.fix.is_some());
            assert!(known, "{name}: {text}");
        }
    }
}

#[test]
fn what_can_be_attached_is_promised_as_the_stream_does_it() {
    for case in ATTACHING {
        let (doctor, stream) = both(case, ProbeGroup::All);
        let name = case.0;
        assert_eq!((&doctor.blocked, &stream.reason), (&None, &None), "{name}");
        // A function can be of several probes.
        let promised = probes_of(&doctor, RequirementStatus::Ok);
        let promised: BTreeSet<&str> = promised.iter().flat_map(|f| f.detail.split(", ")).collect();
        let attached: BTreeSet<&str> = stream.attached.iter().map(|f| f.raw()).collect();
        assert_eq!(promised, attached, "{name}");
        // Each reason once, with all functions that it holds for.
        let lines = probes_of(&doctor, RequirementStatus::Missing);
        let mut reasons: Vec<String> = Vec::new();
        for missing in &stream.missing {
            let (function, reason) = (missing.function.raw(), missing.reason.raw());
            let mut lines = lines.iter();
            let line = lines.find(|line| line.detail.ends_with(&format!(": {reason}")));
            assert!(
                line.is_some_and(|l| l.detail.contains(function)),
                "{name}: {missing:?}"
            );
            reasons.push(reason.to_owned());
        }
        reasons.sort();
        reasons.dedup();
        assert_eq!(lines.len(), reasons.len(), "{name}: {lines:?}");
    }
}

#[test]
fn doctor_promises_no_fentry_for_functions_that_the_kernel_does_not_find() {
    let case: Case = ("ThinLTO", |host| {
        host.write("proc/kallsyms", kallsyms("thinlto"));
    });
    let (doctor, stream) = both(&case, ProbeGroup::Flow);
    let named =
        |text: &str| text.contains("__nf_conntrack_alloc, early_drop") && text.contains("hash");
    let mut findings = doctor.findings.iter();
    assert!(
        findings.any(|f| f.name == "fentry" && named(&f.detail)),
        "{}",
        text(&doctor, None)
    );
    assert_eq!(stream.mode.raw(), "fentry");
    let by_kprobe: Vec<&str> = stream.by_kprobe.iter().map(Text::raw).collect();
    assert_eq!(
        by_kprobe,
        [
            "__nf_conntrack_alloc",
            "early_drop",
            "__nf_conntrack_hash_insert",
            "__nf_ct_delete_from_lists",
            "nf_ct_resolve_clash",
        ]
    );
}

#[test]
fn without_types_of_the_module_doctor_says_what_is_left() {
    let (doctor, stream) = both(
        &("no types of the module", |host| {
            host.remove("sys/kernel/btf/nf_conntrack");
        }),
        ProbeGroup::All,
    );
    assert!(stream.attached.contains(&"__nf_conntrack_alloc".into()));
    let mut findings = doctor.findings.iter();
    let types = findings.find(|f| f.name == "type information").unwrap();
    assert_eq!(types.status, RequirementStatus::Missing);
    assert!(types.detail.contains("CONFIG_DEBUG_INFO_BTF_MODULES"));
    let lines = probes_of(&doctor, RequirementStatus::Missing);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let left = probes_of(&doctor, RequirementStatus::Ok);
    assert!(
        left.iter()
            .any(|line| line.detail == "__nf_conntrack_alloc")
    );
    let costs = lines[0].consequence.as_ref().unwrap();
    assert!(
        costs.contains("deleted") && costs.contains("inserted"),
        "{costs}"
    );
}

#[test]
fn tables_of_others_are_seen_and_not_covered() {
    let host = SimulatedHost::capable();
    let pinned = host.path("sys/fs/bpf/tc/globals");
    assert!(other_tables(&pinned).is_empty());
    for table in ["cilium_ct4_global", "cilium_ct_any4_global", "cali_v4_ct3"] {
        host.write(&format!("sys/fs/bpf/tc/globals/{table}"), "");
    }
    let found = other_tables(&pinned);
    assert_eq!(found.len(), 2, "{found:?}");
    for (finding, owner) in found.iter().zip(["Calico", "Cilium"]) {
        assert_eq!(finding.status, RequirementStatus::Missing);
        assert!(finding.detail.starts_with(owner), "{finding:?}");
        assert!(finding.detail.contains("nothing is counted"), "{finding:?}");
    }
}

#[test]
fn a_procfs_of_processes_only_is_fixed_otherwise_than_a_missing_module() {
    let host = SimulatedHost::capable();
    let counters = |host: &SimulatedHost| {
        let doctor = report(
            &host.facts(),
            &ProcRoot::new(host.path("proc")),
            &"self".into(),
        );
        let finding = &doctor.findings[0];
        assert_eq!(finding.name, "kernel counters");
        (finding.detail.clone(), finding.fix.clone().unwrap())
    };
    let (detail, fix) = counters(&host);
    assert!(detail.contains("does not exist") && fix.contains("modprobe"));
    host.hides_all_but_processes();
    let (detail, fix) = counters(&host);
    assert!(
        detail.ends_with("subset=pid, which hides the kernel's counters"),
        "{detail}"
    );
    assert!(fix.contains("ProcSubset"), "{fix}");
}
