//! The facts of one instance over time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};

use crate::{
    model::{
        alert::AlertStatus,
        kernel::counters::Counter,
        record::{
            AdvisedChange, Burst, BusiestBucket, Check, HighestUse, InstanceVerdict, LargestBurst,
            Loss, LossKind, Ordered, Proof, Sample, Severity, Time, Top, TopShare, TopTable,
            Verdict, VerdictFacts,
        },
        verdict::sentences,
    },
    reading::probes::Probes,
    text::Text,
};

/// Over which time the net change of entries is taken.
const TREND: SignedDuration = SignedDuration::from_secs(5);

/// How far its points are apart, at least.
const SPACING: SignedDuration = SignedDuration::from_millis(100);

/// The least share that makes the first of a top table worth a word, in percent.
const NOTEWORTHY: f64 = 10.0;

/// The kinds of keys that say who it is, by which connections are found.
const KEYS: [&str; 4] = ["src", "dst", "dport", "state"];

#[derive(Debug)]
pub(super) struct Tracker {
    severity: Severity,
    facts: VerdictFacts,
    /// Entries over the last seconds.
    trend: VecDeque<(Timestamp, u64)>,
    /// What is being reported; `None` before the first.
    reported: Option<InstanceVerdict>,
    time: Time,
    instance: Text,
}

impl Tracker {
    pub(super) fn new(first: &Sample) -> Self {
        Self {
            severity: Severity::Unknown,
            facts: VerdictFacts {
                since: start(first),
                entries: None,
                max: None,
                utilization: None,
                highest: None,
                full_since: None,
                entries_per_s: None,
                time_to_full_s: None,
                untracked: None,
                host_lost: None,
                losses: Ordered(LossKind::ALL.map(|kind| (kind.name().into(), None)).into()),
                busiest: None,
                bursts: None,
                who: Ordered::default(),
                advice: None,
                proof: Proof {
                    probes: "off".into(),
                    reason: None,
                    checks: 0,
                    agree: 0,
                    disagree: Vec::new(),
                },
            },
            trend: VecDeque::new(),
            reported: None,
            time: first.time,
            instance: first.instance.clone(),
        }
    }

    pub(super) fn take_sample(&mut self, sample: &Sample, probes: Option<&Probes>) {
        self.time = sample.time;
        self.severity = severity(sample);
        self.follow_trend(sample);
        let facts = &mut self.facts;
        facts.entries = sample.entries;
        facts.max = sample.max;
        facts.utilization = sample.utilization;
        facts.time_to_full_s = sample.time_to_full_s.filter(|_| !sample.is_full());
        facts.untracked.clone_from(&sample.untracked);
        facts.full_since = match facts.full_since {
            _ if !sample.is_full() => None,
            None => Some(sample.time),
            since => since,
        };
        if let Some(use_now) = use_of(sample)
            && facts
                .highest
                .is_none_or(|highest| use_now.is_above(&highest))
        {
            facts.highest = Some(use_now);
        }
        for (kind, (_, loss)) in LossKind::ALL.into_iter().zip(&mut facts.losses.0) {
            follow_loss(loss, kind, sample);
        }
        follow_busiest(&mut facts.busiest, sample);
        if sample.peaks.get(Counter::New).is_some() {
            let bursts = facts.bursts.get_or_insert_default();
            bursts.wrong |= sample.wrong.get(Counter::New).is_some();
        }
        if let Some(probes) = probes {
            facts.proof.probes = probes.mode.clone();
            facts.proof.reason = (!probes.is_attached()).then(|| probes.why_off());
        }
        if sample.verdict.is_none() {
            self.take_checks(&[]);
        }
    }

    pub(super) fn take_checks(&mut self, checks: &[Check]) {
        let compared = || {
            checks
                .iter()
                .filter(|c| c.verdict != Verdict::NotComparable)
        };
        let proof = &mut self.facts.proof;
        proof.checks = compared().count() as u64;
        let disagree = compared().filter(|check| check.verdict.is_bad());
        proof.disagree = disagree.map(|check| check.name.clone()).collect();
        proof.agree = proof.checks - proof.disagree.len() as u64;
    }

    /// Takes a burst that has ended.
    pub(super) fn take_burst(&mut self, burst: &Burst) {
        if burst.counter != Counter::New.spec().name {
            return;
        }
        let bursts = self.facts.bursts.get_or_insert_default();
        bursts.number += 1;
        if bursts
            .largest
            .is_none_or(|largest| burst.count > largest.count)
        {
            bursts.largest = Some(LargestBurst {
                count: burst.count,
                duration_ms: burst.duration_ms,
                at: burst.start,
            });
        }
    }

    pub(super) fn take_top(&mut self, top: &Top) {
        let mut shares: Vec<(Text, Vec<TopShare>)> = Vec::new();
        // Ports of NAT are not flows that were started, lost or held.
        for table in top.tables.iter().filter(|table| table.of != "nat") {
            let at = shares.iter().position(|(by, _)| *by == table.by);
            let at = at.unwrap_or_else(|| {
                shares.push((table.by.clone(), Vec::new()));
                shares.len() - 1
            });
            shares[at].1.extend(first(table));
        }
        let who = &mut self.facts.who.0;
        for (by, shares) in shares {
            match who.iter_mut().find(|(known, _)| *known == by) {
                Some((_, known)) => *known = shares,
                None => who.push((by, shares)),
            }
        }
    }

    /// Takes what is to be set first.
    pub(super) fn take_advice(&mut self, advice: Option<AdvisedChange>) {
        self.facts.advice = advice;
    }

    /// The verdict, if it reads differently from the one before.
    pub(super) fn changed(&mut self) -> Option<InstanceVerdict> {
        if let Some(reported) = &self.reported
            && reported.facts == self.facts
            && reported.severity == self.severity
        {
            return None;
        }
        let verdict = self.verdict(false);
        let same = self.reported.as_ref().is_some_and(|reported| {
            reported.sentences == verdict.sentences && reported.severity == verdict.severity
        });
        self.reported = Some(verdict.clone());
        (!same).then_some(verdict)
    }

    pub(super) fn closing(&self) -> InstanceVerdict {
        self.verdict(true)
    }

    pub(super) fn current(&self) -> Option<&InstanceVerdict> {
        self.reported.as_ref()
    }

    fn verdict(&self, closing: bool) -> InstanceVerdict {
        let sentences = sentences(&self.facts, &utc);
        InstanceVerdict {
            time: self.time,
            instance: self.instance.clone(),
            closing,
            severity: self.severity,
            sentences: sentences.into_iter().map(|said| said.text).collect(),
            facts: self.facts.clone(),
        }
    }

    fn follow_trend(&mut self, sample: &Sample) {
        let Some(entries) = sample.entries else {
            self.trend.clear();
            self.facts.entries_per_s = None;
            return;
        };
        let now = sample.time.0;
        // A clock that was set back would make the change of any sign.
        if self.trend.back().is_some_and(|(last, _)| *last >= now) {
            self.trend.clear();
        }
        let old = |&(at, _): &(Timestamp, u64)| now.duration_since(at) >= TREND;
        while self.trend.get(1).is_some_and(old) {
            self.trend.pop_front();
        }
        let spaced = |&(last, _): &(Timestamp, u64)| now.duration_since(last) >= SPACING;
        if self.trend.back().is_none_or(spaced) {
            self.trend.push_back((now, entries));
        }
        let first = self.trend.front().copied();
        self.facts.entries_per_s = first.and_then(|(at, before)| {
            let seconds = now.duration_since(at).as_secs_f64();
            (seconds > 0.0).then(|| (entries as f64 - before as f64) / seconds)
        });
    }
}

/// The first of a table, if it is worth a word.
fn first(table: &TopTable) -> Option<TopShare> {
    let tells = KEYS.contains(&table.of.raw());
    let row = table.rows.first()?;
    (tells && row.share >= NOTEWORTHY).then(|| TopShare {
        of: table.of.clone(),
        key: row.key.clone(),
        share: row.share,
        process: row.process.clone(),
        workload: row.workload.clone(),
    })
}

/// The start of a sample's interval.
fn start(sample: &Sample) -> Time {
    let length = SignedDuration::try_from_secs_f64(sample.interval_s).unwrap_or_default();
    Time(sample.time.0.checked_sub(length).unwrap_or(sample.time.0))
}

/// The time of day, in UTC.
fn utc(time: Time, digits: usize) -> String {
    let format = if digits == 0 {
        "%H:%M:%S"
    } else {
        "%H:%M:%S%.3f"
    };
    time.0.strftime(format).to_string()
}

fn severity(sample: &Sample) -> Severity {
    let alerts = sample.alerts.0.iter();
    match alerts.map(|(_, alert)| alert.status).max() {
        Some(AlertStatus::Critical) => Severity::Critical,
        // Between two evaluations of the alert, too: the next flow evicts another one or is refused.
        _ if sample.is_full() => Severity::Critical,
        Some(AlertStatus::Warning) => Severity::Warning,
        _ if sample.entries.is_none() || sample.untracked.is_some() => Severity::Unknown,
        _ => Severity::Ok,
    }
}

fn use_of(sample: &Sample) -> Option<HighestUse> {
    Some(HighestUse {
        entries: sample.entries?,
        utilization: sample.utilization,
        at: sample.time,
    })
}

fn follow_loss(loss: &mut Option<Loss>, kind: LossKind, sample: &Sample) {
    let counter = match kind {
        LossKind::Refused => Counter::TableFull,
        LossKind::Evicted => Counter::EarlyDrop,
        LossKind::Failed => Counter::InsertFailed,
        LossKind::Dropped => Counter::Drop,
    };
    let Some(count) = sample.counters.get(counter).copied() else {
        // What was counted before the source was lost remains true. That nothing was does not.
        *loss = loss.filter(|known| known.count > 0);
        return;
    };
    let known = loss.get_or_insert(Loss {
        count: 0,
        first: None,
        last: None,
        wrong: false,
    });
    if count > known.count {
        known.first = known.first.or(Some(sample.time));
        known.last = Some(sample.time);
        known.count = count;
    }
    known.wrong = sample.is_rate_wrong(counter);
}

fn follow_busiest(busiest: &mut Option<BusiestBucket>, sample: &Sample) {
    let wrong = sample.wrong.get(Counter::New).is_some();
    let peak = sample.peaks.get(Counter::New);
    let bucket = peak.and_then(|peak| {
        Some(BusiestBucket {
            rate: peak.rate,
            window_ms: peak.window_ms,
            at: peak.at?,
            wrong,
        })
    });
    if let Some(bucket) = bucket
        && busiest.is_none_or(|known| bucket.rate > known.rate)
    {
        *busiest = Some(bucket);
    }
}
