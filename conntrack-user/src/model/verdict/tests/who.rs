//! Who is named, and when it is said that it is not known who.

use super::words::{lose, said, share};
use super::*;
use crate::model::record::{TopShare, VerdictFacts};

#[test]
fn who_was_refused_comes_before_who_was_evicted() -> TestResult {
    let talkers = |refused, evicted| {
        said(Topic::Who, |facts| {
            lose(facts, LossKind::Refused, Some(refused));
            lose(facts, LossKind::Evicted, Some(evicted));
            facts.who.0 = [
                ("dropped", "10.0.0.1"),
                ("evicted", "10.0.0.2"),
                ("entries", "10.0.0.3"),
            ]
            .map(|(by, key)| (by.into(), vec![share("src", key, 50.0)]))
            .into();
        })
    };
    assert_eq!(talkers(0, 0)?, "Held: 50 % from 10.0.0.3.");
    assert_eq!(
        talkers(0, 1)?,
        "Evicted: 50 % from 10.0.0.2. Held: 50 % from 10.0.0.3."
    );
    for evicted in [0, 1] {
        assert_eq!(
            talkers(1, evicted)?,
            "Refused: 50 % from 10.0.0.1. Held: 50 % from 10.0.0.3."
        );
    }
    Ok(())
}

#[test]
fn the_destination_is_named_where_no_source_is() -> TestResult {
    let both = [
        share("src", "10.0.0.1", 50.0),
        share("dst", "10.0.0.2", 99.0),
    ];
    for (shares, text) in [
        (&both[..], "New flows: 50 % from 10.0.0.1."),
        (&both[1..], "New flows: 99 % to 10.0.0.2."),
        (&[share("state", "ESTABLISHED", 90.0)], ""),
        (
            &[share("dport", "tcp/443", 40.0)],
            "New flows: 40 % to tcp/443.",
        ),
    ] {
        let who = said(Topic::Who, |facts| {
            facts.who.0 = vec![("new".into(), shares.to_vec())];
        })?;
        assert_eq!(who, text);
    }
    // The process behind it is named.
    let mut with = share("src", "10.0.0.1", 50.0);
    with.process = Some("curl".into());
    let who = said(Topic::Who, |facts| {
        facts.who.0 = vec![("new".into(), vec![with])]
    })?;
    assert_eq!(who, "New flows: 50 % from 10.0.0.1 (curl).");
    Ok(())
}

type Change<'a> = &'a dyn Fn(&mut VerdictFacts);

#[test]
fn that_it_is_not_known_who_is_said_where_it_matters() -> TestResult {
    let off = "Who causes it cannot be seen without probes.";
    let not_counted = "Who causes it is not known: no top talkers were counted (--top).";
    let not_clear = "Who causes it is not clear: no top talker has a tenth.";
    let lost = |facts: &mut VerdictFacts| lose(facts, LossKind::Failed, Some(1));
    let fills = |facts: &mut VerdictFacts| {
        facts.time_to_full_s = Some(TimeToFull {
            estimate: 8.0,
            low: 7.0,
            high: 9.0,
        });
    };
    let full = |facts: &mut VerdictFacts| facts.full_since = Some(facts.since);
    let matters: [(Change<'_>, bool); 4] = [
        (&|_| {}, false),
        (&lost, true),
        (&fills, true),
        (&full, true),
    ];
    for (change, matters) in matters {
        let who = |probes: &'static str, shares: Option<Vec<TopShare>>| {
            said(Topic::Who, |facts| {
                change(facts);
                facts.proof.probes = probes.into();
                facts.who.0 = shares
                    .map(|shares| ("entries".into(), shares))
                    .into_iter()
                    .collect();
            })
        };
        for (probes, shares, text) in [
            ("off", None, off),
            ("fentry", None, not_counted),
            ("fentry", Some(Vec::new()), not_clear),
        ] {
            let expected = if matters { text } else { "" };
            assert_eq!(who(probes, shares)?, expected);
        }
        let known = Some(vec![share("src", "10.0.0.1", 50.0)]);
        assert_eq!(who("fentry", known)?, "Held: 50 % from 10.0.0.1.");
    }
    Ok(())
}
