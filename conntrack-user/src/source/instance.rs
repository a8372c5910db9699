//! One instance: its kernel counters and its probes, read together.

use std::rc::Rc;

use conntrack_ebpf::COUNTER_SLOTS;

use crate::{
    clock::Clock,
    model::kernel::tracking::Tracking,
    reading::{
        InstanceReading,
        buckets::BucketBatch,
        cpus::CpuReading,
        probes::{ProbeReading, ProbeTotals},
    },
    source::{
        buckets::BucketFollower,
        cpus::CpuDir,
        hooks,
        kernel::{Choice, KernelCounters},
        maps::counters::CounterMaps,
        proc_fs::{ProcRoot, SourceError},
    },
    text::Text,
};

/// What a reading of the buckets covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Buckets that are complete.
    Settled,
    /// Everything so far: the last reading of a run.
    All,
}

/// A snapshot, and what could not be read for it.
#[derive(Debug)]
pub struct Reading {
    /// What was read.
    pub snapshot: InstanceReading,
    /// What could not be.
    pub errors: Vec<SourceError>,
    /// Whether the kernel's counters are from ctnetlink, and not from procfs.
    pub via_ctnetlink: bool,
}

/// The probes' counters of one instance.
pub struct ProbeFeed {
    maps: Rc<CounterMaps>,
    slot: u32,
    follower: BucketFollower,
}

impl ProbeFeed {
    /// Follows a slot of the maps from now on.
    pub fn new(maps: Rc<CounterMaps>, slot: u32, clock: &impl Clock) -> Self {
        let follower = BucketFollower::new(&maps.ring(slot), clock.now().monotonic);
        Self {
            maps,
            slot,
            follower,
        }
    }

    fn totals(&self) -> Totals {
        let (cpus, faults) = self.maps.totals_by_cpu(self.slot);
        let mut sum = [0; COUNTER_SLOTS];
        for totals in &cpus {
            sum.iter_mut().zip(totals).for_each(|(sum, n)| *sum += n);
        }
        Totals { sum, cpus, faults }
    }

    fn buckets(&mut self, clock: &impl Clock, extent: Extent) -> BucketBatch {
        let ring = self.maps.ring(self.slot);
        let now = clock.now().monotonic;
        match extent {
            Extent::Settled => self.follower.settled(&ring, now),
            Extent::All => self.follower.all(&ring, now),
        }
    }
}

/// On each CPU a task may be inside a probed function, and a softirq that interrupts it in another.
const CALLS_PER_CPU: u64 = 2;

/// What the probes have counted.
struct Totals {
    sum: ProbeTotals,
    /// By CPU id.
    cpus: Vec<ProbeTotals>,
    faults: u64,
}

/// One instance.
pub struct Source {
    kernel: KernelCounters,
    feed: Option<ProbeFeed>,
    tracking: Tracking,
    /// Where to read which CPUs there are, when they are to be told apart.
    cpus: Option<CpuDir>,
    /// Whether the last reading was through ctnetlink.
    via_ctnetlink: bool,
}

impl Source {
    /// An instance whose kernel counters are below `proc`, or where `choice` says.
    #[must_use]
    pub fn new(proc: ProcRoot, choice: Choice) -> Self {
        Self {
            // What was asked for needs no remark.
            via_ctnetlink: choice == Choice::Ctnetlink,
            kernel: KernelCounters::new(proc, choice),
            feed: None,
            cpus: None,
            tracking: Tracking::default(),
        }
    }

    /// Tells CPUs apart from now on.
    #[must_use]
    pub fn per_cpu(self, cpus: Option<CpuDir>) -> Self {
        Self { cpus, ..self }
    }

    /// Sets or takes away the probes' counters.
    pub fn set_feed(&mut self, feed: Option<ProbeFeed>) {
        self.feed = feed;
    }

    /// Reads everything. `missed` is the number of probe hits the kernel has skipped.
    pub fn read(&mut self, clock: &impl Clock, missed: Option<u64>, extent: Extent) -> Reading {
        let before = self.feed.as_ref().map(ProbeFeed::totals);
        let reading = self.kernel.read();
        let at = clock.now();
        let mut by_cpu = None;
        let probes = self.feed.as_mut().zip(before).map(|(feed, before)| {
            let after = feed.totals();
            by_cpu = Some(after.cpus);
            ProbeReading {
                before: before.sum,
                after: after.sum,
                buckets: feed.buckets(clock, extent),
                missed,
                faults: after.faults,
                under_way: CALLS_PER_CPU * u64::from(feed.maps.cpus()),
            }
        });
        let cpus = self.cpus.as_ref().map(|cpus| CpuReading {
            ids: cpus.read().map_err(|e| Text::from(e.to_string())),
            probes: by_cpu,
        });
        Reading {
            snapshot: InstanceReading {
                at,
                kernel: reading.kernel,
                probes,
                cpus,
            },
            errors: reading.errors,
            via_ctnetlink: reading.via_ctnetlink,
        }
    }

    /// What a user should be told about a reading besides its numbers; each is told once. May ask the
    /// kernel about the calling thread's network namespace.
    pub fn remarks(&mut self, reading: &Reading) -> Vec<String> {
        let mut remarks = Vec::new();
        if reading.via_ctnetlink && !self.via_ctnetlink {
            remarks.push(format!(
                "the kernel's counters are read through ctnetlink: {} does not exist",
                self.kernel.proc().stat_path().display()
            ));
        }
        self.via_ctnetlink = reading.via_ctnetlink;
        if self.kernel.proc().is_this_kernel() {
            let entries = reading.snapshot.kernel.entries();
            let now = reading.snapshot.at.monotonic;
            remarks.extend(self.tracking.observe(entries, now, hooks::read));
        }
        remarks
    }

    /// What explains an empty table, besides that nothing happens. Known once `remarks` asked.
    #[must_use]
    pub fn untracked(&self) -> Option<String> {
        self.tracking.untracked()
    }

    /// Reads the kernel's counters and the totals around them again, and adds to the buckets. What was
    /// missed is read last, so that it covers all that the totals lack.
    pub fn read_again(
        &mut self,
        snapshot: &mut InstanceReading,
        clock: &impl Clock,
        missed: &dyn Fn() -> Option<u64>,
        extent: Extent,
    ) {
        let Some((feed, probes)) = self.feed.as_mut().zip(snapshot.probes.as_mut()) else {
            return;
        };
        let before = feed.totals();
        let Some(stat) = self.kernel.read().kernel.stat else {
            return;
        };
        snapshot.at = clock.now();
        snapshot.kernel.stat = Some(stat);
        let after = feed.totals();
        probes.before = before.sum;
        probes.after = after.sum;
        probes.faults = after.faults;
        if let Some(cpus) = &mut snapshot.cpus {
            cpus.probes = Some(after.cpus);
        }
        probes.buckets.append(feed.buckets(clock, extent));
        probes.missed = missed();
    }
}
