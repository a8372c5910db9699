//! What the sentences say of facts.

use super::*;
use crate::model::record::{
    BurstsSoFar, BusiestBucket, HighestUse, LargestBurst, Loss, Proof, TopShare, VerdictFacts,
};

/// A minute and a half after the start, a tenth full, nothing lost, all that can be seen seen.
fn facts() -> Result<VerdictFacts, Box<dyn Error>> {
    let mut story = Story::new()?;
    let mut facts = story.fill(100).ok_or("no verdict")?.facts;
    facts.entries_per_s = Some(0.0);
    Ok(facts)
}

pub(super) fn share(of: &'static str, key: &'static str, share: f64) -> TopShare {
    TopShare {
        of: of.into(),
        key: key.into(),
        share,
        process: None,
        workload: None,
    }
}

/// What is said on a topic, after a change of the facts.
pub(super) fn said(
    topic: Topic,
    change: impl FnOnce(&mut VerdictFacts),
) -> Result<String, Box<dyn Error>> {
    let mut facts = facts()?;
    change(&mut facts);
    let said = sentences(&facts, &|time, digits| {
        format!(
            "{:.1$}",
            time.0.as_millisecond() as f64 / 1e3 % 60.0,
            digits
        )
    });
    let of_topic = said.iter().filter(|sentence| sentence.topic == topic);
    let texts: Vec<String> = of_topic.map(|sentence| sentence.text.to_string()).collect();
    Ok(texts.join(" "))
}

pub(super) fn lose(facts: &mut VerdictFacts, kind: LossKind, count: Option<u64>) {
    let since = facts.since;
    let known = facts
        .losses
        .0
        .iter_mut()
        .find(|(name, _)| *name == *kind.name());
    if let Some((_, loss)) = known {
        *loss = count.map(|count| Loss {
            count,
            first: (count > 0).then_some(since),
            last: (count > 0).then_some(since),
            wrong: false,
        });
    }
}

#[test]
fn where_the_table_is_going_is_said_when_it_goes_there() -> TestResult {
    // Five percent of 1000 a minute are 0.83 a second.
    for (rate, text) in [
        (Some(0.0), ", steady"),
        (Some(0.83), ", steady"),
        (Some(-0.83), ", steady"),
        (Some(0.84), ", rising by 0.8/s"),
        (Some(-0.84), ", draining by 0.8/s"),
        (Some(120.0), ", rising by 120/s"),
        (Some(-120.0), ", draining by 120/s"),
        (None, ""),
    ] {
        let table = said(Topic::Table, |facts| facts.entries_per_s = rate)?;
        assert_eq!(
            table,
            format!("Table 10 % full (max 1000){text}."),
            "{rate:?}"
        );
        // Without a limit, of what it holds: five of 100.
        let table = said(Topic::Table, |facts| {
            (facts.max, facts.utilization) = (None, None);
            facts.entries_per_s = rate.map(|rate| rate / 10.0);
        })?;
        let moves = rate.is_some_and(|rate| rate.abs() > 0.83);
        assert_eq!(
            moves,
            table.contains("rising") || table.contains("draining")
        );
        assert!(
            table.starts_with("Table holds 100 entries; no limit is known"),
            "{table}"
        );
    }
    // Exactly five percent is steady, too.
    for rate in [-1.0, 1.0] {
        let table = said(Topic::Table, |facts| {
            facts.max = Some(1_200);
            facts.entries_per_s = Some(rate);
        })?;
        assert_eq!(table, "Table 10 % full (max 1200), steady.");
    }
    // What has just become empty drains, what has been that long does not.
    for (rate, text) in [(-20.0, "draining by 20/s"), (0.0, "steady")] {
        let table = said(Topic::Table, |facts| {
            (facts.max, facts.utilization, facts.entries) = (None, None, Some(0));
            facts.entries_per_s = Some(rate);
        })?;
        assert_eq!(
            table,
            format!("Table holds 0 entries; no limit is known, {text}.")
        );
    }
    Ok(())
}

#[test]
fn a_forecast_is_with_the_rate_that_it_is_made_of() -> TestResult {
    let time = TimeToFull {
        estimate: 90.0,
        low: 60.0,
        high: 1_200.0,
    };
    let table = said(Topic::Table, |facts| {
        facts.entries_per_s = Some(-500.0);
        facts.time_to_full_s = Some(time);
    })?;
    assert_eq!(
        table,
        "Table 10 % full (max 1000), filling by 10/s: full in 1m 30s (1m to 20m)."
    );
    Ok(())
}

#[test]
fn the_highest_use_is_said_when_it_is_clearly_higher() -> TestResult {
    for (now, highest, text) in [
        (10.0, 11.0, "; 11 % at its highest, 56"),
        (10.0, 10.9, ""),
        (10.4, 11.6, "; 12 % at its highest, 56"),
        (10.0, 9.0, ""),
        (10.4, 11.0, ""),
        // The words would be the same.
        (11.5, 12.5, ""),
        (100.0, 101.4, "; 101 % at its highest, 56"),
    ] {
        let table = said(Topic::Table, |facts| {
            facts.utilization = Some(now);
            facts.highest = Some(HighestUse {
                entries: 1,
                utilization: Some(highest),
                at: facts.since,
            });
        })?;
        assert!(
            table.ends_with(&format!(", steady{text}.")),
            "{now} {highest}: {table}"
        );
    }
    Ok(())
}

#[test]
fn why_nothing_is_tracked_is_a_sentence() -> TestResult {
    for (why, text) in [
        ("nothing tracks here", "Nothing tracks here."),
        ("nothing tracks here.", "Nothing tracks here."),
        ("", "."),
    ] {
        let table = said(Topic::Table, |facts| facts.untracked = Some(why.into()))?;
        assert_eq!(table, text);
    }
    Ok(())
}

#[test]
fn losses_are_those_that_happened_and_those_that_cannot_be_seen() -> TestResult {
    let none = Some(0);
    for (refused, evicted, failed, dropped, text) in [
        (
            none,
            none,
            none,
            none,
            "Nothing refused, evicted or failed since 56.",
        ),
        (
            Some(1),
            none,
            none,
            Some(1),
            "1 flow refused since 56; last at 56.",
        ),
        (
            none,
            Some(1),
            Some(2),
            none,
            "1 flow evicted, 2 failed since 56; last at 56.",
        ),
        (
            none,
            Some(2),
            Some(1),
            none,
            "2 flows evicted, 1 failed since 56; last at 56.",
        ),
        // Each refused flow is a dropped packet; more of them are something else.
        (
            Some(2),
            none,
            none,
            Some(3),
            "2 flows refused, 3 packets dropped since 56; last at 56.",
        ),
        (
            Some(2),
            none,
            none,
            Some(2),
            "2 flows refused since 56; last at 56.",
        ),
        (
            none,
            none,
            none,
            Some(1),
            "1 packet dropped since 56; last at 56.",
        ),
        (
            None,
            none,
            none,
            none,
            "Nothing evicted, failed or dropped since 56.",
        ),
        (
            None,
            None,
            none,
            none,
            "Nothing failed or dropped since 56. Whether any was evicted is unknown.",
        ),
        (
            None,
            None,
            None,
            none,
            "Nothing dropped since 56. Whether any was evicted or failed is unknown.",
        ),
        (
            none,
            none,
            none,
            None,
            "Nothing refused, evicted or failed since 56.",
        ),
        (
            None,
            none,
            none,
            None,
            "Nothing evicted or failed since 56. Whether any was refused is unknown.",
        ),
        (
            None,
            Some(3),
            None,
            None,
            "3 flows evicted since 56; last at 56. Whether any was refused or failed is unknown.",
        ),
        (
            None,
            None,
            None,
            None,
            "Whether any was refused or evicted or failed is unknown.",
        ),
    ] {
        let losses = said(Topic::Losses, |facts| {
            let counts = [refused, evicted, failed, dropped];
            for (kind, count) in LossKind::ALL.into_iter().zip(counts) {
                lose(facts, kind, count);
            }
        })?;
        assert_eq!(
            losses, text,
            "{refused:?} {evicted:?} {failed:?} {dropped:?}"
        );
    }
    Ok(())
}

#[test]
fn a_count_that_is_proven_wrong_is_called_that() -> TestResult {
    let losses = said(Topic::Losses, |facts| {
        lose(facts, LossKind::Evicted, Some(3));
        for (_, loss) in &mut facts.losses.0 {
            if let Some(loss) = loss {
                loss.wrong = true;
            }
        }
    })?;
    assert_eq!(
        losses,
        "3 flows evicted (proven wrong) since 56; last at 56."
    );
    for (wrong, text) in [(false, ""), (true, " (proven wrong)")] {
        let busiest = said(Topic::Busiest, |facts| {
            facts.bursts = Some(BurstsSoFar {
                wrong,
                ..BurstsSoFar::default()
            });
            facts.busiest = Some(BusiestBucket {
                rate: 50_000.0,
                window_ms: 1.05,
                at: facts.since,
                wrong,
            });
        })?;
        assert_eq!(
            busiest,
            format!("No burst of new flows{text}; busiest millisecond 53{text} at 56.000.")
        );
    }
    Ok(())
}

#[test]
fn bursts_are_counted_and_the_largest_is_described() -> TestResult {
    for (number, text) in [
        (1, "1 burst of new flows: 700 in 12 ms at 56.000."),
        (
            2,
            "2 bursts of new flows, the largest 700 in 12 ms at 56.000.",
        ),
    ] {
        let bursts = said(Topic::Busiest, |facts| {
            facts.bursts = Some(BurstsSoFar {
                number,
                largest: Some(LargestBurst {
                    count: 700,
                    duration_ms: 11.6,
                    at: facts.since,
                }),
                wrong: false,
            });
        })?;
        assert_eq!(bursts, text);
    }
    assert_eq!(said(Topic::Busiest, |facts| facts.bursts = None)?, "");
    Ok(())
}

#[test]
fn proof_is_as_many_checks_as_compare_anything() -> TestResult {
    let proof = |probes: &'static str,
                 reason: Option<&'static str>,
                 checks,
                 agree,
                 bad: &[&'static str]| {
        said(Topic::Proof, |facts| {
            facts.proof = Proof {
                probes: probes.into(),
                reason: reason.map(Into::into),
                checks,
                agree,
                disagree: bad.iter().map(|name| (*name).into()).collect(),
            };
        })
    };
    assert_eq!(
        proof("off", None, 0, 0, &[])?,
        "No probes, so only what the kernel counts, unchecked: none is attached."
    );
    assert_eq!(
        proof("off", Some("no BTF"), 0, 0, &[])?,
        "No probes, so only what the kernel counts, unchecked: no BTF."
    );
    assert_eq!(
        proof("fentry", None, 0, 0, &[])?,
        "Counts are not proven: no check has anything to compare with yet."
    );
    assert_eq!(
        proof("fentry", None, 5, 5, &[])?,
        "Counts are proven: 5 of 5 checks agree."
    );
    assert_eq!(
        proof("fentry", None, 5, 3, &["new", "alloc"])?,
        "Counts are NOT proven: 2 of 5 checks disagree (new, alloc)."
    );
    Ok(())
}
