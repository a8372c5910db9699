//! Tests of verdicts, on records as a run writes them.

mod completions;
mod facts;
mod who;
mod words;

use std::error::Error;

use jiff::SignedDuration;

use super::*;
use crate::model::{
    alert::AlertStatus,
    forecast::TimeToFull,
    kernel::counters::Counter,
    record::{
        AdvisedChange, LossKind, Peak, Sample, Severity, Time, Top, TopRow, TopTable, Verdict,
    },
};

type TestResult = Result<(), Box<dyn Error>>;

/// A run in records: at each step the sample is changed, and observed a second after the one before.
struct Story {
    verdicts: Verdicts,
    hello: Record,
    sample: Sample,
    crosscheck: Record,
    observed: Vec<Record>,
}

impl Story {
    fn new() -> Result<Self, Box<dyn Error>> {
        let lines = include_str!("../../../../tests/fixtures/records/view.jsonl").lines();
        let records: Vec<Record> = lines
            .map(serde_json::from_str)
            .collect::<Result<_, serde_json::Error>>()?;
        let find = |is: fn(&Record) -> bool| records.iter().find(|r| is(r)).cloned();
        let sample = find(|r| matches!(r, Record::Sample(_)));
        let Some(Record::Sample(sample)) = sample else {
            return Err("no sample".into());
        };
        let mut sample = *sample;
        sample.time = "2026-11-27T22:02:56Z".parse().map(Time)?;
        sample.interval_s = 1.0;
        sample.entries = Some(100);
        sample.max = Some(1_000);
        sample.utilization = Some(10.0);
        sample.time_to_full_s = None;
        for counter in [
            Counter::TableFull,
            Counter::EarlyDrop,
            Counter::InsertFailed,
            Counter::Drop,
        ] {
            sample.counters.set(counter, Some(0));
        }
        sample.peaks.set(Counter::New, None);
        for (_, alert) in &mut sample.alerts.0 {
            alert.status = AlertStatus::Clear;
        }
        sample.wrong = Default::default();
        let mut crosscheck = find(|r| matches!(r, Record::Crosscheck(_))).ok_or("no crosscheck")?;
        judge_all(&mut crosscheck, Verdict::Exact);
        Ok(Self {
            verdicts: Verdicts::default(),
            hello: find(|r| matches!(r, Record::Hello(_))).ok_or("no hello")?,
            crosscheck,
            sample,
            observed: Vec::new(),
        })
    }

    fn step(&mut self, change: impl FnOnce(&mut Sample)) -> Option<InstanceVerdict> {
        let later = self.sample.time.0 + SignedDuration::from_secs(1);
        self.sample.time = Time(later);
        change(&mut self.sample);
        self.sample.utilization = self
            .sample
            .entries
            .zip(self.sample.max)
            .map(|(entries, max)| entries as f64 * 100.0 / max as f64);
        let sample = Record::Sample(Box::new(self.sample.clone()));
        let mut records = vec![self.hello.clone(), sample];
        if self.sample.verdict.is_some() {
            records.push(self.crosscheck.clone());
        }
        records.append(&mut self.observed);
        for record in &records {
            self.verdicts.take(record);
        }
        match self.verdicts.changed().pop() {
            Some(Record::Verdict(verdict)) => Some(*verdict),
            _ => None,
        }
    }

    fn fill(&mut self, entries: u64) -> Option<InstanceVerdict> {
        self.step(|sample| sample.entries = Some(entries))
    }

    fn top(&mut self, by: &'static str, first: &[(&'static str, &'static str, f64)]) {
        let tables = first.iter().map(|&(of, key, share)| TopTable {
            by: by.into(),
            of: of.into(),
            total: 100,
            error: 0,
            certain: true,
            sampled: false,
            rows: vec![TopRow {
                key: key.into(),
                count: 81,
                share,
                ..TopRow::default()
            }],
        });
        self.observed.push(Record::Top(Top {
            time: self.sample.time,
            instance: self.sample.instance.clone(),
            window_s: 1.0,
            closing: false,
            tables: tables.collect(),
            remark: None,
        }));
    }
}

fn judge_all(crosscheck: &mut Record, verdict: Verdict) {
    if let Record::Crosscheck(crosscheck) = crosscheck {
        for check in &mut crosscheck.checks {
            check.verdict = verdict;
        }
    }
}

fn lines(verdict: Option<InstanceVerdict>) -> Vec<String> {
    let sentences = verdict.map(|verdict| verdict.sentences);
    let sentences = sentences.iter().flatten();
    sentences.map(ToString::to_string).collect()
}

#[test]
fn an_idle_table_has_one_verdict() -> TestResult {
    let mut story = Story::new()?;
    let first = story.fill(100).ok_or("no verdict")?;
    assert_eq!(first.severity, Severity::Ok);
    insta::assert_snapshot!(lines(Some(first)).join("\n"), @r"
    Table 10 % full (max 1000).
    Nothing refused, evicted or failed since 22:02:56.
    Counts are proven: 2 of 2 checks agree.
    ");
    // The second knows a rate; after that nothing changes.
    assert_eq!(
        lines(story.fill(100))[0],
        "Table 10 % full (max 1000), steady."
    );
    for _ in 0..20 {
        assert_eq!(story.fill(100), None);
    }
    Ok(())
}

#[test]
fn a_table_fills_and_is_full() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    let filling = story.step(|sample| {
        sample.entries = Some(200);
        sample.time_to_full_s = Some(TimeToFull {
            estimate: 8.0,
            low: 7.0,
            high: 650.0,
        });
    });
    assert_eq!(
        lines(filling)[0],
        "Table 20 % full (max 1000), filling by 100/s: full in 8s (7s to 11m)."
    );
    let full = story.step(|sample| {
        sample.entries = Some(1_437);
        sample.counters.set(Counter::TableFull, Some(36));
        sample.counters.set(Counter::EarlyDrop, Some(573));
        sample.counters.set(Counter::Drop, Some(36));
    });
    let full = lines(full);
    assert_eq!(full[0], "Table 144 % full (1437 of 1000) since 22:02:59.");
    assert_eq!(
        full[1],
        "36 flows refused, 573 evicted since 22:02:56; last at 22:02:59."
    );
    let drained = story.step(|sample| {
        sample.entries = Some(300);
        sample.time_to_full_s = None;
    });
    let drained = lines(drained);
    assert!(
        drained[0].starts_with("Table 30 % full (max 1000)")
            && drained[0].ends_with("; 144 % at its highest, 22:02:59."),
        "{drained:?}"
    );
    Ok(())
}

#[test]
fn it_says_who() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    story.top(
        "new",
        &[("src", "10.0.0.7", 81.4), ("dport", "udp/48480", 79.0)],
    );
    story.top("entries", &[("src", "10.0.0.9", 5.0)]);
    let verdict = story.fill(101);
    let said = lines(verdict);
    assert_eq!(said[2], "New flows: 81 % from 10.0.0.7, 79 % to udp/48480.");
    assert!(
        !said.iter().any(|line| line.starts_with("Held")),
        "{said:?}"
    );
    Ok(())
}

#[test]
fn the_busiest_millisecond_is_kept() -> TestResult {
    let mut story = Story::new()?;
    let at = Some(story.sample.time);
    let peak = |rate| {
        Some(Peak {
            rate,
            window_ms: 1.05,
            at,
        })
    };
    story.step(|sample| sample.peaks.set(Counter::New, peak(412_345.0)));
    story.step(|sample| sample.peaks.set(Counter::New, peak(5.0)));
    let busiest = story.verdicts.closing([&story.sample.instance]);
    let Some(Record::Verdict(verdict)) = busiest.first() else {
        return Err("no verdict".into());
    };
    assert!(verdict.closing);
    assert!(
        verdict
            .text()
            .contains("No burst of new flows; busiest millisecond 433 at 22:02:56.000."),
        "{}",
        verdict.text()
    );
    Ok(())
}

#[test]
fn what_cannot_be_seen_is_not_claimed() -> TestResult {
    let mut story = Story::new()?;
    let verdict = story.step(|sample| {
        sample.entries = None;
        sample.verdict = None;
        for counter in [
            Counter::TableFull,
            Counter::EarlyDrop,
            Counter::InsertFailed,
            Counter::Drop,
        ] {
            sample.counters.set(counter, None);
        }
    });
    let verdict = verdict.ok_or("no verdict")?;
    assert_eq!(verdict.severity, Severity::Unknown);
    assert_eq!(
        lines(Some(verdict)),
        [
            "The number of entries cannot be read.",
            "Whether any was refused or evicted or failed is unknown.",
            "Counts are not proven: no check has anything to compare with yet.",
        ]
    );
    // Without probes the drops of the kernel tell of refusals.
    let verdict = story.step(|sample| {
        sample.entries = Some(1);
        sample.counters.set(Counter::Drop, Some(0));
        sample.counters.set(Counter::EarlyDrop, Some(0));
        sample.counters.set(Counter::InsertFailed, Some(0));
    });
    assert_eq!(
        lines(verdict)[1],
        "Nothing evicted, failed or dropped since 22:02:56."
    );
    let verdict = story.step(|sample| sample.counters.set(Counter::Drop, Some(1)));
    assert_eq!(
        lines(verdict)[1],
        "1 packet dropped since 22:02:56; last at 22:02:59."
    );
    Ok(())
}

#[test]
fn severity_is_that_of_the_alerts() -> TestResult {
    let mut story = Story::new()?;
    for (status, severity) in [
        (AlertStatus::Warning, Severity::Warning),
        (AlertStatus::Critical, Severity::Critical),
        (AlertStatus::Clear, Severity::Ok),
    ] {
        let verdict = story.step(|sample| {
            if let Some((_, alert)) = sample.alerts.0.first_mut() {
                alert.status = status;
            }
        });
        assert_eq!(verdict.map(|verdict| verdict.severity), Some(severity));
    }
    Ok(())
}

#[test]
fn checks_that_disagree_are_named() -> TestResult {
    let mut story = Story::new()?;
    judge_all(&mut story.crosscheck, Verdict::Mismatch);
    let verdict = story.fill(1).ok_or("no verdict")?;
    assert!(
        verdict.text().contains("Counts are NOT proven"),
        "{}",
        verdict.text()
    );
    assert_eq!(verdict.facts.proof.agree, 0);
    Ok(())
}

#[test]
fn a_lost_source_no_longer_tells_that_nothing_was_lost() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    let verdict = story.step(|sample| {
        for counter in [
            Counter::TableFull,
            Counter::EarlyDrop,
            Counter::InsertFailed,
            Counter::Drop,
        ] {
            sample.counters.set(counter, None);
        }
    });
    assert_eq!(
        lines(verdict)[1],
        "Whether any was refused or evicted or failed is unknown."
    );
    Ok(())
}

#[test]
fn a_lost_source_keeps_what_was_counted() -> TestResult {
    let mut story = Story::new()?;
    story.step(|sample| sample.counters.set(Counter::TableFull, Some(7)));
    let verdict = story.step(|sample| {
        sample.entries = Some(2);
        sample.counters.set(Counter::TableFull, None);
    });
    let facts = verdict.ok_or("no verdict")?.facts;
    assert_eq!(
        facts.loss(LossKind::Refused).map(|loss| loss.count),
        Some(7)
    );
    Ok(())
}

#[test]
fn what_to_set_is_a_sentence() -> TestResult {
    let mut story = Story::new()?;
    story.step(|_| {});
    let said = |story: &Story, change: Option<AdvisedChange>| {
        let mut facts = story
            .verdicts
            .current(&story.sample.instance)?
            .facts
            .clone();
        facts.advice = change;
        let said = sentences(&facts, &|_, _| String::new()).into_iter();
        said.filter(|sentence| sentence.topic == Topic::Advice)
            .map(|sentence| sentence.text.to_string())
            .next()
    };
    let change = |from, to| AdvisedChange {
        setting: "net.netfilter.nf_conntrack_max".into(),
        from,
        to,
    };
    let texts = [(Some(1), Some(2)), (None, Some(2)), (None, None)]
        .map(|(from, to)| said(&story, Some(change(from, to))));
    assert_eq!(
        texts,
        [
            "To set: net.netfilter.nf_conntrack_max from 1 to 2 (`ctpulse advise`).",
            "To set: net.netfilter.nf_conntrack_max to 2 (`ctpulse advise`).",
            "To set: net.netfilter.nf_conntrack_max (`ctpulse advise`).",
        ]
        .map(|text| Some(text.to_owned()))
    );
    assert_eq!(said(&story, None), None);
    Ok(())
}
