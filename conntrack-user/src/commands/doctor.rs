//! `ctpulse doctor`: what this host offers, without changing anything. (The kernel may load
//! nf_conntrack_netlink and nfnetlink_hook, modules that only answer questions, to answer ours.)

use std::io::{self, Write};

use crate::{
    cli::{DoctorArgs, DoctorFormat},
    model::{era::Era, origin, origin::Origin, tracking::Hooks},
    output::doctor::{Finding, Report, Status, text},
    probes::{
        facts::{HostFacts, Support},
        plan::{Group, Plan, Request, coverage},
    },
    source::{
        hooks,
        kernel::{Choice, KernelCounters},
        proc_fs::{PROC, ProcRoot, Reading},
    },
};

/// Looks, and writes the report.
pub fn run(args: &DoctorArgs) -> io::Result<()> {
    let facts = HostFacts::probe();
    let report = report(&facts, &ProcRoot::new(PROC));
    let mut out = io::stdout().lock();
    match args.format {
        DoctorFormat::Text => out.write_all(text(&report).as_bytes()),
        DoctorFormat::Json => {
            serde_json::to_writer(&mut out, &report)?;
            writeln!(out)
        }
    }
}

fn report(facts: &HostFacts, proc: &ProcRoot) -> Report {
    let plan = Plan::new(Request::Group(Group::All), facts);
    let reading = KernelCounters::new(proc.clone(), Choice::Auto).read();
    let stat = reading.kernel.stat.as_ref();
    let coverage = coverage(&plan.missing);
    let origins = origin::origins(
        stat.map(|stat| (stat, Era::detect(stat, Some(&facts.kernel)))),
        &coverage,
    );
    let mut findings = vec![
        kernel_counters(&reading, proc),
        finding("nf_conntrack", "loaded", &facts.conntrack),
        finding("eBPF programs", "embedded in this binary", &facts.object),
        finding(
            "privileges",
            "may load and attach probes",
            &facts.capabilities,
        ),
        finding("lockdown", "kernel memory may be read", &facts.lockdown),
        finding("kprobes", "offered by this kernel", &facts.kprobes),
        result(
            "kernel functions",
            "/proc/kallsyms is readable",
            &facts.symbols,
        ),
        result(
            "type information",
            "/sys/kernel/btf/vmlinux has the fields",
            &facts.layout,
        ),
    ];
    findings.extend(reading.kernel.entries().map(tracking));
    findings.extend(plan.probes.iter().map(|probe| Finding {
        name: "probe",
        status: Status::Ok,
        detail: {
            let mut functions: Vec<&str> = probe.attachments.iter().map(|a| a.function).collect();
            functions.dedup();
            functions.join(", ")
        },
    }));
    if plan.blocked.is_none() {
        findings.extend(plan.missing.iter().map(|missing| Finding {
            name: "probe",
            status: Status::Missing,
            detail: format!("{}: {}", missing.function, missing.reason),
        }));
    }
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: facts.kernel.clone(),
        findings,
        blocked: plan.blocked.clone(),
        counters: origins
            .iter()
            .map(|(counter, origin)| {
                let (source, reason) = match origin {
                    Origin::Kernel(_) => ("proc", None),
                    Origin::Probe(_) => ("probe", None),
                    Origin::Unavailable(reason) => ("unavailable", Some(reason.clone())),
                };
                crate::output::doctor::CounterLine {
                    name: counter.spec().name,
                    source,
                    meaning: counter.spec().meaning,
                    reason,
                }
            })
            .collect(),
    }
}

fn kernel_counters(reading: &Reading, proc: &ProcRoot) -> Finding {
    let errors: Vec<_> = reading.errors.iter().map(ToString::to_string).collect();
    let (status, detail) = match &reading.kernel.stat {
        None => (Status::Missing, errors.join("; ")),
        Some(stat) => {
            let file = proc.stat_path();
            let source = if reading.via_ctnetlink {
                format!("ctnetlink, as {} does not exist", file.display())
            } else {
                file.display().to_string()
            };
            let (columns, cpus) = (stat.columns().len(), stat.row_count());
            let detail = format!("{source}: {columns} columns, {cpus} CPUs");
            (Status::Ok, detail)
        }
    };
    Finding {
        name: "kernel counters",
        status,
        detail,
    }
}

/// Whether anything is tracked in our network namespace, with this many entries in its table.
fn tracking(entries: u64) -> Finding {
    let hooks = match entries {
        0 => hooks::read(),
        _ => Hooks::Registered,
    };
    Finding {
        name: "tracking",
        status: match hooks {
            Hooks::Registered => Status::Ok,
            Hooks::Absent => Status::Missing,
            Hooks::Unknown(_) => Status::Unknown,
        },
        detail: hooks
            .explain_empty_table()
            .unwrap_or_else(|| format!("in this network namespace: {entries} entries")),
    }
}

fn finding(name: &'static str, yes: &str, support: &Support) -> Finding {
    let (status, detail) = match support {
        Support::Yes => (Status::Ok, yes.to_owned()),
        Support::No(reason) => (Status::Missing, reason.clone()),
        Support::Unknown(reason) => (
            Status::Unknown,
            format!("cannot be told ({reason}); attaching will be tried"),
        ),
    };
    Finding {
        name,
        status,
        detail,
    }
}

fn result<T>(name: &'static str, yes: &str, fact: &Result<T, String>) -> Finding {
    match fact {
        Ok(_) => finding(name, yes, &Support::Yes),
        Err(reason) => finding(name, yes, &Support::No(reason.clone())),
    }
}
