//! Everything that is watched, over time: namespaces and nf_conntrack itself come and go.

use std::{io, thread::sleep, time::Duration};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::{
    cli::{Format, Netns, ProbesArg, SourceArg, StreamArgs},
    clock::{Clock, Instant},
    engine::{
        instance::Watched,
        notices::{Notices, Voice},
        probes::{Attachment, Wanted},
        top::{Culprits, Subject, leading},
    },
    model::{
        kernel::{origin::unavailable, per_counter::PerCounter},
        monitor::{Config, Monitor},
        record::{Hello, InstanceSummary, Record, SCHEMA, Summary},
    },
    probes::{
        facts::HostFacts,
        plan::{Group, Request},
    },
    reading::{coverage::Coverage, durations::Durations},
    source::{
        cpus::CpuDir,
        instance::{Extent, Source},
        kernel::Choice,
        namespaces::{Namespace, NamespaceError},
        proc_fs::{PROC, ProcRoot},
    },
};

/// Time for calls that were under way when the probes were attached to end, where they cannot be
/// waited for.
const SETTLE: Duration = Duration::from_millis(20);

/// Why an instance has no probes when others have.
const NO_SLOT: &str = "there are more network namespaces than can be counted apart";

/// How often namespaces are looked for with `--netns all`.
const LOOK_FOR_NAMESPACES: Duration = Duration::from_secs(1);

/// Everything that is watched.
pub struct Session<C> {
    clock: C,
    args: StreamArgs,
    kernel: Option<String>,
    hostname: String,
    attachment: Attachment,
    watched: Vec<Watched>,
    /// Who leads, when that was asked for.
    culprits: Option<Culprits>,
    /// Summaries of namespaces that are gone.
    ended: Vec<InstanceSummary>,
    /// Slots for namespaces; 0 when there is only the one.
    slots: u32,
    /// Whether nf_conntrack was seen; probes can only be attached, and are lost, with it.
    conntrack_seen: bool,
    looked_for_namespaces: Duration,
    too_many_said: bool,
    started: Instant,
    last: Instant,
    said: Option<Hello>,
    voice: Voice,
    notices: Notices,
}

impl<C: Clock> Session<C> {
    /// Attaches what can be attached and takes the first readings, from which differences count.
    ///
    /// # Errors
    ///
    /// When a namespace that was asked for cannot be had.
    pub fn start(args: &StreamArgs, clock: C) -> io::Result<Self> {
        Self::start_with(args, clock, Voice::default())
    }

    /// The same, with what is to be said besides the data going to `voice`.
    ///
    /// # Errors
    ///
    /// When a namespace that was asked for cannot be had.
    pub fn start_with(args: &StreamArgs, clock: C, voice: Voice) -> io::Result<Self> {
        let facts = HostFacts::probe();
        let kernel = match &args.proc_root {
            Some(root) => ProcRoot::new(root).kernel_release().ok(),
            None => Some(facts.kernel.clone()),
        };
        let namespaces = namespaces(args).map_err(io::Error::other)?;
        let request = match args.probes {
            _ if args.proc_root.is_some() => Request::OtherRoot,
            ProbesArg::Auto | ProbesArg::Flow => Request::Group(Group::Flow),
            ProbesArg::All => Request::Group(Group::All),
            ProbesArg::Off => Request::Off,
        };
        let single = match &namespaces[..] {
            [only] if args.netns != [Netns::All] => only.as_ref().map(|n| n.inode),
            _ => None,
        };
        let wanted = Wanted {
            request,
            object: args
                .object
                .as_ref()
                .map(|path| {
                    std::fs::read(path)
                        .map_err(|e| io::Error::other(format!("{}: {e}", path.display())))
                })
                .transpose()?,
            without: args.without_function.clone(),
            no_fentry: args.no_fentry.clone(),
            event_rate: args.event_rate,
            netns: single,
            top: leading(&args.top),
            lifetimes: args.lifetimes,
            latency: args.latency,
        };
        let top = wanted.top;
        let attachment = Attachment::new(wanted, facts);
        let now = clock.now();
        let mut session = Self {
            args: args.clone(),
            kernel,
            hostname: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            slots: match (&attachment.maps(), single) {
                (Some(maps), None) => maps.slots(),
                _ => 0,
            },
            attachment,
            watched: Vec::new(),
            culprits: Culprits::new(&args.top, top, now)?,
            ended: Vec::new(),
            conntrack_seen: false,
            looked_for_namespaces: now.monotonic,
            too_many_said: false,
            started: now,
            last: now,
            said: None,
            notices: Notices::new(voice.clone()),
            voice,
            clock,
        };
        if session.attachment.is_waiting() {
            session.notices.say("waiting for nf_conntrack to be loaded");
        }
        match &session.attachment.probes().reason {
            _ if session.attachment.maps().is_some() => until_calls_end(),
            // The other formats have a place of their own for it.
            Some(reason) if args.format == Format::Csv && matches!(request, Request::Group(_)) => {
                session.notices.say(&format!("probes: off, {reason}"));
            }
            _ => {}
        }
        for namespace in namespaces {
            session.watch(namespace)?;
        }
        if let Some(culprits) = &mut session.culprits {
            culprits.begin(&session.clock, &mut session.attachment);
        }
        Ok(session)
    }

    /// Takes a reading of everything and gives what is to be reported.
    ///
    /// # Errors
    ///
    /// When our own namespace cannot be returned to, or the only one cannot be entered any more.
    pub fn tick(&mut self, extent: Extent) -> io::Result<Vec<Record>> {
        self.follow_namespaces()?;
        self.follow_proc_root();
        let missed = self.attachment.missed();
        let mut samples = Vec::new();
        let mut conntrack = false;
        let mut gone = Vec::new();
        for (i, watched) in self.watched.iter_mut().enumerate() {
            let missed_now = || self.attachment.missed();
            let looked = match watched.look(&self.clock, missed, &missed_now, extent) {
                Ok(looked) => looked,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    gone.push(i);
                    continue;
                }
                Err(error) => return Err(error),
            };
            conntrack |= looked.conntrack;
            self.last = looked.at;
            if let Some(observation) = looked.observation {
                samples.push(Record::Sample(Box::new(observation.sample)));
                samples.extend(observation.crosscheck.map(Record::Crosscheck));
                samples.extend(observation.bursts.into_iter().map(Record::Burst));
                samples.extend(observation.alerts.into_iter().map(Record::Alert));
            }
        }
        for i in gone.into_iter().rev() {
            samples.extend(self.unwatch(i));
        }
        self.attachment.flush_diagnostics();
        let events = self.events();
        let leaders = self.leaders(Culprits::tick);
        self.follow_module(conntrack)?;

        let mut records: Vec<Record> = self.greeting().into_iter().collect();
        records.extend(samples);
        records.extend(events);
        records.extend(leaders);
        Ok(records)
    }

    /// Who led over the whole run.
    pub fn whole_run_leaders(&mut self) -> Vec<Record> {
        self.leaders(Culprits::finish)
    }

    fn leaders(
        &mut self,
        report: fn(&mut Culprits, &C, &mut Attachment, &[Subject<'_>]) -> Vec<Record>,
    ) -> Vec<Record> {
        let Some(culprits) = &mut self.culprits else {
            return Vec::new();
        };
        let subjects: Vec<_> = self.watched.iter().filter_map(Watched::subject).collect();
        report(culprits, &self.clock, &mut self.attachment, &subjects)
    }

    /// What is watched and how, when that has not been said yet.
    pub fn greeting(&mut self) -> Option<Record> {
        let mut reasons = PerCounter::default();
        if let Some(watched) = self.watched.first() {
            for (counter, reason) in unavailable(watched.monitor.origins()) {
                reasons.set(counter, Some(reason.to_owned().into()));
            }
        }
        let hello = Hello {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            kernel: self
                .kernel
                .clone()
                .unwrap_or_else(|| "unknown".to_owned())
                .into(),
            hostname: self.hostname.clone().into(),
            interval_ms: self.args.interval.as_secs_f64() * 1e3,
            probes: self.attachment.probes().clone(),
            instances: self.watched.iter().map(Watched::instance).collect(),
            unavailable: reasons,
        };
        if self.said.as_ref() == Some(&hello) {
            return None;
        }
        self.said = Some(hello.clone());
        Some(Record::Hello(Box::new(hello)))
    }

    /// What has not come to its end, and ends with the run.
    pub fn finish(&mut self) -> Vec<Record> {
        let watched = self.watched.iter_mut();
        watched
            .flat_map(|watched| watched.monitor.finish())
            .map(Record::Burst)
            .collect()
    }

    /// The whole run.
    #[must_use]
    pub fn summary(&self) -> Record {
        let duration = self.last.monotonic.saturating_sub(self.started.monotonic);
        Record::Summary(Box::new(Summary {
            duration_s: duration.as_secs_f64(),
            events: self.attachment.event_totals(),
            instances: self
                .watched
                .iter()
                .map(|watched| self.instance_summary(watched))
                .chain(self.ended.iter().cloned())
                .collect(),
        }))
    }

    fn events(&mut self) -> Vec<Record> {
        let watched = &self.watched;
        let name = |slot| {
            watched
                .iter()
                .find(|watched| watched.slot == slot)
                .map_or_else(|| "others".to_owned(), |watched| watched.name().to_owned())
        };
        let events = self.attachment.events(self.last, name);
        events
            .into_iter()
            .map(|event| Record::Event(Box::new(event)))
            .collect()
    }

    /// Watches a namespace (`None`: a directory of files) from now on.
    fn watch(&mut self, namespace: Option<Namespace>) -> io::Result<()> {
        let Some(slot) = self.free_slot() else {
            if !self.too_many_said {
                self.too_many_said = true;
                self.notices.say(&format!(
                    "there are more network namespaces than the {} that can be watched; the others \
                     are counted together and not shown",
                    self.slots
                ));
            }
            return Ok(());
        };
        let name = namespace.as_ref().map_or_else(
            || "self".to_owned(),
            |namespace| namespace.name.raw().to_owned(),
        );
        let proc = ProcRoot::new(self.args.proc_root.clone().unwrap_or_else(|| PROC.into()));
        let choice = match self.args.source {
            _ if self.args.proc_root.is_some() => Choice::Procfs,
            SourceArg::Auto => Choice::Auto,
            SourceArg::Proc => Choice::Procfs,
            SourceArg::Ctnetlink => Choice::Ctnetlink,
        };
        let config = Config {
            instance: name.clone().into(),
            kernel_release: self.kernel.clone(),
            buckets: self.args.buckets,
            bursts: self.args.bursts.settings(),
            alerts: (*self.args.alerts.settings).clone(),
        };
        if let Some(namespace) = namespace.as_ref().filter(|_| self.slots > 0) {
            self.attachment
                .assign(namespace.inode, slot)
                .map_err(io::Error::other)?;
        }
        let cpus = self.args.per_cpu.then(|| match self.args.proc_root {
            None => CpuDir::of_this_machine(),
            Some(_) => CpuDir::unknown(),
        });
        let mut watched = Watched::new(
            name,
            namespace,
            slot,
            Source::new(proc, choice).per_cpu(cpus),
            Monitor::new(config, self.attachment.coverage()),
            Notices::new(self.voice.clone()),
        );
        watched.durations_before = self.attachment.durations(slot);
        let missed = self.attachment.missed();
        let first = watched.begin(self.attachment.maps(), missed, &self.clock);
        match first {
            Ok(looked) => {
                self.conntrack_seen |= looked.conntrack;
                self.watched.push(watched);
                Ok(())
            }
            // Gone again already: it was found by looking for namespaces.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn instance_summary(&self, watched: &Watched) -> InstanceSummary {
        let summary = watched.monitor.summary();
        let StreamArgs {
            lifetimes, latency, ..
        } = self.args;
        if !lifetimes && !latency {
            return summary;
        }
        let (durations, coverage) =
            if watched.slot < self.room() || self.attachment.maps().is_none() {
                let counted = self.attachment.durations(watched.slot);
                let coverage = self.attachment.coverage();
                (counted.since(&watched.durations_before), coverage)
            } else {
                (Durations::default(), Coverage::none(NO_SLOT))
            };
        InstanceSummary {
            lifetimes: lifetimes.then(|| durations.lifetimes(&coverage)),
            latency: latency.then(|| durations.latency(&coverage)),
            ..summary
        }
    }

    fn free_slot(&self) -> Option<u32> {
        let room = match self.attachment.maps() {
            Some(_) => self.room(),
            // Nothing is counted in slots.
            None => u32::MAX,
        };
        (0..room).find(|slot| !self.watched.iter().any(|watched| watched.slot == *slot))
    }

    /// How many namespaces are counted apart: one alone, or all slots but the last, which is for those
    /// without one.
    fn room(&self) -> u32 {
        self.slots.saturating_sub(1).max(1)
    }

    /// Gives what there is still to report of it.
    fn unwatch(&mut self, i: usize) -> Vec<Record> {
        let mut watched = self.watched.remove(i);
        if let Some(namespace) = &watched.namespace {
            self.attachment.release(namespace.inode);
        }
        self.notices
            .say(&format!("network namespace {} is gone", watched.name()));
        let bursts = watched.monitor.finish();
        if let Some((culprits, subject)) = self.culprits.as_mut().zip(watched.subject()) {
            culprits.end(self.last, &subject, &self.attachment);
        }
        self.ended.push(self.instance_summary(&watched));
        bursts.into_iter().map(Record::Burst).collect()
    }

    /// With `--netns all`: watches namespaces that have appeared.
    fn follow_namespaces(&mut self) -> io::Result<()> {
        let now = self.clock.now().monotonic;
        if !self.args.netns.contains(&Netns::All)
            || now.saturating_sub(self.looked_for_namespaces) < LOOK_FOR_NAMESPACES
        {
            return Ok(());
        }
        self.looked_for_namespaces = now;
        for namespace in Namespace::all().map_err(io::Error::other)? {
            let known = |watched: &Watched| {
                watched
                    .namespace
                    .as_ref()
                    .is_some_and(|n| n.inode == namespace.inode)
            };
            if !self.watched.iter().any(known) {
                self.watch(Some(namespace))?;
            }
        }
        Ok(())
    }

    /// A directory of files may come later, and with it the kernel's release.
    fn follow_proc_root(&mut self) {
        if let (None, Some(root)) = (&self.kernel, &self.args.proc_root)
            && let Ok(release) = ProcRoot::new(root).kernel_release()
        {
            for watched in &mut self.watched {
                watched.monitor.set_kernel_release(&release);
            }
            self.kernel = Some(release);
        }
    }

    /// nf_conntrack comes and goes with its module, and takes the probes with it.
    fn follow_module(&mut self, present: bool) -> io::Result<()> {
        let before = std::mem::replace(&mut self.conntrack_seen, present);
        if before && !present && self.attachment.maps().is_some() {
            let reason = "nf_conntrack was unloaded";
            self.notices
                .say(&format!("{reason}; waiting for it to come back"));
            self.attachment.lose(reason);
            self.spread_probes()?;
        } else if present && self.attachment.is_waiting() {
            self.attachment.attach(HostFacts::probe());
            if let Some(maps) = self.attachment.maps() {
                if self.watched.len() > 1 || self.args.netns == [Netns::All] {
                    self.slots = maps.slots();
                }
                self.notices.say("nf_conntrack is loaded; probes attached");
                until_calls_end();
            }
            self.spread_probes()?;
        }
        Ok(())
    }

    /// Gives every instance the probes as they are now.
    fn spread_probes(&mut self) -> io::Result<()> {
        let missed = self.attachment.missed();
        let room = self.room();
        for watched in &mut self.watched {
            if watched.slot >= room {
                // It was found while there were no probes, and as many slots as namespaces.
                watched.set_probes(None, Coverage::none(NO_SLOT), missed, &self.clock)?;
                continue;
            }
            if let Some(namespace) = watched.namespace.as_ref().filter(|_| self.slots > 0) {
                self.attachment
                    .assign(namespace.inode, watched.slot)
                    .map_err(io::Error::other)?;
            }
            watched.set_probes(
                self.attachment.maps(),
                self.attachment.coverage(),
                missed,
                &self.clock,
            )?;
        }
        Ok(())
    }
}

/// Waits until the calls under way when the probes were attached have ended: packets go through
/// conntrack in RCU's read-side critical sections, the end of which the kernel's global memory
/// barrier waits for.
fn until_calls_end() {
    if membarrier(MembarrierCommand::Global).is_err() {
        sleep(SETTLE);
    }
}

/// The namespaces that were asked for, each once; `None` stands for a directory of files.
fn namespaces(args: &StreamArgs) -> Result<Vec<Option<Namespace>>, NamespaceError> {
    if args.proc_root.is_some() {
        return Ok(vec![None]);
    }
    let mut found: Vec<Namespace> = Vec::new();
    for netns in &args.netns {
        let more = match netns {
            Netns::This => vec![Namespace::own()?],
            Netns::All => Namespace::all()?,
            Netns::Other(text) => vec![Namespace::named(text)?],
        };
        for namespace in more {
            if !found.iter().any(|known| known.inode == namespace.inode) {
                found.push(namespace);
            }
        }
    }
    Ok(found.into_iter().map(Some).collect())
}
