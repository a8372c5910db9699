//! Another function for counts that cannot be right.

use conntrack_ebpf::table::{PROBES, ProbeRow};

use super::{
    probe::{AttachPoint, ProbeRequest},
    select,
};
use crate::{
    probes::facts::{Disproved, HostFacts},
    reading::selector::Selector,
};

/// A function to give up, and its alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replacement {
    pub disproved: Disproved,
    pub alternative: &'static str,
}

/// Of the functions whose counts broke a law about `population`, the first that has an alternative on this host. Which of them is
/// at fault is not known.
#[must_use]
pub fn replacement(
    law: &'static str,
    population: Selector,
    attached: &[AttachPoint],
    facts: &HostFacts,
) -> Option<Replacement> {
    let concerned = |row: &&ProbeRow| population.parts().any(|part| row.counters.contains(&part));
    PROBES.iter().filter(concerned).find_map(|row| {
        let mut functions = row.alternatives.iter().map(|function| function.name);
        let disproved = Disproved {
            function: functions
                .find(|name| attached.iter().any(|point| point.function == *name))?,
            law,
        };
        let mut facts = facts.clone();
        facts.disproved.push(disproved);
        let request = ProbeRequest::Group(row.group);
        let ready = select::ready(request, &facts).ok()?;
        let points = select::attachments(row, row.group, false, &facts, &ready).ok()?;
        let alternative = points.first()?.function;
        Some(Replacement {
            disproved,
            alternative,
        })
    })
}

#[cfg(test)]
mod tests {
    use conntrack_ebpf::{
        ProbeCounter::{AllocCall, DeleteList, Destroyed, Free},
        table::ProbeGroup,
    };

    use super::*;
    use crate::probes::plan::{Plan, report};

    const LIST: Selector = Selector::sum(&[DeleteList]).less(&[Destroyed]);

    fn attached(facts: &HostFacts) -> Vec<AttachPoint> {
        let plan = Plan::new(ProbeRequest::Group(ProbeGroup::Flow), false, facts);
        plan.attachments().cloned().collect()
    }

    #[test]
    fn functions_are_given_up_one_by_one_while_there_is_another() {
        let mut facts = HostFacts::capable();
        // The kernel has one of the names at a time.
        facts.symbols.as_mut().unwrap().remove("destroy_conntrack");
        let mut given_up = Vec::new();
        while let Some(found) = replacement("list_balance", LIST, &attached(&facts), &facts) {
            facts.disproved.push(found.disproved);
            given_up.push((found.disproved.function, found.alternative));
        }
        assert_eq!(
            given_up,
            [
                ("__nf_ct_delete_from_lists", "nf_ct_delete_from_lists"),
                ("nf_ct_delete_from_lists", "nf_ct_delete"),
            ]
        );
        let probes = report(ProbeGroup::Flow, &attached(&facts), &[]);
        let mut functions = probes.functions.iter();
        let instead = functions.find(|f| f.function == *"nf_ct_delete").unwrap();
        let reason = instead.reason.as_ref().unwrap().raw();
        assert!(
            reason.starts_with("what nf_ct_delete_from_lists counted broke list_balance; "),
            "{reason}"
        );
    }

    #[test]
    fn what_has_no_alternative_is_kept() {
        let facts = HostFacts::capable();
        let entries = Selector::sum(&[AllocCall]).less(&[Free]);
        let found = replacement("entries_balance", entries, &attached(&facts), &facts);
        assert_eq!(found, None);
    }
}
