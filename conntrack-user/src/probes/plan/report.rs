//! Reports the attached and the missing probes in the types that the rest of the program uses.

use conntrack_ebpf::table::{PROBES, ProbeGroup, ProbeRow};

use super::{
    probe::{AttachPoint, Mechanism, MissingProbe},
    reason::{MissingReason, joined},
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
        let reason = Unavailable::from(probe.reason.to_string());
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
    let reasons = || {
        let reasons: Vec<_> = missing.iter().map(|m| m.reason.clone()).collect();
        joined(&reasons).into()
    };
    Probes {
        mode: match () {
            () if off => "off",
            () if fentry => FENTRY,
            () => KPROBE,
        }
        .into(),
        group: if off { "off" } else { group.name() }.into(),
        reason: (off && !missing.is_empty()).then(reasons),
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
                reason: m.reason.to_string().into(),
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
