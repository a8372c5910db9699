//! A run: its start, its ticks, its end. All commands that watch a kernel share it.

mod deadlines;
mod laws;
mod module;
mod namespaces;
mod privileges;

use std::{rc::Rc, time::Duration};

use crate::{
    clock::{Clock, Instant},
    engine::{
        diagnostics::Diagnostics,
        error::EngineError,
        gathered::{Gathered, Said},
        hook::AlertHook,
        others,
        privileges::RunPrivileges,
        probes::{ProbeLifecycle, RequestedProbes},
        rings::RingPool,
        scanner::Scanner,
        schedule::Schedule,
        settings::{RunSettings, Target},
        top::{self, TopWatch},
        watch::{self, WatchList},
        workloads::{self, WorkloadWatch},
    },
    model::{
        monitor::{Monitor, MonitorSettings, Observed},
        overhead::Overhead,
        record::Record,
    },
    privileges::needs::Reader,
    probes::facts::running_release,
    reading::{InstanceInfo, InstanceReading, Purpose, Reading, durations::Durations},
    source::{foreign_proc, namespaces::NamespaceError, own_usage, proc_fs::ProcRoot},
    text::Text,
};

/// A run.
///
/// Each tick takes one [`Reading`] of everything that is measured; the [`Monitor`] turns it into the records to report.
pub struct Run<C> {
    clock: C,
    schedule: Schedule,
    proc_root: Option<ProcRoot>,
    kernel_release: Option<Text>,
    probes: ProbeLifecycle,
    watch: WatchList,
    /// Which namespaces have buckets; `None` where there is only one, or no probes.
    rings: Option<RingPool>,
    reported_few_rings: bool,
    top: Option<TopWatch>,
    workloads: Option<WorkloadWatch>,
    monitor: Monitor,
    hook: Option<AlertHook>,
    diagnostics: Diagnostics,
    messages: Gathered,
    /// Whether nf_conntrack was loaded at the last reading. The probes come and go with it.
    conntrack_seen: bool,
    /// Whether lifetimes or latency are measured.
    durations_on: bool,
    /// Whether ctpulse's own CPU and memory use is measured.
    own_cost: bool,
    /// Whether there is only one instance, for the whole run.
    single: bool,
    privileges: RunPrivileges,
    /// Why the run is over before its time.
    failure: Option<EngineError>,
}

/// A reading, and whether nf_conntrack is loaded.
struct Measurement {
    reading: Reading,
    conntrack: bool,
}

impl<C: Clock + Clone + Send + 'static> Run<C> {
    /// Whether probes will be attached as soon as nf_conntrack is loaded.
    #[must_use]
    pub fn awaits_conntrack(&self) -> bool {
        self.probes.is_waiting()
    }

    /// Attaches the probes and takes the baseline readings. Returns the run with the records of its start.
    ///
    /// # Errors
    ///
    /// When a namespace cannot be opened, a file of eBPF programs cannot be read, or a thread cannot be started.
    pub fn start(
        settings: RunSettings,
        clock: C,
        diagnostics: Diagnostics,
    ) -> Result<(Self, Vec<Record>), EngineError> {
        let wants_probes = settings.wants_probes();
        let names = workloads::are_reported(&settings);
        let unprivileged = settings.privileges.drop;
        let hook = settings
            .hook
            .clone()
            .map(|hook| AlertHook::start(hook, unprivileged, diagnostics.clone()))
            .transpose()?;
        let kernel = running_release();
        let privileges = RunPrivileges::new(&settings, &kernel, diagnostics.clone());
        let proc_root = match &settings.target {
            Target::ProcRoot(root) => {
                foreign_proc::kind(root)?;
                Some(ProcRoot::new(root))
            }
            Target::Namespaces { .. } => None,
        };
        let kernel_release = match &proc_root {
            Some(root) => root.kernel_release().ok(),
            None => Some(kernel),
        };
        others::notify(&settings.target, &diagnostics);
        let (found, known) = watch::find(&settings.target)?;
        let single = watch::single(&settings.target, &found);
        let counting = settings.top.map(top::counting);
        let requested = RequestedProbes {
            settings: settings.probes,
            netns: single,
            top: counting,
            lifetimes: settings.lifetimes,
            latency: settings.latency,
        };
        if wants_probes && diagnostics.is_terminal() {
            diagnostics.progress("attaching probes: some seconds");
        }
        let probes = ProbeLifecycle::start(requested);
        diagnostics.end_progress();
        let probes = probes?;
        let now = clock.now();
        let scanner =
            known.map(|known| Scanner::start(known, privileges.of(Reader::Scanner), clock.clone()));
        let mut watch = WatchList::new(
            settings.target,
            settings.per_cpu,
            scanner.transpose()?,
            now.monotonic,
            diagnostics.clone(),
        );
        watch.set_slots(slots(&probes, single.is_some()));
        let workloads = names.then(|| {
            let root = settings.host_root.clone();
            WorkloadWatch::start(root, privileges.of(Reader::Workloads), clock.clone())
        });
        let workloads = workloads.transpose()?;
        let top = match settings.top.zip(counting) {
            Some((top, counting)) => {
                let holds = privileges.of(Reader::Surveyor);
                Some(TopWatch::start(
                    top,
                    counting,
                    settings.host_root,
                    holds,
                    &clock,
                    diagnostics.clone(),
                )?)
            }
            None => None,
        };
        let monitor = Monitor::new(
            MonitorSettings {
                hostname: rustix::system::uname()
                    .nodename()
                    .to_string_lossy()
                    .into_owned()
                    .into(),
                interval: settings.interval,
                buckets: settings.buckets,
                bursts: settings.bursts,
                alerts: settings.alerts,
                top: settings.top,
                lifetimes: settings.lifetimes,
                latency: settings.latency,
            },
            Rc::clone(probes.status()),
        );
        let mut run = Self {
            schedule: Schedule::new(settings.interval, settings.duration, settings.aligned),
            proc_root,
            kernel_release: kernel_release.map(Text::from),
            rings: rings(&probes, single.is_some()),
            reported_few_rings: false,
            probes,
            watch,
            top,
            workloads,
            monitor,
            hook,
            messages: Gathered::new(diagnostics.clone()),
            diagnostics,
            conntrack_seen: false,
            durations_on: settings.lifetimes || settings.latency,
            own_cost: settings.own_cost,
            single: single.is_some(),
            privileges,
            failure: None,
            clock,
        };
        if run.probes.is_waiting() {
            run.diagnostics
                .notify("waiting for nf_conntrack to be loaded");
        }
        let records = run.watch_all(found, Vec::new())?;
        if let Some(top) = &mut run.top {
            top.start_window(&run.clock, &mut run.probes);
        }
        run.give_up_privileges()?;
        let now = run.clock.now();
        run.messages.write(now.monotonic, run.watch.instances.len());
        run.schedule.start(now);
        Ok((run, records))
    }

    /// Time until the next tick; `None` when the run is over.
    #[must_use]
    pub fn wait(&self) -> Option<Duration> {
        if self.failure.is_some() {
            return None;
        }
        let now = self.clock.now().monotonic;
        let wait = self.schedule.wait(now)?;
        let follow = self.watch.wait(now);
        Some(follow.map_or(wait, |follow| follow.min(wait)))
    }

    /// Whether a tick is due: a reading, or following the namespaces. False at the end of the run.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.wait().is_some_and(|wait| wait.is_zero())
    }

    /// Does what is due, and returns the records to report: follows the namespaces, takes a reading.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be returned to, or the only one cannot be entered any more.
    pub fn tick(&mut self) -> Result<Vec<Record>, EngineError> {
        let now = self.clock.now();
        let mut records = self.follow_namespaces(now.monotonic)?;
        if self.schedule.is_due(now.monotonic) {
            self.schedule.ticked(now);
            records.extend(self.take_reading()?);
        }
        let now = self.clock.now().monotonic;
        self.messages.write(now, self.watch.instances.len());
        Ok(records)
    }

    fn take_reading(&mut self) -> Result<Vec<Record>, EngineError> {
        self.follow_kernel_release();
        let measured = self.read(Purpose::Interval)?;
        self.lend_rings(&measured.reading)?;
        let mut records = self.observe(&measured.reading);
        // What changes the probes takes effect after this interval, so its records follow those of the interval.
        records.extend(self.follow_laws(&records)?);
        records.extend(self.follow_module(measured.conntrack)?);
        Ok(records)
    }

    /// Takes the last reading; returns the records of the last interval and of the whole run.
    ///
    /// # Errors
    ///
    /// Like [`Self::tick`].
    pub fn finish(&mut self) -> Result<Vec<Record>, EngineError> {
        self.follow_kernel_release();
        let measured = self.read(Purpose::Last)?;
        let records = self.observe(&measured.reading);
        let now = self.clock.now().monotonic;
        self.messages.write_all(now, self.watch.instances.len());
        Ok(records)
    }

    /// The run's clock.
    #[must_use]
    pub fn clock(&self) -> &C {
        &self.clock
    }

    /// What ctpulse itself uses, once it was measured.
    #[must_use]
    pub fn overhead(&self) -> Option<Overhead> {
        self.monitor.overhead()
    }

    fn durations(&self, info: &InstanceInfo) -> Option<Durations> {
        let slot = info.slot.filter(|_| self.durations_on)?;
        self.probes.durations(slot)
    }

    /// Reads everything that is measured.
    fn read(&mut self, purpose: Purpose) -> Result<Measurement, EngineError> {
        let mut gone = Vec::new();
        let mut conntrack = false;
        let missed = self.probes.missed();
        let watched = std::mem::take(&mut self.watch.instances);
        // No more than they take: both are large.
        self.watch.instances.reserve_exact(watched.len());
        let mut instances = Vec::with_capacity(watched.len());
        for mut instance in watched {
            let read = self.read_instance(&mut instance, purpose, missed);
            self.take_messages(&mut instance);
            match read {
                Ok(reading) => {
                    conntrack |= reading.kernel.entries().is_some();
                    instances.push((Rc::clone(&instance.info), reading));
                }
                Err(error) if error.is_gone() => {
                    gone.push(self.end(instance, missed)?);
                    continue;
                }
                // Of many namespaces one that cannot be entered is no reason to stop.
                Err(NamespaceError::Enter { source, .. }) if self.watch.follows_all() => {
                    instance.could_not_be_entered(&source);
                }
                Err(error) => return Err(error.into()),
            }
            self.watch.instances.push(instance);
        }
        self.probes.flush_log();
        let mut reading = self.reading(purpose, instances);
        reading.gone = gone;
        (reading.events, reading.event_counts) = self.probes.events();
        reading.top = self.top.as_mut().map(|top| {
            let watched = &self.watch.instances;
            match purpose {
                Purpose::Last => top.read_last(&self.clock, &mut self.probes, watched),
                _ => top.read(&self.clock, &mut self.probes, watched),
            }
        });
        let now = self.clock.now().monotonic;
        let measure_own = self.own_cost && self.monitor.wants_usage(now);
        reading.own = measure_own.then(|| own_usage::read(&self.clock));
        Ok(Measurement { reading, conntrack })
    }

    /// A reading of these instances, without events, top talkers and own usage.
    fn reading(
        &mut self,
        purpose: Purpose,
        instances: Vec<(Rc<InstanceInfo>, InstanceReading)>,
    ) -> Reading {
        let at: Instant = match instances.last() {
            Some((_, reading)) => reading.at,
            None => self.clock.now(),
        };
        Reading {
            at,
            purpose,
            kernel_release: self.kernel_release.clone(),
            probes: Rc::clone(self.probes.status()),
            instances,
            gone: Vec::new(),
            events: Vec::new(),
            event_counts: None,
            top: None,
            workloads: self.workloads.as_mut().and_then(WorkloadWatch::found),
            own: None,
        }
    }

    /// Passes a reading through the model, and its notes and alerts on to the user.
    fn observe(&mut self, reading: &Reading) -> Vec<Record> {
        let Observed { records, notes } = self.monitor.observe(reading);
        for note in notes {
            self.messages.add(Said::Text(note.message), &note.instance);
        }
        if let Some(hook) = &mut self.hook {
            for record in &records {
                if let Record::Alert(alert) = record {
                    hook.notify(alert, self.monitor.verdict(&alert.instance));
                }
            }
        }
        records
    }

    /// Reads the kernel's release if it is not known yet: a directory may be filled later.
    fn follow_kernel_release(&mut self) {
        if let (None, Some(root)) = (&self.kernel_release, &self.proc_root) {
            self.kernel_release = root.kernel_release().ok().map(Text::from);
        }
    }
}

/// Slots in the probes' maps; `None` without probes. A single namespace needs only one.
fn slots(probes: &ProbeLifecycle, single: bool) -> Option<u32> {
    let maps = probes.maps()?;
    Some(if single { 1 } else { maps.slots() })
}

/// The rings in the probes' maps, if they are lent to namespaces.
fn rings(probes: &ProbeLifecycle, single: bool) -> Option<RingPool> {
    let maps = probes.maps().filter(|_| !single)?;
    Some(RingPool::new(maps.rings()))
}
