mod explained;

use conntrack_ebpf::{COUNTER_SLOTS, ProbeCounter};
use proptest::prelude::*;

use super::*;
use crate::{
    model::{
        record::worst,
        verify::{bracket::Bracket, by_laws},
    },
    reading::{coverage::Coverage, probes::ProbeTotals},
};

fn totals(alloc: u64, free: u64) -> ProbeTotals {
    let mut totals = [0; COUNTER_SLOTS];
    totals[ProbeCounter::AllocCall.index()] = alloc;
    totals[ProbeCounter::Free.index()] = free;
    totals
}

fn balance(
    base: [(u64, u64); 2],
    now: [(u64, u64); 2],
    entries: i64,
    missed: Option<u64>,
) -> Check {
    let bracket = |[before, after]: [(u64, u64); 2]| Bracket {
        before: totals(before.0, before.1),
        after: totals(after.0, after.1),
    };
    // Enough of them that no law but that of entries is in the way.
    let before: u64 = 1_000_000;
    Comparison {
        numbers: LawInputs {
            base: &bracket(base),
            now: &bracket(now),
            entries: Some(before.checked_add_signed(entries).unwrap()),
            unseen_drops: 0,
            in_flight: 4,
            coverage: &Coverage::except(Vec::new()),
        },
        entries_before: Some(before),
        conservation: &Conservation::new(Some(before), 4),
        column: &|_| Err("dead".into()),
        missed,
        grace: &Grace::default(),
    }
    .checks()
    .remove(0)
}

const ZERO: [(u64, u64); 2] = [(0, 0); 2];

#[test]
fn equal_and_unmoving_is_exact() {
    let check = balance(ZERO, [(50, 20), (50, 20)], 30, Some(0));
    assert_eq!(check.verdict, Verdict::Exact);
    assert_eq!(check.residual, Some(0));
}

#[test]
fn what_moves_while_reading_widens_the_range_and_no_more() {
    let moving = [(50, 20), (53, 24)];
    for (entries, verdict) in [
        (24, Verdict::Mismatch),
        (26, Verdict::WithinBracket),
        (33, Verdict::WithinBracket),
        (34, Verdict::Mismatch),
    ] {
        let check = balance(ZERO, moving, entries, Some(0));
        assert_eq!(check.verdict, verdict, "entries {entries}: {check:?}");
    }
}

#[test]
fn missed_hits_explain_only_as_much_as_was_missed() {
    let still = [(47, 20), (47, 20)];
    assert_eq!(
        balance(ZERO, still, 30, Some(3)).verdict,
        Verdict::Undercount
    );
    assert_eq!(balance(ZERO, still, 30, Some(2)).verdict, Verdict::Mismatch);
    let hidden = balance(ZERO, still, 30, None);
    assert_eq!(hidden.verdict, Verdict::Mismatch);
    assert!(
        hidden
            .reason
            .is_some_and(|r| r.raw().contains("does not tell"))
    );
    assert_eq!(balance(ZERO, still, 30, Some(3)).residual, Some(-3));
}

/// The checks of a run that made `inserted` flows and whose kernel destroyed `destroyed`, of which none is left.
fn flows(inserted: u64, destroyed: u64, coverage: &Coverage) -> Vec<Check> {
    let mut now = [0; COUNTER_SLOTS];
    for (counter, count) in [
        (ProbeCounter::AllocCall, 100),
        (ProbeCounter::AllocCallPacket, 100),
        (ProbeCounter::Inserted, inserted),
        (ProbeCounter::DeleteList, 100),
        (ProbeCounter::Destroyed, destroyed),
        (ProbeCounter::Free, 100),
    ] {
        now[counter.index()] = count;
    }
    let bracket = |totals: ProbeTotals| Bracket {
        before: totals,
        after: totals,
    };
    let mut checks = Comparison {
        numbers: LawInputs {
            base: &bracket([0; COUNTER_SLOTS]),
            now: &bracket(now),
            entries: Some(0),
            unseen_drops: 0,
            in_flight: 4,
            coverage,
        },
        entries_before: Some(0),
        conservation: &Conservation::new(Some(0), 4),
        column: &|_| Err("dead".into()),
        missed: Some(0),
        grace: &Grace::default(),
    }
    .checks();
    by_laws::judge(&mut checks);
    checks
}

fn of(checks: &[Check], name: &str) -> (Verdict, String) {
    let check = checks.iter().find(|check| check.name == *name).unwrap();
    let reason = check.reason.as_ref().map(|reason| reason.raw().to_owned());
    (check.verdict, reason.unwrap_or_default())
}

#[test]
fn counters_without_a_column_are_verified_by_laws() {
    let checks = flows(100, 100, &Coverage::except(Vec::new()));
    for (counter, laws) in [
        ("alloc", "by entries_balance, unconfirmed_balance"),
        ("free", "by entries_balance, frees_balance"),
        ("new", "by packets_balance"),
        ("inserted", "by flows_balance, unconfirmed_balance"),
        ("deleted", "by frees_balance, flows_balance"),
        ("delete_list", "by list_balance"),
    ] {
        assert_eq!(
            of(&checks, counter),
            (Verdict::Exact, laws.to_owned()),
            "{counter}"
        );
    }
    assert_eq!(worst(&checks), Some(Verdict::Exact));
}

#[test]
fn a_broken_law_puts_all_its_counters_in_doubt_and_no_others() {
    // Ten that were put into the table were not counted.
    let checks = flows(90, 100, &Coverage::except(Vec::new()));
    assert_eq!(of(&checks, "flows_balance").0, Verdict::Mismatch);
    assert_eq!(of(&checks, "unconfirmed_balance").0, Verdict::Mismatch);
    assert_eq!(of(&checks, "list_balance").0, Verdict::Exact);
    let (verdict, reason) = of(&checks, "inserted");
    assert_eq!(verdict, Verdict::Mismatch);
    assert_eq!(
        reason,
        "breaks flows_balance, unconfirmed_balance (the probes counted 90; at least 100, if deleted is right)"
    );
    assert_eq!(
        of(&checks, "deleted"),
        (
            Verdict::Mismatch,
            "breaks flows_balance (the probes counted 100; at most 90, if inserted is right)"
                .to_owned()
        )
    );
    assert_eq!(of(&checks, "delete_list").0, Verdict::Exact);
}

#[test]
fn a_law_whose_probe_is_missing_says_so() {
    let gone = vec![(ProbeCounter::Destroyed, "it is so".into())];
    let checks = flows(100, 0, &Coverage::except(gone));
    for name in ["flows_balance", "list_balance", "delete_list"] {
        let (verdict, reason) = of(&checks, name);
        assert_eq!(verdict, Verdict::NotComparable, "{name}");
        assert!(reason.contains("it is so"), "{name}: {reason}");
    }
    // Another law holds.
    assert_eq!(of(&checks, "inserted").0, Verdict::Exact);
}

proptest! {
    /// A correct probe always passes, whatever moves between the three readings.
    #[test]
    fn a_faithful_probe_always_passes(
        steps in prop::collection::vec((0u64..100, 0u64..100), 6)
    ) {
        // Six consecutive periods: up to P1, K and P2 of the first reading, then of the current one.
        let mut sums = Vec::new();
        let (mut alloc, mut free) = (0, 0);
        for (a, f) in steps {
            alloc += a;
            free += f;
            sums.push((alloc, free));
        }
        let entries = |(alloc, free): (u64, u64)| i64::try_from(alloc).unwrap() - i64::try_from(free).unwrap();
        let check = balance(
            [sums[0], sums[2]],
            [sums[3], sums[5]],
            entries(sums[4]) - entries(sums[1]),
            Some(0),
        );
        prop_assert!(check.verdict <= Verdict::WithinBracket, "{:?}", check);
    }

    /// A probe that loses more hits than moved during the reading is always detected.
    #[test]
    fn a_lossy_probe_is_caught(made in 1u64..100_000, lost in 1u64..1000, moving in 0u64..50) {
        let lost = lost.min(made) + moving;
        let seen = (made + 2 * moving).saturating_sub(lost);
        let entries = i64::try_from(made + 2 * moving).unwrap();
        let before = seen.saturating_sub(moving);
        let check = balance(ZERO, [(before, 0), (seen, 0)], entries + 1, Some(0));
        prop_assert_eq!(check.verdict, Verdict::Mismatch);
    }
}

#[test]
fn a_missed_call_that_evicts_a_chain_is_several_events() {
    let mismatch = |residual: i64| {
        let mut check = Check {
            name: "early_drop".into(),
            probe: Some(6_976),
            kernel_low: Some(7_001),
            kernel_high: Some(7_001),
            residual: Some(residual),
            verdict: Verdict::Mismatch,
            reason: None,
        };
        excuse_by_missed_calls(&mut check, Some(23));
        check.verdict
    };
    assert_eq!(mismatch(-25), Verdict::Undercount);
    assert_eq!(mismatch(-23 * 80), Verdict::Undercount);
    assert_eq!(mismatch(-23 * 80 - 1), Verdict::Mismatch);
    // Too many are never explained by what was missed.
    assert_eq!(mismatch(25), Verdict::Mismatch);
}

#[test]
fn a_part_is_at_most_the_whole() {
    let check = |exhausted: u64, failed: i64| {
        let mut after = totals(0, 0);
        after[ProbeCounter::NatExhausted.index()] = exhausted;
        let base = Bracket {
            before: totals(0, 0),
            after: totals(0, 0),
        };
        let now = Bracket {
            before: after,
            after,
        };
        let checks = Comparison {
            numbers: LawInputs {
                base: &base,
                now: &now,
                entries: Some(0),
                unseen_drops: 0,
                in_flight: 4,
                coverage: &Coverage::except(Vec::new()),
            },
            entries_before: Some(0),
            conservation: &Conservation::new(Some(0), 4),
            column: &|spec| match spec.name {
                "insert_failed" => Ok(failed),
                _ => Err("dead".into()),
            },
            missed: Some(0),
            grace: &Grace::default(),
        }
        .checks();
        let of_nat = checks
            .into_iter()
            .find(|check| check.name == "nat_exhausted");
        of_nat.expect("it is checked").verdict
    };
    assert_eq!(check(0, 0), Verdict::Exact);
    assert_eq!(check(100, 100), Verdict::WithinBracket);
    assert_eq!(check(100, 1_000), Verdict::WithinBracket);
    // What was in flight at the first reading.
    assert_eq!(check(104, 100), Verdict::WithinBracket);
    assert_eq!(check(105, 100), Verdict::Mismatch);
}
