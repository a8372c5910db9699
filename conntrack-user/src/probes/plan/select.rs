//! Selects the programs for a row of the table, the functions they are attached to, and how.

use conntrack_ebpf::table::{ProbeGroup, ProbeRow, ProbedFunction};

use super::{
    probe::{AttachPoint, Mechanism, ProbeRequest},
    reason::MissingReason,
};
use crate::probes::{
    facts::{HostFacts, Support},
    kallsyms::{SymbolMatch, Symbols},
    offsets::FieldOffsets,
};

/// The facts that every probe needs.
pub(super) struct Ready<'a> {
    pub(super) symbols: &'a Symbols,
    pub(super) offsets: &'a FieldOffsets,
    pub(super) cpus: u32,
}

/// Checks everything that every probe needs; fails with the first thing that is missing.
pub(super) fn ready(request: ProbeRequest, facts: &HostFacts) -> Result<Ready<'_>, MissingReason> {
    if let Some(reason) = request.refusal() {
        return Err(reason);
    }
    let support = [
        &facts.object,
        &facts.capabilities,
        &facts.lockdown,
        &facts.conntrack,
    ];
    // Without kprobes only functions on which fentry cannot be used are missing; without both, all are.
    let kprobes = facts.fentry.is_err().then_some(&facts.kprobes);
    for support in support.into_iter().chain(kprobes) {
        // What is not known is tried; attaching will show whether it works.
        if let Support::No(lack) = support {
            return Err(MissingReason::Host(lack.seen.clone()));
        }
    }
    Ok(Ready {
        symbols: facts.symbols.as_ref().map_err(Clone::clone)?,
        offsets: facts.offsets.as_ref().map_err(Clone::clone)?,
        cpus: facts.cpus.clone()?,
    })
}

/// The programs of a row. A row outside of the group is selected only if it measures the time spent in its function, and
/// `latency` asks for that.
pub(super) fn attachments(
    row: &ProbeRow,
    group: ProbeGroup,
    latency: bool,
    facts: &HostFacts,
    ready: &Ready<'_>,
) -> Result<Vec<AttachPoint>, MissingReason> {
    if row.group > group && !(latency && row.timed) {
        return Err(MissingReason::NotAsked);
    }
    for field in row.reads {
        ready.offsets.offset(*field)?;
    }
    let mut points = first_alternative(row, facts, ready)?;
    // Extra functions that the kernel has must be probed too: without them the counter would be too low.
    let there = |extra: &&ProbedFunction| ready.symbols.find(extra.name) != SymbolMatch::None;
    for extra in row.extras.iter().filter(there) {
        points.extend(on_function(extra, facts, ready)?);
    }
    Ok(points)
}

/// The programs of the first function that can be probed, with those that it needs besides.
fn first_alternative(
    row: &ProbeRow,
    facts: &HostFacts,
    ready: &Ready<'_>,
) -> Result<Vec<AttachPoint>, MissingReason> {
    let mut reasons = Vec::new();
    let mut disproved = None;
    for function in row.alternatives {
        let points: Result<Vec<_>, _> = function
            .all()
            .map(|function| on_function(function, facts, ready))
            .collect();
        match points.map(|points| points.concat()) {
            Ok(mut points) => {
                for point in &mut points {
                    point.instead_of = disproved;
                }
                return Ok(points);
            }
            Err(reason) => {
                if let MissingReason::Disproved(reason) = &reason {
                    disproved = Some(*reason);
                }
                reasons.push(reason);
            }
        }
    }
    Err(MissingReason::NoAlternative(reasons))
}

/// The programs of a function, and how they are attached.
fn on_function(
    function: &ProbedFunction,
    facts: &HostFacts,
    ready: &Ready<'_>,
) -> Result<Vec<AttachPoint>, MissingReason> {
    let mut disproved = facts.disproved.iter();
    if let Some(disproved) = disproved.find(|disproved| disproved.function == function.name) {
        return Err((*disproved).into());
    }
    let symbol = symbol(function.name, facts, ready)?;
    let how = mechanism(function.name, facts)?;
    let programs = function.programs.iter();
    Ok(programs
        .map(|program| AttachPoint {
            program: *program,
            function: function.name,
            symbol: symbol.to_owned(),
            how: how.clone(),
            instead_of: None,
        })
        .collect())
}

/// The symbol that all calls of a function pass. A name that several functions have is left alone: the kernel would put a kprobe
/// on any one of them, and up to 6.3 a trampoline as well (`kallsyms_lookup_name`).
fn symbol<'a>(
    function: &'static str,
    facts: &HostFacts,
    ready: &Ready<'a>,
) -> Result<&'a str, MissingReason> {
    match ready.symbols.find(function) {
        SymbolMatch::One(symbol) => Ok(symbol),
        SymbolMatch::None => Err(MissingReason::NoFunction {
            kernel: facts.kernel.clone(),
            function,
        }),
        SymbolMatch::Several(count) => Err(MissingReason::Ambiguous { count, function }),
        SymbolMatch::OnlyVersions(versions) => Err(MissingReason::OnlyVersions {
            function,
            versions: versions.to_vec(),
        }),
        SymbolMatch::Split(versions) => Err(MissingReason::Split {
            function,
            versions: versions.to_vec(),
        }),
    }
}

/// By fentry where the function is in the kernel's types, else by kprobe.
fn mechanism(function: &'static str, facts: &HostFacts) -> Result<Mechanism, MissingReason> {
    match (facts.fentry_target(function), &facts.kprobes) {
        (Ok(target), _) => Ok(Mechanism::Fentry(target)),
        (Err(no_fentry), Support::No(no_kprobes)) => Err(MissingReason::NoMechanism {
            function,
            no_kprobes: no_kprobes.seen.clone(),
            no_fentry,
        }),
        (Err(no_fentry), _) => Ok(Mechanism::Kprobe(no_fentry)),
    }
}
