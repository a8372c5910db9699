//! One instance over time: from successive snapshots to samples, checks, alerts and the summary.

use crate::text::Text;
use std::time::Duration;

use conntrack_ebpf::COUNTER_SLOTS;

use crate::{
    clock::Instant,
    model::{
        alert::{AlertSettings, AlertStatus, Alerts},
        burst,
        forecast::{Forecast, Outlook},
        kernel::{
            charts::{CHARTS, Quantity},
            counters::Counter,
            era::Era,
            origin::{Origin, Origins, live_column, origins, probed},
            per_counter::PerCounter,
            spec::CounterSpec,
        },
        rates::{
            delta::Accumulator,
            per_cpu::Cpus,
            pipeline::{Inside, of_batch},
            series::{Series, SeriesMaker},
        },
        record::{
            Alert, AlertState, Buckets, Burst, BurstTotals, Crosscheck, InstanceSummary, Ordered,
            Peak, Sample, SourceKind, Time, Total,
        },
        verify::{
            crosscheck::{Bracket, Check, Comparison, Verdict, worst},
            grace::Doubts,
        },
    },
    reading::{
        InstanceReading,
        buckets::{BUCKET_MS, BUCKET_SECONDS, start_of},
        coverage::Coverage,
        probes::{ProbeReading, ProbeTotals},
        proc_stat::ProcStat,
        selector::Selector,
    },
};

mod alerts;

/// What does not change about an instance.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its name.
    pub instance: Text,
    /// The kernel's release, where it is known.
    pub kernel_release: Option<String>,
    /// Whether samples carry their buckets.
    pub buckets: bool,
    /// What counts as a burst.
    pub bursts: burst::Settings,
    /// How its alerts are judged.
    pub alerts: AlertSettings,
}

/// What one interval gives.
#[derive(Clone, Debug)]
pub struct Observation {
    /// The rates.
    pub sample: Sample,
    /// The cross-check, while probes are attached.
    pub crosscheck: Option<Crosscheck>,
    /// The bursts that are over.
    pub bursts: Vec<Burst>,
    /// The notifications that are due.
    pub alerts: Vec<Alert>,
}

/// One instance over time.
pub struct Monitor {
    config: Config,
    coverage: Coverage,
    origins: Origins,
    probed: PerCounter<Selector>,
    kernel: Accumulator,
    attachment: Option<Attachment>,
    /// What the probes counted in earlier attachments.
    carried: ProbeTotals,
    /// The counters that some attachment counted.
    counted: PerCounter<Selector>,
    series: SeriesMaker,
    cpus: Cpus,
    inside: Inside,
    bursts: PerCounter<BurstTotals>,
    alerts: Alerts,
    forecast: Forecast,
    outlook: Outlook,
    started: Option<Instant>,
    previous: Option<Previous>,
    checks: Vec<Check>,
    doubts: Doubts,
    missed: Option<u64>,
    faults: Option<u64>,
    buckets_lost: u64,
}

/// The probes as they were first read, for differences since.
struct Attachment {
    base: Bracket,
    entries: Option<u64>,
    columns: PerCounter<u64>,
    last: ProbeTotals,
    /// Skipped and lost in earlier attachments: the kernel counts anew for each.
    missed_before: Option<u64>,
    faults_before: u64,
}

/// The last interval's end.
struct Previous {
    at: Instant,
    counters: PerCounter<u64>,
    origins: Origins,
}

impl Monitor {
    /// A monitor that has seen nothing. `coverage` says which probes count.
    #[must_use]
    pub fn new(config: Config, coverage: Coverage) -> Self {
        Self {
            origins: origins(None, &coverage),
            probed: probed(&coverage),
            inside: Inside::new(config.bursts),
            bursts: PerCounter::default(),
            alerts: Alerts::new(&config.alerts),
            forecast: Forecast::new(),
            outlook: Outlook::Unknown("no reading yet"),
            config,
            coverage,
            kernel: Accumulator::default(),
            attachment: None,
            carried: [0; COUNTER_SLOTS],
            counted: PerCounter::default(),
            series: SeriesMaker::default(),
            cpus: Cpus::default(),
            started: None,
            previous: None,
            checks: Vec::new(),
            doubts: Doubts::default(),
            missed: None,
            faults: None,
            buckets_lost: 0,
        }
    }

    /// Probes were attached or lost. What new ones count starts with `baseline`, their first
    /// reading, and is added to what was counted before.
    pub fn set_coverage(&mut self, coverage: Coverage, baseline: Option<&InstanceReading>) {
        if let Some(attachment) = self.attachment.take() {
            for (carried, (last, base)) in self
                .carried
                .iter_mut()
                .zip(attachment.last.iter().zip(&attachment.base.after))
            {
                *carried += last.saturating_sub(*base);
            }
        }
        self.doubts = Doubts::default();
        self.probed = probed(&coverage);
        self.coverage = coverage;
        self.cpus.detach();
        if let Some(snapshot) = baseline {
            if let Some(stat) = &snapshot.kernel.stat {
                self.kernel.add(stat);
            }
            if let Some(cpus) = &snapshot.cpus {
                self.cpus.add(cpus, snapshot.kernel.stat.as_ref());
            }
            self.attach_or_follow(snapshot);
        }
    }

    /// The kernel's release has become known.
    pub fn set_kernel_release(&mut self, release: &str) {
        self.config.kernel_release = Some(release.to_owned());
    }

    /// Where each counter comes from.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// Whether the probes disagree with the kernel in this snapshot. A disagreement may be no more
    /// than a CPU held up inside a probed function: worth another look before it is believed.
    #[must_use]
    pub fn disagrees(&self, snapshot: &InstanceReading) -> bool {
        let Some((attachment, reading)) = self.attachment.as_ref().zip(snapshot.probes.as_ref())
        else {
            return false;
        };
        // The columns' rise up to this snapshot, without taking it in yet.
        let mut kernel = self.kernel.clone();
        if let Some(stat) = &snapshot.kernel.stat {
            kernel.add(stat);
        }
        let checks = self.compare(attachment, reading, snapshot, &kernel);
        worst(&checks).is_some_and(|verdict| verdict > Verdict::WithinBracket)
    }

    /// The next snapshot is the last: a difference in it that may be no more than a call under way is
    /// believed.
    pub fn conclude(&mut self) {
        self.doubts.conclude();
    }

    /// Takes in a snapshot. The first one is where differences start: it yields nothing.
    pub fn observe(&mut self, snapshot: &InstanceReading) -> Option<Observation> {
        let stat = snapshot.kernel.stat.as_ref();
        if let Some(stat) = stat {
            self.kernel.add(stat);
        }
        self.origins = origins(stat.map(|stat| (stat, self.era(stat))), &self.coverage);
        let started = *self.started.get_or_insert(snapshot.at);
        self.attach_or_follow(snapshot);

        if let Some(entries) = snapshot.kernel.entries() {
            let since = snapshot.at.monotonic.saturating_sub(started.monotonic);
            self.forecast.observe(since, entries);
        }
        self.outlook = self
            .forecast
            .outlook(snapshot.kernel.entries(), snapshot.kernel.max);
        let counters = PerCounter::from_fn(|spec| self.risen(spec));
        let (series, bursts) = self.take_series(snapshot);
        self.checks = self.check(snapshot);
        // The first reading agrees with itself, which says nothing about it.
        if let Some(reading) = snapshot.probes.as_ref().filter(|_| self.previous.is_some()) {
            let now = snapshot.at.monotonic;
            self.doubts.weigh(&mut self.checks, now, reading.under_way);
        }
        let interval_s = self.previous.as_ref().map_or(0.0, |previous| {
            let interval = snapshot.at.monotonic.saturating_sub(previous.at.monotonic);
            interval.as_secs_f64()
        });
        let per_cpu = snapshot
            .cpus
            .as_ref()
            .map(|cpus| self.cpus.observe(cpus, stat, &self.origins, interval_s));

        let previous = self.previous.replace(Previous {
            at: snapshot.at,
            counters: counters.clone(),
            origins: self.origins.clone(),
        })?;
        let alerts = self.judge(snapshot, &previous, &counters, started);
        let mut sample = self.sample(snapshot, &previous, interval_s, counters, series, started);
        sample.per_cpu = per_cpu;
        let time = Time(snapshot.at.realtime);
        Some(Observation {
            sample,
            crosscheck: (!self.checks.is_empty()).then(|| Crosscheck {
                time,
                instance: self.config.instance.clone(),
                checks: self.checks.clone(),
            }),
            bursts,
            alerts,
        })
    }

    /// The run so far.
    #[must_use]
    pub fn summary(&self) -> InstanceSummary {
        InstanceSummary {
            name: self.config.instance.clone(),
            totals: PerCounter::from_fn(|spec| {
                let total = Total {
                    probe: self.probe_total(spec),
                    kernel: self.kernel_total(spec),
                };
                (total.probe.is_some() || total.kernel.is_some()).then_some(total)
            }),
            crosscheck: self.checks.clone(),
            missed: self.missed,
            lost_events: self.faults,
            buckets_lost_ms: self.buckets_lost as f64 * BUCKET_MS,
            // Not from readings.
            lifetimes: None,
            latency: None,
            histograms: PerCounter::from_fn(|spec| self.inside.percentiles(spec.id)),
            bursts: self.bursts.clone(),
        }
    }

    /// No more snapshots will come: the bursts that were not over end here, and are in the summary.
    pub fn finish(&mut self) -> Vec<Burst> {
        let Some(last) = self.previous.as_ref().map(|previous| previous.at) else {
            return Vec::new();
        };
        let found = self.inside.finish();
        self.report(found, last)
    }

    /// The bursts as records, which the summary sums up. `at` places them on the wall clock.
    fn report(&mut self, found: Vec<(Counter, burst::Burst)>, at: Instant) -> Vec<Burst> {
        let time = |epoch| Time(at.wall(start_of(epoch)));
        let record = |(counter, burst): (Counter, burst::Burst)| {
            let record = Burst {
                instance: self.config.instance.clone(),
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

    /// Time from the first reading to the last.
    #[must_use]
    pub fn duration(&self) -> Duration {
        match (&self.started, &self.previous) {
            (Some(started), Some(last)) => last.at.monotonic.saturating_sub(started.monotonic),
            _ => Duration::ZERO,
        }
    }

    fn era(&self, stat: &ProcStat) -> Era {
        Era::detect(stat, self.config.kernel_release.as_deref())
    }

    fn attach_or_follow(&mut self, snapshot: &InstanceReading) {
        let Some(reading) = &snapshot.probes else {
            return;
        };
        let kernel = &self.kernel;
        let attachment = self.attachment.get_or_insert_with(|| {
            for (counter, source) in self.probed.iter() {
                self.counted.set(counter, Some(*source));
            }
            Attachment {
                base: Bracket::from(reading),
                entries: snapshot.kernel.entries(),
                columns: PerCounter::from_fn(|spec| kernel.total(spec.column?)),
                last: reading.after,
                missed_before: match self.faults {
                    Some(_) => self.missed,
                    None => Some(0),
                },
                faults_before: self.faults.unwrap_or_default(),
            }
        });
        attachment.last = reading.after;
        self.missed = attachment
            .missed_before
            .zip(reading.missed)
            .map(|(before, now)| before + now);
        self.faults = Some(attachment.faults_before + reading.faults);
    }

    /// A counter's total from its origin.
    fn total(&self, spec: &CounterSpec) -> Option<u64> {
        match self.origins.get(spec.id)? {
            Origin::Kernel(_) => self.kernel_total(spec),
            Origin::Probe(_) => self.probe_total(spec),
            Origin::Unavailable(_) => None,
        }
    }

    /// A counter's total, which never falls: a difference of two probes is one too high for a moment,
    /// between the allocation of an expected flow and the finding that it was expected.
    fn risen(&self, spec: &CounterSpec) -> Option<u64> {
        let total = self.total(spec)?;
        let same_origin =
            |previous: &&Previous| previous.origins.get(spec.id) == self.origins.get(spec.id);
        let before = self
            .previous
            .as_ref()
            .filter(same_origin)
            .and_then(|previous| previous.counters.get(spec.id).copied());
        Some(total.max(before.unwrap_or_default()))
    }

    /// A counter's total from the kernel's column, if the kernel counts it.
    fn kernel_total(&self, spec: &CounterSpec) -> Option<u64> {
        match self.origins.get(spec.id)? {
            Origin::Kernel(column) => self.kernel.total(column),
            Origin::Probe(_) | Origin::Unavailable(_) => None,
        }
    }

    /// A counter's total from the probes, whatever its origin, and even when they are gone.
    fn probe_total(&self, spec: &CounterSpec) -> Option<u64> {
        let source = *self.counted.get(spec.id)?;
        let of = |counter: conntrack_ebpf::ProbeCounter| {
            let i = counter.index();
            let since_attached = |a: &Attachment| a.last[i].saturating_sub(a.base.after[i]);
            self.carried[i] + self.attachment.as_ref().map_or(0, since_attached)
        };
        let sum = |counters: &[conntrack_ebpf::ProbeCounter]| -> u64 {
            counters.iter().map(|&counter| of(counter)).sum()
        };
        Some(sum(source.plus).saturating_sub(sum(source.minus)))
    }

    fn take_series(&mut self, snapshot: &InstanceReading) -> (PerCounter<Series>, Vec<Burst>) {
        let Some(reading) = &snapshot.probes else {
            return (PerCounter::default(), Vec::new());
        };
        let batch = &reading.buckets;
        let series = self.series.series(batch, &self.probed);
        self.buckets_lost += batch.lost;
        let found = self.inside.take(batch, &series);
        let bursts = self.report(found, snapshot.at);
        (series, bursts)
    }

    fn check(&self, snapshot: &InstanceReading) -> Vec<Check> {
        match self.attachment.as_ref().zip(snapshot.probes.as_ref()) {
            Some((attachment, reading)) => {
                self.compare(attachment, reading, snapshot, &self.kernel)
            }
            None => Vec::new(),
        }
    }

    fn compare(
        &self,
        attachment: &Attachment,
        reading: &ProbeReading,
        snapshot: &InstanceReading,
        kernel: &Accumulator,
    ) -> Vec<Check> {
        let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let stat = snapshot
            .kernel
            .stat
            .as_ref()
            .map(|stat| (stat, self.era(stat)));
        Comparison {
            base: &attachment.base,
            now: &Bracket::from(reading),
            entries: snapshot
                .kernel
                .entries()
                .zip(attachment.entries)
                .map(|(now, base)| signed(now) - signed(base)),
            column: &|spec| {
                let column = live_column(spec, stat)?;
                let risen = kernel
                    .total(column)
                    .zip(attachment.columns.get(spec.id).copied())
                    .map(|(now, base)| signed(now) - signed(base));
                risen.ok_or_else(|| format!("column {column} was not there from the start"))
            },
            coverage: &self.coverage,
            missed: reading.missed,
            unexplained_drops: self.unexplained_drops(attachment, reading, kernel),
            doubts: &self.doubts,
        }
        .checks()
    }

    /// Drops that the kernel counted since the probes were attached, less those the probes know the
    /// reason of.
    fn unexplained_drops(
        &self,
        attachment: &Attachment,
        reading: &ProbeReading,
        kernel: &Accumulator,
    ) -> u64 {
        use conntrack_ebpf::ProbeCounter::{ClashFailed, TableFullPacket};
        let spec = Counter::Drop.spec();
        let dropped = spec
            .column
            .and_then(|column| kernel.total(column))
            .zip(attachment.columns.get(spec.id))
            .map_or(0, |(now, base)| now.saturating_sub(*base));
        let explained: u64 = [TableFullPacket, ClashFailed]
            .map(|counter| {
                let i = counter.index();
                reading.after[i].saturating_sub(attachment.base.after[i])
            })
            .iter()
            .sum();
        dropped.saturating_sub(explained)
    }

    fn sample(
        &self,
        snapshot: &InstanceReading,
        previous: &Previous,
        interval_s: f64,
        counters: PerCounter<u64>,
        series: PerCounter<Series>,
        started: Instant,
    ) -> Sample {
        let entries = snapshot.kernel.entries();
        let max = snapshot.kernel.max;
        let rate = |spec: &CounterSpec| {
            let risen = alerts::risen(spec, &self.origins, previous, &counters)?;
            (interval_s > 0.0).then(|| risen as f64 / interval_s)
        };
        let time = |monotonic| Time(snapshot.at.wall(monotonic));
        let (alerts, alerts_unavailable) = self.standing(started);
        Sample {
            time: Time(snapshot.at.realtime),
            interval_s,
            instance: self.config.instance.clone(),
            entries,
            max,
            utilization: utilization(entries, max),
            time_to_full_s: self.outlook.time_to_full(),
            charts: by_dimension(|quantity| match quantity {
                Quantity::Entries => entries.map(|n| n as f64),
                Quantity::Rate(counter) => rate(counter.spec()),
            }),
            sources: by_dimension(|quantity| match quantity {
                Quantity::Entries if entries.is_some() => SourceKind::Proc,
                Quantity::Entries => SourceKind::Unavailable,
                Quantity::Rate(counter) => match self.origins.get(counter) {
                    Some(Origin::Kernel(_)) => SourceKind::Proc,
                    Some(Origin::Probe(_)) => SourceKind::Probe,
                    Some(Origin::Unavailable(_)) | None => SourceKind::Unavailable,
                },
            }),
            peaks: PerCounter::from_fn(|spec| {
                let busiest = series.get(spec.id)?.busiest();
                Some(Peak {
                    rate: busiest.map_or(0.0, |(_, count)| count as f64 / BUCKET_SECONDS),
                    window_ms: BUCKET_MS,
                    at: busiest.map(|(epoch, _)| time(start_of(epoch))),
                })
            }),
            histograms: snapshot.probes.as_ref().map(|reading| {
                PerCounter::from_fn(|spec| {
                    let percentiles = of_batch(&reading.buckets, series.get(spec.id)?)?;
                    percentiles.dispersion.is_some().then_some(percentiles)
                })
            }),
            buckets: (self.config.buckets && snapshot.probes.is_some()).then(|| {
                PerCounter::from_fn(|spec| {
                    let series = series.get(spec.id)?;
                    Some(Buckets {
                        start: time(start_of(series.start)),
                        width_ms: BUCKET_MS,
                        counts: series.counts.clone(),
                    })
                })
            }),
            per_cpu: None,
            buckets_lost_ms: snapshot
                .probes
                .as_ref()
                .map_or(0.0, |reading| reading.buckets.lost as f64 * BUCKET_MS),
            untracked: None,
            alerts,
            alerts_unavailable,
            verdict: worst(&self.checks),
            counters,
        }
    }
}

fn utilization(entries: Option<u64>, max: Option<u64>) -> Option<f64> {
    let (entries, max) = entries.zip(max)?;
    (max > 0).then(|| entries as f64 * 100.0 / max as f64)
}

fn by_dimension<T>(value: impl Fn(Quantity) -> T) -> Ordered<Ordered<T>> {
    let dimensions = |chart: &crate::model::kernel::charts::Chart| {
        Ordered(
            chart
                .dimensions
                .iter()
                .map(|dimension| (dimension.name.into(), value(dimension.quantity)))
                .collect(),
        )
    };
    Ordered(
        CHARTS
            .iter()
            .map(|chart| (chart.name.into(), dimensions(chart)))
            .collect(),
    )
}

#[cfg(test)]
mod inside_tests;
#[cfg(test)]
mod tests;
