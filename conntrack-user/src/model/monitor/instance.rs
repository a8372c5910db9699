//! Monitors one instance: from successive readings to samples, checks, bursts, alerts and the summary.

use std::{rc::Rc, time::Duration};

use super::{
    durations::DurationTotals,
    interval::{Interval, Previous},
    origins_basis::OriginsBasis,
    totals::Totals,
    worse::add_worse,
};
use crate::{
    clock::Instant,
    model::{
        alert::{AlertSettings, Alerts},
        burst,
        forecast::{Forecast, Outlook},
        kernel::{
            counters::{Counter, CounterSpec},
            era::Era,
            origin::{Origins, origins},
            per_counter::PerCounter,
            tracking::Tracking,
        },
        rates::{
            per_cpu::Cpus,
            pipeline::BucketPipeline,
            series::{Series, SeriesMaker},
        },
        record::{Alert, Burst, BurstTotals, Check, Crosscheck, Sample, Time, Verdict, worst},
        verify::{by_laws, grace::Grace},
    },
    reading::{
        InstanceReading,
        buckets::{BUCKET_MS, BUCKET_SECONDS, start_of},
        coverage::Coverage,
        durations::Durations,
        probes::ProbeReading,
    },
    text::Text,
};

/// The fixed settings of an instance.
#[derive(Clone, Debug)]
pub struct InstanceSettings {
    /// Its name.
    pub instance: Text,
    /// The kernel's release, if it is known.
    pub kernel_release: Option<Text>,
    /// Whether samples include their buckets.
    pub buckets: bool,
    /// What counts as a burst.
    pub bursts: burst::BurstSettings,
    /// Which alerts are evaluated, and their thresholds.
    pub alerts: AlertSettings,
    /// Whether the summary includes the lifetimes of connections.
    pub lifetimes: bool,
    /// Whether the summary includes the time spent in functions.
    pub latency: bool,
}

/// The results at the end of an interval.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The sample of the interval.
    pub sample: Sample,
    /// The cross-check; `None` without probes.
    pub crosscheck: Option<Crosscheck>,
    /// The bursts that have ended.
    pub bursts: Vec<Burst>,
    /// The notifications that are due.
    pub alerts: Vec<Alert>,
}

type SeriesAndBursts = (PerCounter<Series>, Vec<Burst>);

/// Monitors one instance.
pub struct InstanceMonitor {
    pub(super) settings: InstanceSettings,
    pub(super) coverage: Coverage,
    pub(super) origins: Rc<Origins>,
    origins_basis: OriginsBasis,
    pub(super) totals: Totals,
    series: SeriesMaker,
    cpus: Cpus,
    pub(super) buckets: BucketPipeline,
    pub(super) bursts: PerCounter<BurstTotals>,
    pub(super) buckets_lost: u64,
    pub(super) durations: DurationTotals,
    tracking: Tracking,
    note: Option<String>,
    pub(super) alerts: Alerts,
    forecast: Forecast,
    pub(super) outlook: Outlook,
    pub(super) checks: Vec<Check>,
    /// What checks of earlier probes proved wrong: their counts are part of the totals.
    pub(super) disproved: Vec<Check>,
    grace: Grace,
    started: Option<Instant>,
    /// Where the counts of the probes start, on the monotonic clock.
    counts_from: Duration,
    previous: Option<Previous>,
}

impl InstanceMonitor {
    /// Starts without readings. `coverage` says which probes count.
    #[must_use]
    pub fn new(settings: InstanceSettings, coverage: Coverage) -> Self {
        Self {
            origins: Rc::new(origins(None, &coverage)),
            origins_basis: OriginsBasis::default(),
            totals: Totals::new(&coverage),
            buckets: BucketPipeline::new(settings.bursts),
            bursts: PerCounter::default(),
            alerts: Alerts::new(&settings.alerts),
            durations: DurationTotals::default(),
            tracking: Tracking::default(),
            note: None,
            forecast: Forecast::new(),
            outlook: Outlook::Unknown("no reading yet"),
            settings,
            coverage,
            series: SeriesMaker::default(),
            cpus: Cpus::default(),
            started: None,
            counts_from: Duration::ZERO,
            previous: None,
            checks: Vec::new(),
            disproved: Vec::new(),
            grace: Grace::default(),
            buckets_lost: 0,
        }
    }

    /// Handles probes that were attached or lost. The counts of new probes start at `baseline`, their first reading, and are
    /// added to those of earlier ones.
    pub fn set_coverage(&mut self, coverage: Coverage, baseline: &InstanceReading) {
        if baseline.probes.is_none() {
            // Durations of the previous probes, read before they were detached.
            self.add_durations(baseline.durations.as_ref());
        }
        self.durations.detach();
        let mut disproved = std::mem::take(&mut self.checks);
        disproved.retain(|check| check.verdict >= Verdict::Undercount);
        add_worse(&mut self.disproved, &disproved);
        self.totals.set_coverage(&coverage);
        self.grace = Grace::default();
        self.coverage = coverage;
        self.origins_basis = OriginsBasis::default();
        self.counts_from = baseline.at.monotonic;
        self.cpus.detach();
        if baseline.probes.is_none() {
            return;
        }
        let stat = baseline.kernel.stat.as_ref();
        if let Some(stat) = stat {
            self.totals.add_kernel(stat);
        }
        if let Some(cpus) = &baseline.cpus {
            self.cpus.add(cpus, stat);
        }
        self.follow_probes(baseline);
        self.add_durations(baseline.durations.as_ref());
    }

    /// Sets the kernel's release when it becomes known.
    pub fn set_kernel_release(&mut self, release: &Text) {
        self.settings.kernel_release = Some(release.clone());
    }

    /// Whether this time, in nanoseconds of the monotonic clock, is before the reading that the probes' counts start from.
    pub(super) fn is_before_counting(&self, time: u64) -> bool {
        Duration::from_nanos(time) < self.counts_from
    }

    /// The origin of each counter.
    #[must_use]
    pub fn origins(&self) -> &Rc<Origins> {
        &self.origins
    }

    /// Whether the probes disagree with the kernel in this reading. If so it should be read again before it is observed: a CPU
    /// may have been delayed inside a probed function.
    #[must_use]
    pub fn disagrees(&self, reading: &InstanceReading) -> bool {
        let checks =
            self.totals
                .preview_checks(reading, self.era(reading), &self.coverage, &self.grace);
        worst(&checks).is_some_and(|verdict| verdict > Verdict::WithinBracket)
    }

    /// Confirms all differences of the next reading, which is the last one, even those that calls in flight may explain.
    pub fn conclude(&mut self) {
        self.grace.conclude();
    }

    /// Takes a reading. The first one is the baseline, and returns nothing.
    pub fn observe(&mut self, reading: &InstanceReading) -> Option<Observation> {
        let stat = reading.kernel.stat.as_ref();
        if let Some(stat) = stat {
            self.totals.add_kernel(stat);
        }
        let columns = stat.zip(self.era(reading));
        if self.origins_basis.follow(columns) {
            self.origins = Rc::new(origins(columns, &self.coverage));
        }
        if self.started.is_none() {
            self.counts_from = reading.at.monotonic;
        }
        let started = *self.started.get_or_insert(reading.at);
        self.follow_probes(reading);
        self.add_durations(reading.durations.as_ref());
        let entries = reading.kernel.entries();
        self.note = self.tracking.observe(entries, reading.hooks.as_ref());
        if let Some(entries) = entries {
            let since = reading.at.monotonic.saturating_sub(started.monotonic);
            self.forecast.observe(since, entries);
        }
        self.outlook = self.forecast.outlook(entries, reading.kernel.max);
        let counters = PerCounter::from_fn(|spec| self.risen(spec));
        let probes = reading.probes.as_ref();
        let taken = probes.map(|probes| self.take_buckets(probes, reading.at));
        let (series, bursts) = taken.unwrap_or_default();
        self.check(reading);
        let seconds = self.previous.as_ref().map_or(0.0, |previous| {
            let length = reading.at.monotonic.saturating_sub(previous.at.monotonic);
            length.as_secs_f64()
        });
        let per_cpu = reading
            .cpus
            .as_ref()
            .map(|cpus| self.cpus.observe(cpus, stat, &self.origins, seconds));

        let previous = self.previous.replace(Previous {
            at: reading.at,
            counters: counters.clone(),
            origins: Rc::clone(&self.origins),
            entries,
        })?;
        let interval = Interval {
            reading,
            started,
            previous: &previous,
            seconds,
            counters,
            series,
        };
        let alerts = self.judge(&interval);
        let crosscheck = (!self.checks.is_empty()).then(|| Crosscheck {
            time: Time(reading.at.realtime),
            instance: self.settings.instance.clone(),
            checks: self.checks.clone(),
        });
        Some(Observation {
            sample: self.sample(interval, per_cpu),
            crosscheck,
            bursts,
            alerts,
        })
    }

    /// A message for the user, if there is a new one.
    pub fn take_note(&mut self) -> Option<String> {
        self.note.take()
    }

    /// Adds what the probes have counted up to the end of the namespace, after its last reading.
    pub fn observe_end(&mut self, probes: &ProbeReading, at: Instant) -> Vec<Burst> {
        self.totals.add_last(probes);
        self.take_buckets(probes, at).1
    }

    /// Adds the durations counted so far.
    pub fn add_durations(&mut self, durations: Option<&Durations>) {
        self.durations.add(durations, &self.coverage);
    }

    /// Ends the run and returns the bursts that were open; they are in the summary as well.
    pub fn finish(&mut self) -> Vec<Burst> {
        let Some(last) = self.previous.as_ref().map(|previous| previous.at) else {
            return Vec::new();
        };
        let found = self.buckets.finish();
        self.report(found, last)
    }

    /// Why the table is empty, if not because it is idle.
    pub(super) fn untracked(&self) -> Option<Text> {
        self.tracking.untracked().map(Text::from)
    }

    fn era(&self, reading: &InstanceReading) -> Option<Era> {
        let release = self.settings.kernel_release.as_ref().map(Text::raw);
        let stat = reading.kernel.stat.as_ref()?;
        Some(Era::detect(stat, release))
    }

    fn follow_probes(&mut self, reading: &InstanceReading) {
        if let Some(probes) = &reading.probes {
            self.totals.add_probes(probes, &reading.kernel);
        }
    }

    /// A counter's total. It never decreases: a difference of two probes is one too high between the allocation of an expected
    /// flow and the discovery that it was expected.
    fn risen(&self, spec: &CounterSpec) -> Option<u64> {
        let total = self.totals.total(spec, &self.origins)?;
        let same_origin =
            |previous: &&Previous| previous.origins.get(spec.id) == self.origins.get(spec.id);
        let before = self
            .previous
            .as_ref()
            .filter(same_origin)
            .and_then(|previous| previous.counters.get(spec.id).copied());
        Some(total.max(before.unwrap_or_default()))
    }

    fn take_buckets(&mut self, probes: &ProbeReading, at: Instant) -> SeriesAndBursts {
        let batch = &probes.buckets;
        let (series, found) = if probes.buckets_missing.is_some() && batch.covers_nothing() {
            // It had buckets before: a burst that was open ends.
            (PerCounter::default(), self.buckets.finish())
        } else {
            let series = self.series.series(batch, self.totals.probed());
            let found = self.buckets.take(batch, &series);
            (series, found)
        };
        self.buckets_lost += batch.lost;
        (series, self.report(found, at))
    }

    fn check(&mut self, reading: &InstanceReading) {
        let era = self.era(reading);
        self.checks = self
            .totals
            .checks(reading, era, &self.coverage, &self.grace);
        // The first reading is the baseline, so it always agrees.
        if let Some(probes) = reading.probes.as_ref().filter(|_| self.previous.is_some()) {
            let now = reading.at.monotonic;
            self.grace.apply(&mut self.checks, now, probes.in_flight);
        }
        by_laws::judge(&mut self.checks);
    }

    /// Converts bursts to records and adds them to the summary. `at` places them on the wall clock.
    fn report(&mut self, found: Vec<(Counter, burst::DetectedBurst)>, at: Instant) -> Vec<Burst> {
        let time = |epoch| Time(at.wall(start_of(epoch)));
        let record = |(counter, burst): (Counter, burst::DetectedBurst)| {
            let record = Burst {
                instance: self.settings.instance.clone(),
                counter: counter.spec().name.into(),
                start: time(burst.first),
                end: time(burst.end),
                duration_ms: (burst.end - burst.first) as f64 * BUCKET_MS,
                count: burst.count,
                peak_rate: burst.peak as f64 / BUCKET_SECONDS,
                window_ms: BUCKET_MS,
                usual_rate: burst.usual / BUCKET_SECONDS,
            };
            self.bursts
                .get_or_insert_with(counter, || BurstTotals::none(&record))
                .add(&record);
            record
        };
        found.into_iter().map(record).collect()
    }
}

#[cfg(test)]
mod bucket_tests;
#[cfg(test)]
pub(super) mod tests;
