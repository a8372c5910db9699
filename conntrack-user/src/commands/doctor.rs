//! `ctpulse doctor`: what this host supports. It changes nothing, except that our requests may make the kernel load
//! nf_conntrack_netlink and nfnetlink_hook, which only answer requests.

mod privileges;
mod requirements;

use std::{io::Write, path::Path};

use conntrack_ebpf::ProbeCounter;

use self::requirements::{
    CONNTRACK, CPUS, FUNCTIONS, KPROBES, LOCKDOWN, MISSED_HITS, NO_PROBES, OBJECT, PRIVILEGES,
    Requirement, TYPES, cannot, ok, requirement,
};
use super::stdout;
use crate::{
    cli::{DoctorArgs, DoctorFormat},
    commands::Failure,
    engine::{error::EngineError, settings::NamespaceChoice},
    model::kernel::{
        counters::Counter,
        era::Era,
        origin::{self, Origin, Origins},
    },
    output::{
        doctor::{CounterLine, DoctorFinding, DoctorReport, RequirementStatus, text},
        json::write_line,
        terminal,
    },
    probes::{
        facts::{HostFacts, NoFentry, Support},
        missed::counts_missed_hits,
        plan::{
            AttachPoint, Mechanism, MissingProbe, MissingReason, Plan, ProbeGroup, ProbeRequest,
            by_reason, coverage, report as probes,
        },
    },
    reading::{expectations::Expectations, hooks::Hooks},
    source::{
        hooks,
        kernel::{KernelCounters, KernelSource},
        namespaces::Namespace,
        other_tables::{self, OtherTable, PINNED_MAPS},
        proc_fs::{PROC, ProcRoot, ReadOutcome, SourceError},
    },
    text::Text,
};

/// Examines the host and writes the report.
pub(super) fn run(args: &DoctorArgs) -> Result<(), Failure> {
    let facts = HostFacts::probe();
    let namespace = match &args.netns {
        NamespaceChoice::Own => Namespace::own(),
        NamespaceChoice::All => return Err(Failure::AllNamespaces),
        NamespaceChoice::Named(name) => Namespace::named(name),
    }
    .map_err(EngineError::from)?;
    let proc = ProcRoot::new(PROC);
    let mut report = namespace
        .within(|| report(&facts, &proc, &namespace.name))
        .map_err(EngineError::from)?;
    report.findings.extend(other_tables(Path::new(PINNED_MAPS)));
    let mut out = stdout().lock();
    let written = match args.format {
        DoctorFormat::Text => out.write_all(text(&report, terminal::size()).as_bytes()),
        DoctorFormat::Json => write_line(&mut out, &report),
    };
    written.map_err(Failure::Output)
}

/// The report on the host and on the network namespace that the calling thread is in.
fn report(facts: &HostFacts, proc: &ProcRoot, namespace: &Text) -> DoctorReport {
    let plan = Plan::new(ProbeRequest::Group(ProbeGroup::All), false, facts);
    let mut counters = KernelCounters::new(proc.clone(), KernelSource::Auto);
    let reading = counters.read();
    let stat = reading.kernel.stat.as_ref();
    let coverage = coverage(&plan.missing);
    let origins = origin::origins(
        stat.map(|stat| (stat, Era::detect(stat, Some(&facts.kernel)))),
        &coverage,
    );
    let kprobes = Requirement {
        consequence: if plan.uses_fentry() {
            "no probes on functions that fentry cannot be had for"
        } else {
            NO_PROBES
        },
        ..KPROBES
    };
    let mut findings = vec![
        kernel_counters(&reading, proc),
        requirement(&CONNTRACK, &facts.conntrack),
        requirement(&OBJECT, &facts.object),
        requirement(&PRIVILEGES, &facts.capabilities),
        requirement(&LOCKDOWN, &facts.lockdown),
        requirement(&kprobes, &facts.kprobes),
        match &facts.symbols {
            Ok(_) => requirement(&FUNCTIONS, &Support::Yes),
            Err(reason) => cannot(&FUNCTIONS, reason.to_string(), reason.fix()),
        },
        types(&plan, facts),
    ];
    findings.extend(
        facts
            .cpus
            .as_ref()
            .err()
            .map(|reason| cannot(&CPUS, reason.to_string(), None)),
    );
    findings.extend(fentry(&plan, facts));
    if !plan.probes.is_empty() {
        let missed = counts_missed_hits(&facts.kernel, uses_kprobes(&plan));
        findings.push(requirement(&MISSED_HITS, &missed));
    }
    if let Some(entries) = reading.kernel.entries() {
        findings.push(tracking(entries, namespace));
        findings.push(expectations(counters.expectations()));
    }
    findings.extend(plan.probes.iter().map(|probe| {
        let mut functions: Vec<&str> = probe.attachments.iter().map(|a| a.function).collect();
        functions.dedup();
        ok("probe", functions.join(", "))
    }));
    if plan.blocked.is_none() {
        findings.extend(missing(&plan, &origins));
    }
    let attached: Vec<AttachPoint> = plan.attachments().cloned().collect();
    DoctorReport {
        version: env!("CARGO_PKG_VERSION"),
        kernel: facts.kernel.clone(),
        netns: namespace.clone(),
        findings,
        blocked: probes(plan.group, &attached, &plan.missing)
            .reason
            .map(|reason| reason.to_string()),
        privileges: privileges::of_runs(&plan, facts),
        counters: origins
            .iter()
            .map(|(counter, origin)| {
                let (source, reason) = match origin {
                    Origin::Kernel(_) => ("proc", None),
                    Origin::Probe(_) => ("probe", None),
                    Origin::Unavailable(reason) => ("unavailable", Some(reason.to_string())),
                };
                CounterLine {
                    name: counter.spec().name,
                    source,
                    meaning: counter.spec().meaning,
                    reason,
                }
            })
            .collect(),
    }
}

/// Whether any probe would be a kprobe.
fn uses_kprobes(plan: &Plan) -> bool {
    !plan.uses_fentry() || plan.attachments().any(|a| !a.how.is_fentry())
}

/// How many programs would be attached by fentry, and which functions would be probed by kprobe, and why. That some or all are is
/// no problem: kprobes count the same.
fn fentry(plan: &Plan, facts: &HostFacts) -> Vec<DoctorFinding> {
    let name = "fentry";
    match (&facts.fentry, &facts.conntrack) {
        (Err(NoFentry::NoFunctions), Support::No(_)) => {
            return vec![DoctorFinding {
                status: RequirementStatus::Unknown,
                ..ok(name, "unknown until nf_conntrack is loaded".to_owned())
            }];
        }
        // That is said of the privileges.
        (Err(NoFentry::NotAllowed), _) => return Vec::new(),
        (Err(reason), _) if plan.probes.is_empty() => {
            return vec![DoctorFinding {
                status: RequirementStatus::Missing,
                ..ok(name, format!("not to be had here: {reason}"))
            }];
        }
        (Err(reason), _) => {
            return vec![ok(name, format!("kprobes are used instead: {reason}"))];
        }
        (Ok(_), _) => {}
    }
    if plan.blocked.is_some() {
        return vec![ok(name, "offered by this kernel".to_owned())];
    }
    let attached: Vec<AttachPoint> = plan.attachments().cloned().collect();
    let by_fentry = attached.iter().filter(|point| point.how.is_fentry());
    let mut details = vec![format!(
        "to be used for {} of {} programs",
        by_fentry.count(),
        attached.len()
    )];
    let keeps =
        |point: &AttachPoint| matches!(&point.how, Mechanism::Fentry(target) if target.in_module);
    if attached.iter().any(keeps) {
        details.push(KEPT.to_owned());
    }
    let probes = probes(plan.group, &attached, &plan.missing);
    details.extend(probes.by_kprobe_and_why().iter().map(|group| {
        let functions: Vec<String> = group.functions.iter().map(Text::to_string).collect();
        let reason = group.reason.as_ref().map(|reason| format!(": {reason}"));
        format!(
            "kprobes on {}{}",
            functions.join(", "),
            reason.unwrap_or_default()
        )
    }));
    details.into_iter().map(|detail| ok(name, detail)).collect()
}

/// Whether the kernel's types have the fields that programs read.
fn types(plan: &Plan, facts: &HostFacts) -> DoctorFinding {
    if let Err(reason) = &facts.offsets {
        return cannot(&TYPES, reason.to_string(), None);
    }
    let mut missing = plan.missing.iter();
    let field = missing.find_map(|probe| match &probe.reason {
        MissingReason::Field(error) => Some(error),
        _ => None,
    });
    match (field, &facts.conntrack) {
        (None, Support::No(_)) => DoctorFinding {
            status: RequirementStatus::Unknown,
            ..ok(
                TYPES.name,
                "unknown until nf_conntrack is loaded".to_owned(),
            )
        },
        (None, _) => requirement(&TYPES, &Support::Yes),
        (Some(error), _) => DoctorFinding {
            consequence: Some("the probes that read them, as below".to_owned()),
            ..cannot(&TYPES, error.to_string(), error.fix())
        },
    }
}

/// The probes that cannot be attached, by reason.
fn missing(plan: &Plan, origins: &Origins) -> Vec<DoctorFinding> {
    let finding = |(reason, probes): (String, Vec<&MissingProbe>)| {
        let functions: Vec<&str> = probes.iter().map(|probe| probe.function).collect();
        let counters: Vec<_> = probes
            .iter()
            .flat_map(|probe| probe.counters)
            .copied()
            .collect();
        DoctorFinding {
            status: RequirementStatus::Missing,
            consequence: Some(lost(origins, &counters)),
            ..ok("probe", format!("{}: {reason}", functions.join(", ")))
        }
    };
    by_reason(&plan.missing).into_iter().map(finding).collect()
}

/// What trampolines in a module do to it.
const KEPT: &str =
    "nf_conntrack cannot be unloaded while they are attached; --no-fentry lets it go";

const NO_COUNTERS: &str = "modprobe nf_conntrack; where the file still does not exist, run ctpulse as \
                           root: it then asks ctnetlink";
const NO_PROCFS: &str =
    "run ctpulse as root: it then asks ctnetlink; or ProcSubset=all in its systemd unit";

fn kernel_counters(reading: &ReadOutcome, proc: &ProcRoot) -> DoctorFinding {
    let name = "kernel counters";
    let Some(stat) = &reading.kernel.stat else {
        let errors: Vec<_> = reading.errors.iter().map(ToString::to_string).collect();
        let hidden = reading
            .errors
            .iter()
            .any(|error| matches!(error, SourceError::Hidden(_)));
        return DoctorFinding {
            name,
            status: RequirementStatus::Missing,
            detail: errors.join("; "),
            consequence: Some(
                "no counter of the kernel's own, and nothing to check the probes against"
                    .to_owned(),
            ),
            fix: Some(if hidden { NO_PROCFS } else { NO_COUNTERS }.to_owned()),
        };
    };
    let file = proc.stat_path();
    let source = if reading.via_ctnetlink {
        format!("ctnetlink, as {} does not exist", file.display())
    } else {
        file.display().to_string()
    };
    let (columns, cpus) = (stat.columns().len(), stat.row_count());
    ok(
        name,
        format!("{source}: {columns} columns, a row of each of {cpus} possible CPUs"),
    )
}

/// Tables of connections that are not nf_conntrack's, and so not counted.
fn other_tables(pinned: &Path) -> Vec<DoctorFinding> {
    let name = "other tracking";
    let tables = match other_tables::find(pinned) {
        Ok(tables) => tables,
        Err(error) => {
            let pinned = pinned.display();
            return vec![DoctorFinding {
                status: RequirementStatus::Unknown,
                ..ok(name, format!("unknown ({pinned}: {error})"))
            }];
        }
    };
    let finding = |table: OtherTable| {
        DoctorFinding {
        status: RequirementStatus::Missing,
        consequence: Some(
            "connections that pass there alone are not seen: here they neither fill the table nor are \
             dropped"
                .to_owned(),
        ),
        fix: Some(table.tool.to_owned()),
        ..ok(name, table.to_string())
    }
    };
    tables.into_iter().map(finding).collect()
}

/// Whether a rule enables tracking in a network namespace, whose table has this many entries.
fn tracking(entries: u64, namespace: &Text) -> DoctorFinding {
    let hooks = match entries {
        0 => hooks::read(),
        _ => Hooks::Registered,
    };
    let status = match hooks {
        Hooks::Registered => RequirementStatus::Ok,
        Hooks::Absent => RequirementStatus::Missing,
        Hooks::Unknown(_) => RequirementStatus::Unknown,
    };
    let missing = |text: &str| (status == RequirementStatus::Missing).then(|| text.to_owned());
    DoctorFinding {
        status,
        consequence: missing("every rate stays 0: that is not the same as idle"),
        fix: missing(
            "a rule that looks at connections: nft 'add table inet ctpulse; \
             add chain inet ctpulse out { type filter hook output priority 0; }; \
             add rule inet ctpulse out ct state new counter'",
        ),
        ..ok(
            "tracking",
            hooks
                .explain_empty_table()
                .unwrap_or_else(|| format!("in network namespace {namespace}: {entries} entries")),
        )
    }
}

/// How many connections are expected, of how many that may be.
fn expectations(held: Result<Expectations, SourceError>) -> DoctorFinding {
    let name = "expectations";
    match held {
        Ok(held) if held.held >= held.max => DoctorFinding {
            status: RequirementStatus::Missing,
            consequence: Some(
                "further ones are refused, and with them connections that FTP, SIP and the like announce"
                    .to_owned(),
            ),
            fix: Some("sysctl net.netfilter.nf_conntrack_expect_max=…".to_owned()),
            ..ok(name, format!("{} of {}", held.held, held.max))
        },
        Ok(held) => ok(name, format!("{} of {}", held.held, held.max)),
        Err(reason) => DoctorFinding {
            status: RequirementStatus::Unknown,
            ..ok(name, format!("unknown ({reason})"))
        },
    }
}

/// The counters that are unavailable without these probes, as text.
fn lost(origins: &Origins, probes: &[ProbeCounter]) -> String {
    let needs = |counter: Counter| {
        let source = counter.spec().probe;
        source.is_some_and(|source| source.parts().any(|part| probes.contains(&part)))
    };
    let names: Vec<&str> = origin::unavailable(origins)
        .filter(|(counter, _)| needs(*counter))
        .map(|(counter, _)| counter.spec().name)
        .collect();
    if names.is_empty() {
        "no counter; what this probe would have verified is not".to_owned()
    } else {
        format!("no {}", names.join(", "))
    }
}

#[cfg(test)]
mod tests;
