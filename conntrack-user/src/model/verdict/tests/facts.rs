//! What is kept of a run's records.

use super::*;
use crate::model::record::{Burst, VerdictFacts};

impl Story {
    /// Another sample, at this many milliseconds after the first, and the facts then.
    fn at(
        &mut self,
        start: Time,
        millis: i64,
        change: impl FnOnce(&mut Sample),
    ) -> Result<VerdictFacts, Box<dyn Error>> {
        self.step(|sample| {
            sample.time = Time(start.0 + SignedDuration::from_millis(millis));
            change(sample);
        });
        self.facts()
    }

    fn facts(&self) -> Result<VerdictFacts, Box<dyn Error>> {
        let verdict = self.verdicts.current(&self.sample.instance);
        Ok(verdict.ok_or("no verdict")?.facts.clone())
    }
}

#[test]
fn the_trend_is_that_of_the_last_five_seconds() -> TestResult {
    for step in [10, 100, 500, 1_000] {
        let mut story = Story::new()?;
        let start = story.sample.time;
        let mut rises = Vec::new();
        // A thousand more from 10 s on.
        for millis in (0..20_000).step_by(step) {
            let entries = if millis < 10_000 { 100 } else { 1_100 };
            let facts = story.at(start, millis, |sample| sample.entries = Some(entries))?;
            let rate = facts.entries_per_s;
            assert_eq!(rate.is_none(), millis == 0, "{step} {millis}");
            if rate.is_some_and(|rate| rate != 0.0) {
                rises.push((millis, rate.unwrap_or_default()));
            }
        }
        let (first, last) = (rises[0].0, rises[rises.len() - 1].0);
        // Its points are a tenth of a second apart.
        let exact = first == 10_000 && (14_900 - last).abs() < 200;
        assert!(step > 100 || exact, "{step}: {first} to {last}");
        assert!(
            step <= 100 || last == 15_000 - step as i64,
            "{step}: {last}"
        );
        for (millis, rate) in rises {
            assert!((rate - 200.0).abs() < 5.0, "{step} {millis}: {rate}");
        }
    }
    Ok(())
}

#[test]
fn a_clock_that_is_set_back_starts_the_trend_anew() -> TestResult {
    for (back, known) in [(-1, true), (0, false), (1, false), (10_000, false)] {
        let mut story = Story::new()?;
        let start = story.sample.time;
        story.at(start, 0, |sample| sample.entries = Some(100))?;
        story.at(start, 1_000, |sample| sample.entries = Some(200))?;
        let facts = story.at(start, 1_000 - back, |sample| sample.entries = Some(300))?;
        assert_eq!(facts.entries_per_s.is_some(), known, "{back}");
        let facts = story.at(start, 2_000 - back, |sample| sample.entries = Some(400))?;
        assert!(
            facts.entries_per_s.is_some_and(|rate| rate >= 99.0),
            "{facts:?}"
        );
    }
    Ok(())
}

#[test]
fn entries_that_cannot_be_read_have_no_trend() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    story.fill(200);
    assert_eq!(story.facts()?.entries_per_s, Some(100.0));
    story.step(|sample| sample.entries = None);
    assert_eq!(story.facts()?.entries_per_s, None);
    // What was before is not compared with.
    story.fill(900);
    assert_eq!(story.facts()?.entries_per_s, None);
    Ok(())
}

#[test]
fn a_table_is_full_since_it_became_so() -> TestResult {
    let mut story = Story::new()?;
    story.fill(999);
    assert_eq!(story.facts()?.full_since, None);
    let verdict = story.fill(1_000).ok_or("no verdict")?;
    // No alert is evaluated so soon.
    assert_eq!(verdict.severity, Severity::Critical);
    let since = story.sample.time;
    story.step(|sample| {
        sample.time_to_full_s = Some(TimeToFull {
            estimate: 1.0,
            low: 1.0,
            high: 1.0,
        });
    });
    let facts = story.facts()?;
    assert_eq!(
        (facts.full_since, facts.time_to_full_s),
        (Some(since), None)
    );
    story.fill(10);
    assert_eq!(story.facts()?.full_since, None);
    // The highest use is that of the first of equals.
    assert_eq!(facts.highest.map(|highest| highest.at), Some(since));
    Ok(())
}

#[test]
fn where_nothing_tracks_there_is_nothing_to_judge() -> TestResult {
    let mut story = Story::new()?;
    let verdict = story.step(|sample| {
        sample.entries = Some(0);
        sample.untracked = Some("nothing tracks here".into());
    });
    assert_eq!(
        verdict.map(|verdict| verdict.severity),
        Some(Severity::Unknown)
    );
    // An alert that is raised is worse.
    let verdict = story.step(|sample| {
        if let Some((_, alert)) = sample.alerts.0.last_mut() {
            alert.status = AlertStatus::Warning;
        }
    });
    assert_eq!(
        verdict.map(|verdict| verdict.severity),
        Some(Severity::Warning)
    );
    Ok(())
}

#[test]
fn a_loss_has_its_first_and_its_last_time() -> TestResult {
    let mut story = Story::new()?;
    let kinds = [
        (LossKind::Refused, Counter::TableFull),
        (LossKind::Evicted, Counter::EarlyDrop),
        (LossKind::Failed, Counter::InsertFailed),
        (LossKind::Dropped, Counter::Drop),
    ];
    for (kind, counter) in kinds {
        let mut lose = |count| {
            story.step(|sample| sample.counters.set(counter, Some(count)));
            let loss = story.facts().ok()?.loss(kind)?;
            Some((story.sample.time, loss))
        };
        let (_, none) = lose(0).ok_or("not seen")?;
        assert_eq!((none.count, none.first, none.last), (0, None, None));
        let (first, _) = lose(2).ok_or("not seen")?;
        lose(2).ok_or("not seen")?;
        let (last, _) = lose(5).ok_or("not seen")?;
        let (_, loss) = lose(5).ok_or("not seen")?;
        assert_eq!(
            (loss.count, loss.first, loss.last),
            (5, Some(first), Some(last))
        );
        // A source that is lost before anything was is not known to have lost nothing.
        assert!(!loss.wrong);
    }
    Ok(())
}

#[test]
fn counts_that_are_proven_wrong_are_marked() -> TestResult {
    let mut story = Story::new()?;
    let start = story.sample.time;
    let peak = |rate| {
        Some(Peak {
            rate,
            window_ms: 1.0,
            at: Some(start),
        })
    };
    story.step(|sample| sample.peaks.set(Counter::New, peak(1_000.0)));
    let bursts = |story: &Story| story.facts().ok()?.bursts;
    assert_eq!(bursts(&story).map(|bursts| bursts.wrong), Some(false));
    story.step(|sample| {
        sample.peaks.set(Counter::New, peak(2_000.0));
        sample.wrong.set(Counter::New, Some("too few".into()));
        sample.wrong.set(Counter::TableFull, Some("too few".into()));
    });
    let facts = story.facts()?;
    assert_eq!(
        facts.busiest.map(|bucket| (bucket.rate, bucket.wrong)),
        Some((2_000.0, true))
    );
    assert!(facts.loss(LossKind::Refused).is_some_and(|loss| loss.wrong));
    // What was wrong once, bursts keep.
    story.step(|sample| sample.wrong = Default::default());
    assert_eq!(bursts(&story).map(|bursts| bursts.wrong), Some(true));
    Ok(())
}

#[test]
fn of_equals_the_first_is_kept() -> TestResult {
    let mut story = Story::new()?;
    let mut at = Vec::new();
    for count in [10, 30, 30, 20] {
        let time = story.sample.time;
        at.push(time);
        story.observed = ["new", "inserted"]
            .map(|counter| {
                Record::Burst(Burst {
                    instance: story.sample.instance.clone(),
                    counter: counter.into(),
                    start: time,
                    end: time,
                    duration_ms: 3.0,
                    count: if counter == "new" { count } else { 1_000 },
                    peak_rate: 1e4,
                    window_ms: 1.0,
                    usual_rate: 0.0,
                })
            })
            .into();
        story.step(|sample| {
            let peak = Peak {
                rate: count as f64,
                window_ms: 1.0,
                at: Some(time),
            };
            sample.peaks.set(Counter::New, Some(peak));
        });
    }
    let facts = story.facts()?;
    let bursts = facts.bursts.ok_or("no bursts")?;
    let largest = bursts.largest.map(|largest| (largest.count, largest.at));
    assert_eq!((bursts.number, largest), (4, Some((30, at[1]))));
    assert_eq!(facts.busiest.map(|bucket| bucket.at), Some(at[1]));
    Ok(())
}

#[test]
fn top_talkers_are_those_with_a_tenth_and_a_name() -> TestResult {
    let mut story = Story::new()?;
    story.fill(100);
    story.top(
        "new",
        &[
            ("src", "10.0.0.7", 10.0),
            ("dst", "10.0.0.8", 9.9),
            ("proto", "udp", 90.0),
        ],
    );
    story.fill(101);
    let keys = |facts: &VerdictFacts, by| -> Vec<String> {
        let shares = facts.who.get(by).into_iter().flatten();
        shares.map(|share| share.key.to_string()).collect()
    };
    assert_eq!(keys(&story.facts()?, "new"), ["10.0.0.7"]);
    // The next tables replace those of the same measure, and no others.
    story.top(
        "entries",
        &[("state", "ESTABLISHED", 80.0), ("nat", "10.0.0.1:53", 90.0)],
    );
    story.fill(102);
    story.top(
        "new",
        &[("src", "10.0.0.9", 20.0), ("dport", "tcp/80", 11.0)],
    );
    story.fill(103);
    let facts = story.facts()?;
    assert_eq!(keys(&facts, "new"), ["10.0.0.9", "tcp/80"]);
    assert_eq!(keys(&facts, "entries"), ["ESTABLISHED"]);
    assert_eq!(facts.who.0.len(), 2);
    // Ports of NAT are a table of their own, and none of theirs.
    story.top("ports", &[("nat", "10.0.0.1:53", 90.0)]);
    story.fill(104);
    assert_eq!(story.facts()?.who.0.len(), 2);
    Ok(())
}

#[test]
fn checks_are_those_of_the_last_reading() -> TestResult {
    let mut story = Story::new()?;
    if let Record::Crosscheck(found) = &mut story.crosscheck {
        found.checks[0].verdict = Verdict::Undercount;
        found.checks[1].verdict = Verdict::NotComparable;
    }
    story.fill(1);
    story.fill(2);
    let proof = story.facts()?.proof;
    let all = match &story.crosscheck {
        Record::Crosscheck(found) => found.checks.clone(),
        _ => Vec::new(),
    };
    let compared = all
        .iter()
        .filter(|check| check.verdict != Verdict::NotComparable);
    let bad = compared.clone().filter(|check| check.verdict.is_bad());
    assert_eq!(proof.checks, compared.count() as u64);
    assert_eq!(proof.agree, proof.checks - bad.count() as u64);
    // Where nothing is compared, nothing is known.
    story.step(|sample| sample.verdict = None);
    story.fill(3);
    let proof = story.facts()?.proof;
    assert_eq!((proof.checks, proof.agree, proof.disagree.len()), (0, 0, 0));
    Ok(())
}

#[test]
fn what_to_set_first_is_that_of_the_last_listing() -> TestResult {
    let story = Story::new()?;
    let mut tracker = Tracker::new(&story.sample);
    let change = |to| AdvisedChange {
        setting: "net.netfilter.nf_conntrack_max".into(),
        from: Some(1_000),
        to: Some(to),
    };
    for advice in [Some(change(2_000)), Some(change(3_000)), None] {
        tracker.take_advice(advice.clone());
        let verdict = tracker.changed().ok_or("it reads the same")?;
        assert_eq!(verdict.facts.advice, advice);
    }
    Ok(())
}

#[test]
fn why_there_are_no_probes_is_kept() -> TestResult {
    let mut story = Story::new()?;
    story.fill(1);
    let proof = story.facts()?.proof;
    assert_eq!((proof.probes.raw(), proof.reason), ("kprobe", None));
    if let Record::Hello(hello) = &mut story.hello {
        hello.probes = Probes::off("turned off");
    }
    story.fill(2);
    let proof = story.facts()?.proof;
    assert_eq!(
        (proof.probes.raw(), proof.reason),
        ("off", Some("turned off".into()))
    );
    Ok(())
}
