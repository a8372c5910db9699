//! Which capabilities runs take on this host, and which of them are held.

use crate::{
    output::doctor::PrivilegeLine,
    privileges::{
        needs::{NamespaceUse, Need, ProbeUse, RunStage, Uses, is_met},
        one_name,
    },
    probes::{
        facts::{HostFacts, NoFentry, Support},
        missed::release,
        plan::{Mechanism, Plan},
    },
};

/// What a run with probes takes, and what each option adds to that.
pub(super) fn of_runs(plan: &Plan, facts: &HostFacts) -> Vec<PrivilegeLine> {
    let plain = Uses {
        probes: Some(probes(plan, facts)),
        namespaces: NamespaceUse::Own,
        kernel: release(&facts.kernel),
        ..Uses::default()
    };
    let variants = [
        plain,
        Uses {
            namespaces: NamespaceUse::Named,
            ..plain
        },
        Uses {
            namespaces: NamespaceUse::All,
            ..plain
        },
        Uses {
            ctnetlink: true,
            ..plain
        },
        Uses { top: true, ..plain },
        Uses {
            other_user: true,
            ..plain
        },
    ];
    let mut needs: Vec<Need> = Vec::new();
    for need in variants.iter().flat_map(Uses::needs) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    let line = |need: &Need| PrivilegeLine {
        capability: one_name(need.capability),
        stage: match need.stage {
            RunStage::Attaching => "attaching",
            RunStage::Reading => "reading",
        },
        option: need.option,
        purpose: need.purpose,
        held: facts.held.map(|held| is_met(need, held)),
        without: need.without,
    };
    needs.iter().map(line).collect()
}

/// How probes would be attached by who holds everything.
fn probes(plan: &Plan, facts: &HostFacts) -> ProbeUse {
    let in_module = |how: &Mechanism| matches!(how, Mechanism::Fentry(target) if target.in_module);
    let not_known = matches!(facts.conntrack, Support::No(_))
        || matches!(facts.fentry, Err(NoFentry::NotAllowed | NoFentry::NotAdmin));
    let fentry_in_module = not_known || plan.attachments().any(|a| in_module(&a.how));
    let by_kprobe = |how: &Mechanism| matches!(how, Mechanism::Kprobe(reason) if !matches!(reason, NoFentry::NotAdmin));
    let no_fentry = facts.fentry.is_err() && !not_known;
    ProbeUse {
        fentry_in_module,
        kprobes: no_fentry || plan.attachments().any(|a| by_kprobe(&a.how)),
        paranoid: facts.paranoid,
    }
}
