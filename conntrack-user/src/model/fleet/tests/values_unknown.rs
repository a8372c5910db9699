//! What is reported of the instances of a host that is lost.

use serde_json::json;

use super::*;
use crate::model::{
    alert::ALERTS,
    kernel::charts::CHARTS,
    record::{InstanceVerdict, Loss, LossKind, SourceKind},
};

/// A verdict on a table with losses of each kind: some, none, and one that cannot be seen.
fn verdict() -> InstanceVerdict {
    let since = "2027-01-15T07:00:00Z";
    let share = json!([{"of": "src", "key": "192.0.2.1", "share": 90.0}]);
    let value = json!({
        "time": since, "instance": "self", "severity": "critical", "sentences": ["The table is full."],
        "facts": {
            "since": since, "entries": 100, "max": 100, "utilization": 100.0,
            "highest": {"entries": 100, "utilization": 100.0, "at": since},
            "full_since": since, "entries_per_s": 5.0, "time_to_full_s": {"estimate": 3.0, "low": 2.0, "high": 4.0},
            "untracked": "nothing tracks connections",
            "losses": {
                "refused": {"count": 7, "first": since, "last": since},
                "evicted": {"count": 0, "first": null, "last": null},
                "failed": null,
            },
            "busiest": {"rate": 9e4, "window_ms": 1.05, "at": since},
            "bursts": {"number": 3, "largest": null},
            "who": {"new": share},
            "advice": {"setting": "net.netfilter.nf_conntrack_max", "from": 100, "to": 200},
            "proof": {"probes": "fentry", "checks": 9, "agree": 8, "disagree": ["new"]},
        },
    });
    serde_json::from_value(value).expect("a verdict")
}

/// The records of a host that was lost 400 ms after its sample and verdict.
fn lost() -> Vec<Record> {
    let mut fleet = fleet(&["a"]);
    fleet.take(0, hello(100.0), at(0));
    fleet.take(0, sample(100, 0), at(100));
    let verdict = Record::Verdict(Box::new(verdict()));
    fleet.take(0, HostNews::Record(Box::new(verdict)), at(100));
    fleet.take(0, HostNews::Lost("reset".into()), at(500))
}

#[test]
fn every_value_of_a_sample_is_there_and_unknown() {
    let records = lost();
    let Some(Record::Sample(absent)) = records.get(1) else {
        panic!("a sample: {records:?}")
    };
    assert_eq!((absent.entries, absent.max), (None, None));
    assert_eq!(
        absent.buckets_unavailable,
        Some("the host is lost: reset".into())
    );
    for chart in &CHARTS {
        for dimension in chart.dimensions {
            let name = dimension.name;
            let value = absent.charts.get(chart.name).and_then(|of| of.get(name));
            assert_eq!(value, Some(&None), "{name}");
            let source = absent.sources.get(chart.name).and_then(|of| of.get(name));
            assert_eq!(source, Some(&SourceKind::Unavailable), "{name}");
        }
    }
    // No alert is clear only because nothing comes.
    assert!(absent.alerts.is_empty());
    for alert in &ALERTS {
        let why = absent.alerts_unavailable.get(alert.name);
        assert_eq!(why.map(Text::raw), Some("the host is lost: reset"));
    }
}

#[test]
fn a_verdict_keeps_what_remains_true() {
    let records = lost();
    let Some(Record::Verdict(now)) = records.get(2) else {
        panic!("a verdict: {records:?}")
    };
    let before = verdict().facts;
    assert_eq!(
        (now.instance.raw(), now.severity),
        ("a/self", Severity::Unknown)
    );
    let facts = &now.facts;
    // What is now is not known.
    assert_eq!(
        (facts.entries, facts.max, facts.utilization),
        (None, None, None)
    );
    assert_eq!((facts.full_since, facts.entries_per_s), (None, None));
    assert!(facts.time_to_full_s.is_none() && facts.untracked.is_none());
    assert!(facts.advice.is_none() && facts.who.is_empty());
    // What was remains.
    assert_eq!(facts.since, before.since);
    assert_eq!(
        (facts.highest, facts.busiest),
        (before.highest, before.busiest)
    );
    assert_eq!(facts.bursts, before.bursts);
    let loss = |kind: LossKind| facts.losses.get(kind.name()).copied();
    let count = |kind| loss(kind).map(|loss| loss.map(|loss: Loss| loss.count));
    assert_eq!(count(LossKind::Refused), Some(Some(7)));
    // That nothing was lost may have changed since.
    assert_eq!(count(LossKind::Evicted), Some(None));
    assert_eq!(count(LossKind::Failed), Some(None));
    assert_eq!(count(LossKind::Dropped), None);
    let proof = &facts.proof;
    assert_eq!(
        (proof.probes.raw(), proof.checks, proof.agree),
        ("fentry", 0, 0)
    );
    assert!(proof.disagree.is_empty());
    let lost = facts.host_lost.as_ref().expect("a loss");
    assert_eq!((lost.host.raw(), lost.reason.raw()), ("a", "reset"));
    assert_eq!(
        (lost.since, now.time),
        (Time(at(500).realtime), Time(at(500).realtime))
    );
    let said: Vec<&str> = now.sentences.iter().map(Text::raw).collect();
    assert_eq!(said, ["Host a is lost since 08:00:00 UTC: reset."]);
}
