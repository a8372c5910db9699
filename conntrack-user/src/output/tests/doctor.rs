//! What `doctor` says of a host, as text.
//!
//! A changed snapshot changes what users see: look at it before accepting it (`cargo insta review`, or `INSTA_UPDATE=always`).

use super::{
    records::{probes_off, probes_on, unavailable},
    samples::PROBED,
};
use crate::{
    model::kernel::counters::Counter,
    output::doctor::{
        CounterLine, DoctorFinding, DoctorReport, PrivilegeLine, RequirementStatus, text,
    },
    reading::probes::Probes,
    text::Text,
};

/// A few of the counters, so that a new counter does not change the report.
const REPORTED: [Counter; 5] = [
    Counter::Alloc,
    Counter::New,
    Counter::DeleteList,
    Counter::Searched,
    Counter::SearchRestart,
];

fn report(blocked: Option<&str>) -> DoctorReport {
    let finding = |name, status, detail: &str| DoctorFinding {
        name,
        status,
        detail: detail.to_owned(),
        consequence: (status == RequirementStatus::Missing).then(|| "no probes".to_owned()),
        fix: (status == RequirementStatus::Missing).then(|| "another kernel".to_owned()),
    };
    let (kprobes, detail) = match blocked {
        None => (RequirementStatus::Ok, "offered by this kernel"),
        Some(reason) => (RequirementStatus::Missing, reason),
    };
    let probes = match blocked {
        None => probes_on(),
        Some(reason) => Probes {
            reason: Some(reason.to_owned().into()),
            ..probes_off()
        },
    };
    let unavailable = unavailable(&probes);
    DoctorReport {
        version: "0.1.0",
        kernel: "6.12.117+deb12-amd64".to_owned(),
        netns: "self".into(),
        findings: vec![
            finding(
                "kernel counters",
                RequirementStatus::Ok,
                "/proc/thread-self/net/stat/nf_conntrack: 17 columns, a row of each of 4 possible CPUs",
            ),
            finding(
                "lockdown",
                RequirementStatus::Unknown,
                "unknown (no securityfs); attaching will be tried",
            ),
            finding("kprobes", kprobes, detail),
        ],
        blocked: blocked.map(str::to_owned),
        privileges: vec![
            PrivilegeLine {
                capability: "CAP_BPF".to_owned(),
                stage: "attaching",
                option: None,
                purpose: "loading eBPF programs and making their maps",
                held: Some(true),
                without: "no probes",
            },
            PrivilegeLine {
                capability: "CAP_DAC_READ_SEARCH".to_owned(),
                stage: "reading",
                option: Some("--top"),
                purpose: "the names of other users' processes",
                held: Some(false),
                without: "no names of other users' processes",
            },
        ],
        counters: REPORTED
            .iter()
            .map(|counter| counter.spec())
            .map(|spec| CounterLine {
                name: spec.name,
                source: match unavailable.get(spec.id) {
                    Some(_) => "unavailable",
                    None if PROBED.contains(&spec.id) => "probe",
                    None => "proc",
                },
                meaning: spec.meaning,
                reason: unavailable.get(spec.id).map(Text::to_string),
            })
            .collect(),
    }
}

#[test]
fn doctor_on_a_capable_host() {
    insta::assert_snapshot!(text(&report(None), None));
}

#[test]
fn doctor_on_a_host_without_kprobes() {
    insta::assert_snapshot!(text(&report(Some("this kernel has no kprobes")), None));
}
