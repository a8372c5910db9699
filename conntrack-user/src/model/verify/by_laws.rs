//! Counters that no column counts obey the laws that they are part of.

use super::conservation::ENTRIES;
use crate::{
    model::{
        kernel::{
            counters::{COUNTERS, CounterSpec, named},
            laws::{ENTRIES_BALANCE, Law},
        },
        record::{Check, Verdict, worst},
    },
    reading::selector::Selector,
};

/// The laws that the checks prove broken, and how the probes count what each is about.
pub fn broken(checks: &[Check]) -> impl Iterator<Item = (&'static str, Selector)> {
    let broken = |name: &str| {
        let mut checks = checks.iter();
        checks.any(|check| check.name == *name && check.verdict == Verdict::Mismatch)
    };
    let laws = [ENTRIES_BALANCE]
        .into_iter()
        .chain(Law::ALL.map(Law::check));
    laws.filter(move |name| broken(name))
        .filter_map(|name| Some((name, population(name)?)))
}

/// Judges each counter that is not compared with a column by its laws. What breaks one of them may be another counter of it: all
/// of them are in doubt. The verdicts on the laws must be final: calls in flight may have explained a difference.
pub fn judge(checks: &mut [Check]) {
    let laws: Vec<Check> = checks
        .iter()
        .filter(|check| population(check.name.raw()).is_some())
        .cloned()
        .collect();
    for check in checks {
        let spec = named(check.name.raw()).filter(|spec| !spec.laws.is_empty());
        if let Some(spec) = spec.filter(|_| check.residual.is_none()) {
            let (verdict, reason) = verdict(spec, check.probe, &laws);
            check.verdict = verdict;
            check.reason = Some(reason.into());
        }
    }
}

fn verdict(spec: &CounterSpec, probe: Option<i64>, laws: &[Check]) -> (Verdict, String) {
    let of_it: Vec<Check> = laws
        .iter()
        .filter(|law| obeys(spec, law))
        .cloned()
        .collect();
    let Some(verdict) = worst(&of_it) else {
        let reasons = of_it.iter().find_map(|law| law.reason.clone());
        let reason = reasons.map_or_else(String::new, |reason| format!(": {reason}"));
        return (
            Verdict::NotComparable,
            format!("no law can be checked{reason}"),
        );
    };
    let reason = match verdict {
        Verdict::Undercount | Verdict::Mismatch => {
            let broken: Vec<&Check> = of_it.iter().filter(|law| law.verdict == verdict).collect();
            let names: Vec<&str> = broken.iter().map(|law| law.name.raw()).collect();
            let numbers = probe.map_or_else(String::new, |probe| {
                let bound = broken
                    .iter()
                    .find_map(|law| bound(spec, probe, law, laws))
                    .map_or_else(String::new, |bound| format!("; {bound}"));
                format!(" (the probes counted {probe}{bound})")
            });
            format!("breaks {}{numbers}", names.join(", "))
        }
        _ => format!("by {}", spec.laws.join(", ")),
    };
    (verdict, reason)
}

/// What the counter would be if it alone broke the law; `None` if it cannot be that.
fn bound(spec: &CounterSpec, probe: i64, law: &Check, laws: &[Check]) -> Option<String> {
    let (population, own) = population(law.name.raw()).zip(spec.probe)?;
    let residual = law.residual?;
    let has = |part: &&_| population.plus.contains(*part);
    let raises = own.plus.iter().any(|part| has(&part));
    let (word, limit) = match (residual.is_negative(), raises) {
        (true, true) | (false, false) => ("at least", probe.checked_add(distance(residual))?),
        _ => ("at most", probe.checked_sub(distance(residual))?),
    };
    let in_doubt = |other: &&CounterSpec| {
        let broken = |law: &Check| law.verdict >= Verdict::Undercount && obeys(other, law);
        other.id != spec.id && shares(other, population) && laws.iter().any(broken)
    };
    let others: Vec<&str> = COUNTERS
        .iter()
        .filter(in_doubt)
        .map(|spec| spec.name)
        .collect();
    let unless = match others.as_slice() {
        [] => String::new(),
        [one] => format!(", if {one} is right"),
        more => format!(", if {} are right", more.join(" and ")),
    };
    (limit >= 0).then(|| format!("{word} {limit}{unless}"))
}

fn distance(residual: i64) -> i64 {
    residual.saturating_abs()
}

fn obeys(spec: &CounterSpec, law: &Check) -> bool {
    spec.laws.iter().any(|name| law.name == **name)
}

/// Whether a counter is made of something that is part of a population.
fn shares(spec: &CounterSpec, population: Selector) -> bool {
    let own = spec.probe.into_iter().flat_map(Selector::parts);
    own.into_iter()
        .any(|part| population.parts().any(|other| other == part))
}

/// How the probes count what the law of this name is about; `None` if there is no such law.
fn population(law: &str) -> Option<Selector> {
    if law == ENTRIES_BALANCE {
        return Some(ENTRIES);
    }
    let mut laws = Law::ALL.into_iter();
    laws.find(|one| one.check() == law).map(Law::population)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &'static str, probe: i64, residual: Option<i64>, verdict: Verdict) -> Check {
        Check {
            name: name.into(),
            probe: Some(probe),
            kernel_low: residual.map(|residual| probe - residual),
            kernel_high: residual.map(|residual| probe - residual),
            residual,
            verdict,
            reason: None,
        }
    }

    fn judged(checks: &mut [Check], name: &str) -> (Verdict, String) {
        judge(checks);
        let check = checks.iter().find(|check| check.name == *name).unwrap();
        let reason = check.reason.as_ref().unwrap();
        (check.verdict, reason.raw().to_owned())
    }

    #[test]
    fn a_counter_follows_its_law_when_calls_in_flight_explain_that() {
        let mut checks = [
            check("list_balance", -1, Some(-1), Verdict::Mismatch),
            check("delete_list", 9, None, Verdict::NotComparable),
        ];
        assert_eq!(
            judged(&mut checks, "delete_list"),
            (
                Verdict::Mismatch,
                "breaks list_balance (the probes counted 9; at least 10)".to_owned()
            )
        );
        checks[0].verdict = Verdict::WithinBracket;
        assert_eq!(
            judged(&mut checks, "delete_list"),
            (Verdict::WithinBracket, "by list_balance".to_owned())
        );
    }

    #[test]
    fn a_bound_that_no_count_can_have_is_not_claimed() {
        // Only 5 were destroyed, so they cannot be what is 10 too many.
        let mut checks = [
            check("flows_balance", -10, Some(-10), Verdict::Mismatch),
            check("inserted", 0, None, Verdict::NotComparable),
            check("deleted", 5, None, Verdict::NotComparable),
        ];
        assert_eq!(
            judged(&mut checks, "deleted").1,
            "breaks flows_balance (the probes counted 5)"
        );
        assert_eq!(
            judged(&mut checks, "inserted").1,
            "breaks flows_balance (the probes counted 0; at least 10, if deleted is right)"
        );
    }

    #[test]
    fn a_column_decides_alone() {
        let mut checks = [
            check("flows_balance", -10, Some(-10), Verdict::Mismatch),
            check("inserted", 7, Some(0), Verdict::Exact),
        ];
        judge(&mut checks);
        assert_eq!(checks[1].verdict, Verdict::Exact);
    }
    #[test]
    fn laws_that_checks_prove_broken_are_named_with_what_they_are_about() {
        let checks = [
            check("entries_balance", 9, Some(0), Verdict::Exact),
            check("flows_balance", -10, Some(-10), Verdict::Mismatch),
            // Explained by hits that the kernel says it missed.
            check("list_balance", -1, Some(-1), Verdict::Undercount),
            check("frees_balance", 3, Some(3), Verdict::Mismatch),
            // A counter, and no law.
            check("deleted", 5, Some(5), Verdict::Mismatch),
        ];
        let found: Vec<_> = broken(&checks).collect();
        assert_eq!(
            found,
            [
                ("flows_balance", Law::Flows.population()),
                ("frees_balance", Law::Frees.population()),
            ]
        );
        let entries = [check("entries_balance", 1, Some(1), Verdict::Mismatch)];
        let found: Vec<_> = broken(&entries).collect();
        assert_eq!(found, [("entries_balance", ENTRIES)]);
    }
}
