//! Monitors all instances: readings in, records out.
//!
//! [`Monitor::observe`] is the only way from measurements to records. Every record is complete when it is returned; nothing adds
//! to it later.

mod alerts;
mod durations;
mod ended;
mod events;
mod hello;
pub mod instance;
mod interval;
mod origins_basis;
mod sample;
mod summary;
mod totals;
mod workloads;
mod worse;

use std::{rc::Rc, time::Duration};

use self::{
    ended::Ended,
    events::EventCounter,
    hello::ReportedHello,
    instance::{InstanceMonitor, InstanceSettings, Observation},
};
use crate::{
    clock::Instant,
    model::{
        alert::AlertSettings,
        burst,
        contents::ContentsTracker,
        overhead::{Meter, Overhead},
        record::{InstanceVerdict, Record, Summary},
        top::talkers::{TopSettings, TopTalkers},
        verdict::Verdicts,
    },
    reading::{
        EndedReading, InstanceInfo, InstanceReading, Purpose, Reading, coverage::Coverage,
        probes::ProbeStatus, workload::Workloads,
    },
    text::Text,
};

/// Why an instance has no probes while others do.
const NO_SLOT: &str = "there are more network namespaces than can be counted apart";

/// What a monitor reports, and its thresholds.
#[derive(Clone, Debug)]
pub struct MonitorSettings {
    /// The host's name.
    pub hostname: Text,
    /// Time between readings.
    pub interval: Duration,
    /// Whether samples include their buckets.
    pub buckets: bool,
    /// What counts as a burst.
    pub bursts: burst::BurstSettings,
    /// Which alerts are evaluated, and their thresholds.
    pub alerts: AlertSettings,
    /// What is reported of top talkers; `None`: nothing.
    pub top: Option<TopSettings>,
    /// Whether the summary includes the lifetimes of connections.
    pub lifetimes: bool,
    /// Whether the summary includes the time spent in functions.
    pub latency: bool,
}

/// The result of a reading.
#[derive(Debug, Default)]
pub struct Observed {
    /// The records to report, in order.
    pub records: Vec<Record>,
    /// Messages for the user, each given once.
    pub notes: Vec<Note>,
}

/// A message about an instance.
#[derive(Debug)]
pub struct Note {
    /// The instance's name.
    pub instance: Text,
    pub message: String,
}

/// All instances over time.
pub struct Monitor {
    settings: MonitorSettings,
    kernel_release: Option<Text>,
    probes: Rc<ProbeStatus>,
    watched: Vec<Watched>,
    top: Option<TopTalkers>,
    workloads: Rc<Workloads>,
    contents: ContentsTracker,
    verdicts: Verdicts,
    events: EventCounter,
    ended: Ended,
    meter: Meter,
    overhead: Option<Overhead>,
    /// The times of the first and the last reading.
    span: Option<(Instant, Instant)>,
    reported: Option<ReportedHello>,
}

struct Watched {
    info: Rc<InstanceInfo>,
    monitor: InstanceMonitor,
}

impl Monitor {
    /// Starts without readings. `probes` is what is attached.
    #[must_use]
    pub fn new(settings: MonitorSettings, probes: Rc<ProbeStatus>) -> Self {
        Self {
            top: settings.top.map(TopTalkers::new),
            workloads: Rc::default(),
            contents: ContentsTracker::default(),
            settings,
            kernel_release: None,
            probes,
            watched: Vec::new(),
            verdicts: Verdicts::default(),
            events: EventCounter::default(),
            ended: Ended::default(),
            meter: Meter::default(),
            overhead: None,
            span: None,
            reported: None,
        }
    }

    /// Takes a reading, and returns what is to be reported.
    pub fn observe(&mut self, reading: &Reading) -> Observed {
        let started = self.span.map_or(reading.at, |(started, _)| started);
        self.span = Some((started, reading.at));
        self.follow_kernel_release(reading);
        let attached = self.probes.number != reading.probes.number;
        if attached {
            self.events.detach();
        }
        self.probes = Rc::clone(&reading.probes);
        self.follow_workloads(reading);

        let mut observed = Observed::default();
        for (info, instance) in &reading.instances {
            self.observe_instance(info, instance, reading.purpose, attached, &mut observed);
        }
        for ended in &reading.gone {
            self.end(ended, reading.at, &mut observed);
        }
        self.events.add(reading.event_counts.as_ref());
        self.report_events(reading, &mut observed);
        self.report_top(reading, &mut observed);
        if let Some(usage) = reading.own {
            self.overhead = self.meter.observe(usage).or(self.overhead);
        }
        observed.records.splice(0..0, self.hello());
        for record in &observed.records {
            self.verdicts.take(record);
        }
        observed.records.extend(self.verdicts.changed());
        if reading.purpose == Purpose::Last {
            self.finish(reading.at, &mut observed);
        }
        observed
    }

    /// Whether the probes disagree with the kernel in a reading that has not been observed yet. If so it should be read again: a
    /// CPU may have been delayed inside a probed function.
    #[must_use]
    pub fn disagrees(&self, info: &InstanceInfo, reading: &InstanceReading) -> bool {
        let watched = self.watched.iter().find(|w| w.info.id == info.id);
        watched.is_some_and(|watched| watched.monitor.disagrees(reading))
    }

    /// The verdict on an instance, once it had an interval.
    #[must_use]
    pub fn verdict(&self, instance: &Text) -> Option<&InstanceVerdict> {
        self.verdicts.current(instance)
    }

    /// The overhead of ctpulse, once it was measured.
    #[must_use]
    pub fn overhead(&self) -> Option<Overhead> {
        self.overhead
    }

    /// Whether a measurement of the overhead is due.
    #[must_use]
    pub fn wants_usage(&self, now: Duration) -> bool {
        self.meter.is_due(now)
    }

    fn observe_instance(
        &mut self,
        info: &Rc<InstanceInfo>,
        reading: &InstanceReading,
        purpose: Purpose,
        attached: bool,
        observed: &mut Observed,
    ) {
        let coverage = match info.slot {
            Some(_) => self.probes.coverage.clone(),
            None => Coverage::none(NO_SLOT),
        };
        let known = self.watched.iter_mut().find(|w| w.info.id == info.id);
        let Some(watched) = known else {
            let mut monitor = InstanceMonitor::new(self.instance_settings(info), coverage);
            // It is the baseline of what is counted.
            observed.take(monitor.observe(reading));
            observed.note(info, monitor.take_note());
            self.watched.push(Watched {
                info: Rc::clone(info),
                monitor,
            });
            return;
        };
        watched.info = Rc::clone(info);
        if attached {
            watched.monitor.set_coverage(coverage, reading);
        }
        match purpose {
            Purpose::Baseline => return,
            Purpose::Interval => {}
            Purpose::Last => watched.monitor.conclude(),
        }
        observed.take(watched.monitor.observe(reading));
        observed.note(info, watched.monitor.take_note());
    }

    fn instance_settings(&self, info: &InstanceInfo) -> InstanceSettings {
        InstanceSettings {
            instance: info.name.clone(),
            kernel_release: self.kernel_release.clone(),
            buckets: self.settings.buckets,
            bursts: self.settings.bursts,
            alerts: self.settings.alerts.clone(),
            lifetimes: self.settings.lifetimes,
            latency: self.settings.latency,
        }
    }

    fn follow_kernel_release(&mut self, reading: &Reading) {
        if self.kernel_release == reading.kernel_release {
            return;
        }
        self.kernel_release.clone_from(&reading.kernel_release);
        for watched in &mut self.watched {
            if let Some(release) = &self.kernel_release {
                watched.monitor.set_kernel_release(release);
            }
        }
    }

    /// Ends an instance whose namespace is gone, and reports its rest.
    fn end(&mut self, ended: &EndedReading, at: Instant, observed: &mut Observed) {
        let info = &ended.info;
        let Some(i) = self.watched.iter().position(|w| w.info.id == info.id) else {
            return;
        };
        let mut watched = self.watched.remove(i);
        if let Some(probes) = &ended.probes {
            observed.bursts(watched.monitor.observe_end(probes, at));
        }
        watched.monitor.add_durations(ended.durations.as_ref());
        observed.bursts(watched.monitor.finish());
        let closing = match &mut self.top {
            Some(top) => top.end(at, info, &self.probes.coverage),
            None => Vec::new(),
        };
        let mut closing: Vec<Record> = closing.into_iter().map(Record::Top).collect();
        closing.extend(self.contents.end(info));
        self.ended.add(watched.monitor.summary(), closing);
    }

    fn report_top(&mut self, reading: &Reading, observed: &mut Observed) {
        let Some((top, found)) = self.top.as_mut().zip(reading.top.as_ref()) else {
            return;
        };
        let watched: Vec<&InstanceInfo> = self.watched.iter().map(|w| &*w.info).collect();
        let coverage = &self.probes.coverage;
        let tops = top.observe(reading.at, reading.purpose, found, &watched, coverage);
        observed.records.extend(tops.into_iter().map(Record::Top));
        let contents = self
            .contents
            .observe(reading.at, reading.purpose, found, &watched);
        observed.records.extend(contents);
    }

    /// Reports the verdicts of the whole run, which bursts and top talkers that are only known at its end are part of: the records
    /// from `new` on.
    fn close_verdicts(&mut self, observed: &mut Observed, new: usize) {
        for record in &observed.records[new..] {
            self.verdicts.take(record);
        }
        let names = self.watched.iter().map(|w| &w.info.name);
        let closing = self.verdicts.closing(names);
        observed.records.extend(closing);
    }

    /// Ends the run: open bursts, top talkers of the whole run, and the summary.
    fn finish(&mut self, at: Instant, observed: &mut Observed) {
        let new = observed.records.len();
        for watched in &mut self.watched {
            observed.bursts(watched.monitor.finish());
        }
        if let Some(top) = &self.top {
            for watched in &self.watched {
                let closing = top.closing(at, &watched.info, &self.probes.coverage);
                observed
                    .records
                    .extend(closing.into_iter().map(Record::Top));
                let contents = self.contents.closing(&watched.info);
                observed.records.extend(contents);
            }
        }
        self.close_verdicts(observed, new);
        let (ended, closing, left_out) = std::mem::take(&mut self.ended).into_parts();
        observed.records.extend(closing);
        let duration = self.span.map_or(Duration::ZERO, |(started, last)| {
            last.monotonic.saturating_sub(started.monotonic)
        });
        let instances = self.watched.iter().map(|w| w.monitor.summary());
        observed.records.push(Record::Summary(Box::new(Summary {
            duration_s: duration.as_secs_f64(),
            events: self.events.totals(),
            instances: instances.chain(ended).collect(),
            instances_left_out: left_out,
        })));
    }
}

impl Observed {
    fn take(&mut self, observation: Option<Observation>) {
        let Some(observation) = observation else {
            return;
        };
        let records = &mut self.records;
        records.push(Record::Sample(Box::new(observation.sample)));
        records.extend(observation.crosscheck.map(Record::Crosscheck));
        records.extend(observation.bursts.into_iter().map(Record::Burst));
        records.extend(observation.alerts.into_iter().map(Record::Alert));
    }

    fn note(&mut self, info: &InstanceInfo, message: Option<String>) {
        self.notes.extend(message.map(|message| Note {
            instance: info.name.clone(),
            message,
        }));
    }

    fn bursts(&mut self, bursts: Vec<crate::model::record::Burst>) {
        self.records.extend(bursts.into_iter().map(Record::Burst));
    }
}

#[cfg(test)]
mod tests;
