//! What explains a difference: calls in flight at the first reading, what moves during a reading, allocations that fail.

use std::time::Duration;

use super::*;

/// The checks of a run that started with an empty table, by the probes' totals before and after the kernel's number was read.
fn checks(now: [ProbeTotals; 2], entries: u64, unseen_drops: u64, grace: &Grace) -> Vec<Check> {
    let [before, after] = now;
    Comparison {
        numbers: LawInputs {
            base: &Bracket {
                before: totals(0, 0),
                after: totals(0, 0),
            },
            now: &Bracket { before, after },
            entries: Some(entries),
            unseen_drops,
            in_flight: 4,
            coverage: &Coverage::except(Vec::new()),
        },
        entries_before: Some(0),
        conservation: &Conservation::new(Some(0), 4),
        column: &|_| Err("dead".into()),
        missed: Some(0),
        grace,
    }
    .checks()
}

fn named(checks: &[Check], name: &str) -> Check {
    let mut checks = checks.iter();
    checks.find(|check| check.name == *name).unwrap().clone()
}

/// So many conntracks that were allocated for packets and inserted.
fn inserted(allocated: u64, inserted: u64) -> ProbeTotals {
    let mut totals = totals(allocated, 0);
    totals[ProbeCounter::AllocCallPacket.index()] = allocated;
    totals[ProbeCounter::Inserted.index()] = inserted;
    totals
}

#[test]
fn a_law_is_corrected_for_calls_in_flight_at_the_first_reading() {
    // One flow more was inserted than allocated, from the first reading on.
    let totals = [inserted(9, 10); 2];
    let mut grace = Grace::default();
    let mut at = |ms| {
        let mut checks = checks(totals, 9, 0, &grace);
        grace.apply(&mut checks, Duration::from_millis(ms), 4);
        named(&checks, "unconfirmed_balance")
    };
    let first = at(0);
    assert_eq!(
        (first.kernel_low, first.kernel_high, first.residual),
        (Some(0), Some(9), Some(-1))
    );
    assert_eq!(first.verdict, Verdict::WithinBracket);
    // It persists and does not change: so that is how far the first reading was off.
    assert_eq!(at(1_000).verdict, Verdict::WithinBracket);
    let corrected = at(1_500);
    assert_eq!(
        (
            corrected.kernel_low,
            corrected.kernel_high,
            corrected.residual
        ),
        (Some(-1), Some(8), Some(0))
    );
    // What was read does not agree by itself.
    assert_eq!(corrected.verdict, Verdict::WithinBracket);
    let reason = corrected.reason.as_ref().map(Text::raw);
    assert_eq!(reason, Some("1 call was in flight at the first reading"));
}

#[test]
fn a_law_that_holds_by_what_moved_meanwhile_is_not_exact() {
    let of = |entries| {
        let now = [inserted(10, 10), inserted(12, 12)];
        named(&checks(now, entries, 0, &Grace::default()), "flows_balance")
    };
    // Of 12 flows, two were inserted while the kernel's number was read.
    assert_eq!(of(12).verdict, Verdict::Exact);
    assert_eq!(of(10).verdict, Verdict::WithinBracket);
    assert_eq!(of(9).verdict, Verdict::Mismatch);
}

#[test]
fn allocations_that_may_have_failed_explain_too_many_and_not_too_few() {
    let balance = |entries, drops| {
        let now = [inserted(30, 30); 2];
        let checks = checks(now, entries, drops, &Grace::default());
        named(&checks, "entries_balance")
    };
    let explained = balance(27, 3);
    assert_eq!(explained.verdict, Verdict::WithinBracket);
    assert_eq!(
        explained.reason.as_ref().map(Text::raw),
        Some("up to 3 allocations may have failed for lack of memory")
    );
    assert_eq!(balance(27, 2).verdict, Verdict::Mismatch);
    assert_eq!(balance(33, 3).verdict, Verdict::Mismatch);
    assert_eq!(balance(30, 3).verdict, Verdict::Exact);
    // Those are of no counter but the kernel's number of entries.
    let now = [inserted(30, 30); 2];
    let unexplained = named(&checks(now, 27, 3, &Grace::default()), "flows_balance");
    assert_eq!(unexplained.verdict, Verdict::Mismatch);
}
