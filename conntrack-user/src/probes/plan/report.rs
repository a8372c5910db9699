//! Reports the attached and the missing probes in the types that the rest of the program uses.

use std::collections::BTreeSet;

use conntrack_ebpf::table::{PROBES, ProbeGroup, ProbeRow};

use super::{
    probe::{AttachPoint, Mechanism, MissingProbe},
    reason::MissingReason,
};
use crate::{
    reading::{
        coverage::Coverage,
        probes::{Missing, ProbedFunction, Probes},
        unavailable::Unavailable,
    },
    text::Text,
};

/// Which counters are available when all probes but these are attached.
#[must_use]
pub fn coverage(missing: &[MissingProbe]) -> Coverage {
    let counters = missing.iter().flat_map(|probe| {
        let reason = Unavailable::from(reason(probe, missing));
        let counters = probe.counters.iter();
        counters.map(move |&counter| (counter, reason.clone()))
    });
    Coverage::except(counters.collect())
}

/// Every probe missing, all for one reason.
#[must_use]
pub fn all_missing(reason: &MissingReason) -> Vec<MissingProbe> {
    PROBES
        .iter()
        .map(|row| missing(row, reason.clone()))
        .collect()
}

/// The missing probe of a row.
pub(super) fn missing(row: &ProbeRow, reason: MissingReason) -> MissingProbe {
    MissingProbe {
        function: row.alternatives[0].name,
        counters: row.counters,
        reason,
    }
}

/// The missing probes where none could be attached. If one reason is why, it is also that of those which were not asked for: to
/// ask for them would not help.
#[must_use]
pub fn none_attached(mut missing: Vec<MissingProbe>) -> Vec<MissingProbe> {
    let refused = missing.iter().filter(|probe| probe.is_asked_for());
    let reasons: BTreeSet<String> = refused.map(|p| p.reason.without_function()).collect();
    let first = missing.iter().find(|probe| probe.is_asked_for());
    if let (1, Some(reason)) = (reasons.len(), first.map(|probe| probe.reason.clone())) {
        for probe in missing.iter_mut().filter(|probe| !probe.is_asked_for()) {
            probe.reason = reason.clone();
        }
    }
    missing
}

/// Missing probes by reason, in the order of their first.
#[must_use]
pub fn by_reason(missing: &[MissingProbe]) -> Vec<(String, Vec<&MissingProbe>)> {
    let mut groups: Vec<(String, Vec<&MissingProbe>)> = Vec::new();
    for probe in missing {
        let reason = reason(probe, missing);
        match groups.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, probes)) => probes.push(probe),
            None => groups.push((reason, vec![probe])),
        }
    }
    groups
}

/// Why a probe is missing. Where others are missing for the same, without its function's name: then their reasons are one text.
fn reason(probe: &MissingProbe, missing: &[MissingProbe]) -> String {
    let reason = probe.reason.without_function();
    let alike = |other: &&MissingProbe| other.reason.without_function() == reason;
    match missing.iter().filter(alike).count() {
        0 | 1 => probe.reason.to_string(),
        _ => reason,
    }
}

/// Why no probe is attached: each reason once. That some were not asked for is one only where there is no other.
fn why_off(missing: &[MissingProbe]) -> String {
    let asked_for = missing.iter().any(MissingProbe::is_asked_for);
    let reasons = by_reason(missing)
        .into_iter()
        .filter(|(_, probes)| !asked_for || probes.iter().any(|probe| probe.is_asked_for()));
    reasons
        .map(|(reason, _)| reason)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Which probes are attached and which are missing, as `hello` reports it.
#[must_use]
pub fn report(group: ProbeGroup, attached: &[AttachPoint], missing: &[MissingProbe]) -> Probes {
    let off = attached.is_empty();
    // Of a function's programs, which are attached alike, the first stands for all.
    let mut functions: Vec<ProbedFunction> = Vec::new();
    for point in attached {
        if !functions
            .iter()
            .any(|known| known.function == *point.function)
        {
            functions.push(function(point));
        }
    }
    let names = |functions: &[&ProbedFunction]| -> Vec<Text> {
        functions.iter().map(|f| f.function.clone()).collect()
    };
    let by_kprobe: Vec<_> = functions.iter().filter(|f| f.by == KPROBE).collect();
    let fentry = by_kprobe.len() < functions.len();
    Probes {
        mode: match () {
            () if off => "off",
            () if fentry => FENTRY,
            () => KPROBE,
        }
        .into(),
        group: if off { "off" } else { group.name() }.into(),
        reason: (off && !missing.is_empty()).then(|| why_off(missing).into()),
        attached: names(&functions.iter().collect::<Vec<_>>()),
        by_kprobe: if fentry {
            names(&by_kprobe)
        } else {
            Vec::new()
        },
        missing: missing
            .iter()
            .map(|m| Missing {
                function: m.function.into(),
                reason: reason(m, missing).into(),
            })
            .collect(),
        functions,
    }
}

const FENTRY: &str = "fentry";
const KPROBE: &str = "kprobe";

fn function(point: &AttachPoint) -> ProbedFunction {
    let (by, no_fentry) = match &point.how {
        Mechanism::Fentry(_) => (FENTRY, None),
        Mechanism::Kprobe(no_fentry) => (KPROBE, Some(no_fentry.to_string())),
    };
    let disproved = point.instead_of.as_ref().map(ToString::to_string);
    let reasons: Vec<_> = disproved.into_iter().chain(no_fentry).collect();
    ProbedFunction {
        function: point.function.into(),
        by: by.into(),
        reason: (!reasons.is_empty()).then(|| reasons.join("; ").into()),
    }
}
