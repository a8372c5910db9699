//! One host: what has come from it, and whether that goes on.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};

use crate::{
    clock::Instant,
    model::{
        fleet::{
            HostSpec, StateOfHost,
            clock_offset::ClockOffset,
            lost,
            naming::{Naming, instance_of},
        },
        record::{Hello, HostLoss, HostState, InstanceVerdict, Record, Sample, Summary, Time},
    },
    text::Text,
};

/// The most instances of a host; as many as ctpulse can watch on one.
const INSTANCES: usize = 1_024;

/// The longest name of an instance, in bytes; that of a network namespace is shorter.
const NAME_BYTES: usize = 1_024;

/// How long a host may be silent, at least.
const SILENCE: Duration = Duration::from_secs(3);

/// The same in intervals.
const SILENT_INTERVALS: u32 = 3;

/// Time between two samples without values.
const BETWEEN: Duration = Duration::from_secs(1);

/// A host of a [`super::Fleet`].
pub(super) struct FleetHost {
    spec: HostSpec,
    naming: Naming,
    state: HostState,
    since: Time,
    reason: Option<Text>,
    hello: Option<Hello>,
    /// The instances of its last two hellos, by their names there.
    instances: BTreeMap<Text, Known>,
    clock: ClockOffset,
    /// When something came last, by the monotonic clock.
    heard: Duration,
    /// When samples without values were last made.
    absent: Option<Duration>,
    summary: Option<Summary>,
    /// Records of instances that no hello has.
    unlisted: u64,
    told_connected: bool,
    /// The start of its first sample, and the end of its last with when that came, by the monotonic clock.
    first: Option<Timestamp>,
    last: Option<(Timestamp, Duration)>,
}

/// What is known of an instance.
#[derive(Default)]
struct Known {
    /// The end of its last sample.
    last: Option<Time>,
    verdict: Option<InstanceVerdict>,
    /// Whether the last hello has it.
    listed: bool,
}

/// What follows from a record.
pub(super) struct HostChange {
    /// The record as it is to be reported; `None` if it is left out.
    pub(super) record: Option<Record>,
    pub(super) news: RecordNews,
}

/// What a record says of its host.
#[derive(Default)]
pub(super) struct RecordNews {
    /// It was silent before.
    pub(super) is_back: bool,
    /// Its clock is known now, or has changed.
    pub(super) clock_changed: bool,
    /// What to tell the user.
    pub(super) note: Option<String>,
}

impl FleetHost {
    pub(super) fn new(spec: HostSpec, start: Instant) -> Self {
        let name = spec.name.clone().unwrap_or_else(|| spec.source.clone());
        Self {
            naming: Naming::given(name),
            spec,
            state: HostState::Connecting,
            since: Time(start.realtime),
            reason: None,
            hello: None,
            instances: BTreeMap::new(),
            clock: ClockOffset::default(),
            heard: start.monotonic,
            absent: None,
            summary: None,
            unlisted: 0,
            told_connected: false,
            first: None,
            last: None,
        }
    }

    pub(super) const fn name(&self) -> &Text {
        self.naming.name()
    }

    /// Whether that is the name that it keeps.
    pub(super) const fn is_named(&self) -> bool {
        self.spec.name.is_some() || self.hello.is_some()
    }

    pub(super) const fn source(&self) -> &Text {
        &self.spec.source
    }

    pub(super) const fn state(&self) -> HostState {
        self.state
    }

    pub(super) const fn view(&self) -> StateOfHost<'_> {
        StateOfHost {
            name: self.name(),
            state: self.state,
            reason: self.reason.as_ref(),
            is_recorded: !self.spec.waits,
        }
    }

    pub(super) const fn since(&self) -> Time {
        self.since
    }

    pub(super) const fn reason(&self) -> Option<&Text> {
        self.reason.as_ref()
    }

    pub(super) const fn hello(&self) -> Option<&Hello> {
        self.hello.as_ref()
    }

    pub(super) fn take_summary(&mut self) -> Option<Summary> {
        self.summary.take()
    }

    /// Whether it need not be waited for: it is known, or cannot be reached now.
    pub(super) const fn is_known(&self) -> bool {
        self.hello.is_some() || !matches!(self.state, HostState::Connecting)
    }

    /// How far its clock is ahead.
    pub(super) fn clock_ahead_ms(&self) -> Option<f64> {
        let ahead = self.clock.ahead()?;
        Some((ahead.as_secs_f64() * 1e6).round() / 1e3)
    }

    /// Changes the state; returns whether it is another.
    pub(super) fn enter(&mut self, state: HostState, reason: Option<Text>, at: Instant) -> bool {
        let changed = self.state != state;
        // What has ended cannot be lost. It may start again.
        if self.state.is_over() && state == HostState::Lost {
            return false;
        }
        // The first reason of a loss says more than why it lasts.
        if changed || self.hello.is_none() {
            self.reason = reason;
        }
        if changed {
            self.state = state;
            self.since = Time(at.realtime);
            self.heard = at.monotonic;
            self.absent = None;
        }
        changed
    }

    /// What the user is told of its state.
    pub(super) fn note(&mut self) -> Option<String> {
        let name = self.naming.name().clone();
        let reason = self.reason.as_ref();
        let reason = reason.map_or_else(String::new, |reason| format!(": {reason}"));
        let again = match self.spec.is_connection {
            true => "; trying again",
            false => "",
        };
        match self.state {
            HostState::Lost if self.hello.is_none() => {
                Some(format!("{name}: not reached{reason}{again}"))
            }
            HostState::Lost => {
                self.told_connected = false;
                Some(format!("{name}: lost{reason}{again}"))
            }
            HostState::Refused => Some(format!("{name}: refused{reason}")),
            HostState::Connecting | HostState::Connected | HostState::Ended => None,
        }
    }

    /// Takes a hello, and gives its instances their names here. Returns what to tell the user.
    pub(super) fn take_hello(
        &mut self,
        hello: &mut Hello,
        own: Naming,
        at: Instant,
    ) -> Option<String> {
        self.heard = at.monotonic;
        if self.spec.name.is_none() && self.hello.is_none() {
            self.naming = own;
        }
        let all = hello.instances.len();
        hello.instances.retain(|i| i.name.raw().len() <= NAME_BYTES);
        hello.instances.truncate(INSTANCES);
        let left_out = all - hello.instances.len();
        self.instances.retain(|_, known| known.listed);
        for known in self.instances.values_mut() {
            known.listed = false;
        }
        for instance in &hello.instances {
            let known = self.instances.entry(instance.name.clone()).or_default();
            known.listed = true;
        }
        let mut record = Record::Hello(Box::new(hello.clone()));
        self.naming.apply(&mut record);
        if let Record::Hello(named) = record {
            self.hello = Some(*named);
        }
        (left_out > 0).then(|| {
            let name = self.naming.name();
            format!("{name}: {left_out} of its {all} instances are left out: {INSTANCES} of a host are shown")
        })
    }

    /// Takes another record.
    pub(super) fn take(&mut self, mut record: Record, at: Instant) -> HostChange {
        self.heard = at.monotonic;
        let mut news = RecordNews {
            is_back: self.state == HostState::Lost && self.hello.is_some(),
            ..RecordNews::default()
        };
        let listed = instance_of(&record).is_none_or(|name| self.instances.contains_key(name));
        if self.hello.is_none() || !listed {
            self.unlisted += 1;
            news.is_back = false;
            news.note = (self.unlisted == 1).then(|| {
                let name = self.naming.name();
                format!("{name}: records of instances that no hello names are left out")
            });
            return HostChange { record: None, news };
        }
        match &record {
            Record::Sample(sample) => {
                self.follow_time(sample, at);
                if let Some(known) = self.instances.get_mut(&sample.instance) {
                    known.last = Some(sample.time);
                }
                if self.spec.is_connection {
                    news.clock_changed = self.clock.arrived(sample.time, at);
                    news.note = self.connected();
                }
            }
            Record::Verdict(verdict) => {
                if let Some(known) = self.instances.get_mut(&verdict.instance) {
                    known.verdict = Some((**verdict).clone());
                }
            }
            _ => {}
        }
        self.naming.apply(&mut record);
        if let Record::Summary(summary) = &record {
            self.summary = Some((**summary).clone());
        }
        HostChange {
            record: Some(record),
            news,
        }
    }

    fn follow_time(&mut self, sample: &Sample, at: Instant) {
        let length = SignedDuration::try_from_secs_f64(sample.interval_s).unwrap_or_default();
        let start = sample.time.0.checked_sub(length).unwrap_or(sample.time.0);
        self.first.get_or_insert(start);
        self.last = Some((sample.time.0, at.monotonic));
    }

    /// How long its samples have lasted, in seconds.
    pub(super) fn lasted(&self) -> f64 {
        let span = self.first.zip(self.last);
        span.map_or(0.0, |(first, (last, _))| {
            last.duration_since(first).as_secs_f64()
        })
    }

    /// That it is connected, once.
    fn connected(&mut self) -> Option<String> {
        if std::mem::replace(&mut self.told_connected, true) {
            return None;
        }
        let hello = self.hello.as_ref()?;
        let clock = self.clock_ahead_ms().unwrap_or_default();
        let (by, direction) = match clock < 0.0 {
            true => (-clock, "behind"),
            false => (clock, "ahead"),
        };
        Some(format!(
            "{}: connected to {}, kernel {}, ctpulse {}; its clock is {by:.0} ms {direction}",
            self.naming.name(),
            hello.hostname,
            hello.kernel,
            hello.version,
        ))
    }

    /// How long it may be silent.
    pub(super) fn patience(&self) -> Duration {
        let interval = self.hello.as_ref().map(|hello| hello.interval_ms / 1e3);
        let interval = interval.and_then(|s| Duration::try_from_secs_f64(s).ok());
        let intervals = interval.map(|one| one.saturating_mul(SILENT_INTERVALS));
        intervals.unwrap_or_default().max(SILENCE)
    }

    pub(super) const fn resume(&mut self, at: Instant) {
        self.heard = at.monotonic;
    }

    /// Why it is lost although it is connected: nothing has come for too long.
    pub(super) fn silence(&self, at: Instant) -> Option<Text> {
        let silent = at.monotonic.saturating_sub(self.heard);
        let lost =
            self.spec.waits && self.state == HostState::Connected && silent > self.patience();
        lost.then(|| format!("nothing has come for {:.1} s", silent.as_secs_f64()).into())
    }

    /// Samples without values while it is lost: at once, and then once a second.
    pub(super) fn absent_samples(&mut self, at: Instant, at_once: bool) -> Vec<Record> {
        let due = |last: Duration| at.monotonic.saturating_sub(last) >= BETWEEN;
        if self.state != HostState::Lost || !(at_once || self.absent.is_none_or(due)) {
            return Vec::new();
        }
        self.absent = Some(at.monotonic);
        let now = self.there(at);
        let why = self.why_absent();
        let naming = &self.naming;
        let samples = self.instances.iter_mut().filter(|(_, known)| known.listed);
        let samples = samples.filter_map(|(name, known)| {
            let last = known.last?;
            let passed = now.0.duration_since(last.0).as_secs_f64();
            // Nothing is made of a moment before the last sample, or of the same.
            (passed > 0.0).then(|| {
                known.last = Some(now);
                lost::sample(&naming.instance(name), now, passed, &why)
            })
        });
        let samples = samples.map(|sample| Record::Sample(Box::new(sample)));
        samples.collect()
    }

    /// Verdicts that say it is lost.
    pub(super) fn absent_verdicts(&self, at: Instant) -> Vec<Record> {
        if self.state != HostState::Lost {
            return Vec::new();
        }
        let since = self.there(at);
        let of = |(name, known): (&Text, &Known)| {
            let last = known.verdict.as_ref()?;
            let loss = HostLoss {
                host: self.naming.name().clone(),
                since,
                reason: self.reason.clone().unwrap_or_default(),
            };
            let mut verdict = lost::verdict(last, loss);
            verdict.instance = self.naming.instance(name);
            Some(Record::Verdict(Box::new(verdict)))
        };
        let listed = self.instances.iter().filter(|(_, known)| known.listed);
        listed.filter_map(of).collect()
    }

    fn why_absent(&self) -> Text {
        let reason = self.reason.as_ref().map_or("", Text::raw);
        format!("the host is lost: {reason}").into()
    }

    /// The time there: that of its last sample, and what has passed since that came.
    fn there(&self, at: Instant) -> Time {
        Time(self.last.map_or(at.realtime, |(last, came)| {
            let passed = at.monotonic.saturating_sub(came);
            last.checked_add(passed).unwrap_or(last)
        }))
    }
}
