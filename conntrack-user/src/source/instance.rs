//! Reads one instance: the kernel's counters, bracketed by the probes' totals.

use crate::{
    clock::Clock,
    reading::{
        InstanceReading, cpus::CpuReading, hooks::HookSchedule, probes::ProbeReading,
        unavailable::Unavailable,
    },
    source::{
        cpus::CpuDir,
        feed::{Extent, ProbeFeed},
        hooks,
        kernel::{KernelCounters, KernelSource},
        proc_fs::{ProcRoot, SourceError},
    },
};

/// Calls of probed functions that can be in flight on a CPU: a task's, and that of a softirq that interrupts it.
const CALLS_PER_CPU: u64 = 2;

/// Reads one instance. Call its methods with the calling thread in the instance's network namespace.
pub struct InstanceSource {
    kernel: KernelCounters,
    feed: Option<ProbeFeed>,
    hooks: HookSchedule,
    /// Where to read the ids of the CPUs; `None` when per-CPU counts are not wanted.
    cpus: Option<CpuDir>,
    /// Whether the last reading was through ctnetlink.
    via_ctnetlink: bool,
}

/// What a user should know about a reading besides its values.
#[derive(Debug, Default)]
pub struct Remarks {
    /// What could not be read.
    pub errors: Vec<SourceError>,
    /// A message that the kernel's counters come from another source than before.
    pub source: Option<String>,
}

impl InstanceSource {
    /// An instance whose kernel counters are read below `proc`, or from another source if `source` says so. With `cpus`, the
    /// probes' counts are also given per CPU.
    #[must_use]
    pub fn new(proc: ProcRoot, source: KernelSource, cpus: Option<CpuDir>) -> Self {
        Self {
            // A user who has chosen ctnetlink knows that.
            via_ctnetlink: source == KernelSource::Ctnetlink,
            kernel: KernelCounters::new(proc, source),
            feed: None,
            cpus,
            hooks: HookSchedule::default(),
        }
    }

    /// Keeps files open between readings: for an instance that is to stay.
    pub fn keep_files_open(&mut self) {
        self.kernel.keep_files_open();
    }

    /// Sets the probes' counters, or removes them.
    pub fn set_feed(&mut self, feed: Option<ProbeFeed>) {
        self.feed = feed;
    }

    /// The probes' counters.
    pub fn feed_mut(&mut self) -> Option<&mut ProbeFeed> {
        self.feed.as_mut()
    }

    /// Reads everything. `missed` is the number of probe hits the kernel has missed.
    pub fn read(
        &mut self,
        clock: &impl Clock,
        missed: Option<u64>,
        extent: Extent,
    ) -> (InstanceReading, Remarks) {
        let before = self.feed.as_ref().map(ProbeFeed::totals);
        let counters = self.kernel.read();
        let at = clock.now();
        let mut by_cpu = None;
        let probes = self.feed.as_mut().zip(before).map(|(feed, before)| {
            let after = feed.totals();
            by_cpu = Some(after.cpus);
            let (buckets, buckets_missing) = feed.buckets(clock, extent);
            ProbeReading {
                before: before.sum,
                after: after.sum,
                buckets,
                buckets_missing,
                missed,
                faults: after.faults,
                in_flight: CALLS_PER_CPU * u64::from(feed.maps.cpus()),
            }
        });
        let cpus = self.cpus.as_ref().map(|cpus| CpuReading {
            ids: cpus.read().map_err(|e| Unavailable::from(e.to_string())),
            probes: by_cpu,
        });
        let entries = counters.kernel.entries();
        let ask = self.kernel.proc().is_this_kernel() && self.hooks.is_due(entries, at.monotonic);
        let reading = InstanceReading {
            at,
            kernel: counters.kernel,
            probes,
            cpus,
            hooks: ask.then(hooks::read),
            durations: None,
        };
        let remarks = Remarks {
            errors: counters.errors,
            source: self.follow_source(counters.via_ctnetlink),
        };
        (reading, remarks)
    }

    /// Reads the kernel's counters again, and the probes' totals around them, and appends newer buckets. The missed hits are read
    /// last, so that they cover everything that the totals lack.
    pub fn read_again(
        &mut self,
        reading: &mut InstanceReading,
        clock: &impl Clock,
        missed: impl FnOnce() -> Option<u64>,
        extent: Extent,
    ) {
        let Some((feed, probes)) = self.feed.as_mut().zip(reading.probes.as_mut()) else {
            return;
        };
        let before = feed.totals();
        let Some(stat) = self.kernel.read().kernel.stat else {
            return;
        };
        reading.at = clock.now();
        reading.kernel.stat = Some(stat);
        let after = feed.totals();
        probes.before = before.sum;
        probes.after = after.sum;
        probes.faults = after.faults;
        if let Some(cpus) = &mut reading.cpus {
            cpus.probes = Some(after.cpus);
        }
        let (newer, missing) = feed.buckets(clock, extent);
        if !newer.covers_nothing() {
            probes.buckets.append(newer);
        }
        probes.buckets_missing = probes.buckets_missing.take().or(missing);
        probes.missed = missed();
    }

    /// What the probes have counted up to the end of the namespace; `None` without probes.
    pub fn read_ended(&mut self, clock: &impl Clock, missed: Option<u64>) -> Option<ProbeReading> {
        let feed = self.feed.as_mut()?;
        let totals = feed.totals();
        let (buckets, buckets_missing) = feed.buckets(clock, Extent::All);
        Some(ProbeReading {
            before: totals.sum,
            after: totals.sum,
            buckets,
            buckets_missing,
            missed,
            faults: totals.faults,
            in_flight: 0,
        })
    }

    fn follow_source(&mut self, via_ctnetlink: bool) -> Option<String> {
        let before = std::mem::replace(&mut self.via_ctnetlink, via_ctnetlink);
        (via_ctnetlink && !before).then(|| {
            format!(
                "the kernel's counters are read through ctnetlink: {} does not exist",
                self.kernel.proc().stat_path().display()
            )
        })
    }
}
