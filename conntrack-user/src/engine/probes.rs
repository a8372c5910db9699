//! The lifecycle of the probes: attached, lost when nf_conntrack is unloaded, attached again.

use std::{rc::Rc, thread::sleep, time::Duration};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::{
    engine::{error::EngineError, settings::ProbeSettings},
    files,
    probes::{
        attach::{Attached, Outcome, attach},
        facts::{Disproved, HostFacts, NoFentry, Support},
        heavy_hitters::KernelSketches,
        object,
        plan::{
            MissingReason, Plan, ProbeGroup, ProbeRequest, Replacement, SketchSettings,
            all_missing, coverage, remembered_connections, replacement, report,
        },
    },
    reading::{
        coverage::Coverage, durations::Durations, events::EventCounts, probes::ProbeStatus,
        selector::Selector,
    },
    source::{
        maps::counters::CounterMaps,
        proc_fs::{PROC, ProcRoot},
    },
};

/// Time for calls in flight to end after the probes are attached, where membarrier is unavailable.
const SETTLE: Duration = Duration::from_millis(20);

/// The most events drained from the ring per reading: its capacity. The rest waits for the next reading.
const EVENTS_AT_ONCE: usize = 8192;

/// The size limit of a file with eBPF programs.
const LARGEST_OBJECT: u64 = 256 << 20;

/// What to attach.
pub(super) struct RequestedProbes {
    pub(super) settings: ProbeSettings,
    /// The only namespace to count; `None`: all namespaces that are assigned a slot.
    pub(super) netns: Option<u32>,
    /// How top talkers are counted; `None`: they are not.
    pub(super) top: Option<SketchSettings>,
    /// Whether lifetimes are counted.
    pub(super) lifetimes: bool,
    /// Whether the time spent in functions is measured.
    pub(super) latency: bool,
}

/// Probes that are attached, and not read yet.
pub(super) struct NextProbes {
    outcome: Outcome,
    waiting: bool,
}

impl NextProbes {
    /// Whether any is attached.
    pub(super) fn is_any(&self) -> bool {
        self.outcome.attached.is_some()
    }
}

/// The probes and their state over the run.
pub(super) struct ProbeLifecycle {
    requested: RequestedProbes,
    /// The eBPF object to load; `None`: the embedded one.
    object: Option<Vec<u8>>,
    attached: Option<Attached>,
    maps: Option<Rc<CounterMaps>>,
    status: Rc<ProbeStatus>,
    /// Whether the probes are off only because nf_conntrack is not loaded.
    waiting: bool,
    /// Functions that were given up for their alternatives, for the rest of the run.
    disproved: Vec<Disproved>,
    /// Broken laws for which there is no alternative.
    irreplaceable: Vec<&'static str>,
}

impl ProbeLifecycle {
    /// Attaches what this host supports.
    ///
    /// # Errors
    ///
    /// When the given file with eBPF programs cannot be read.
    pub(super) fn start(requested: RequestedProbes) -> Result<Self, EngineError> {
        let object = match &requested.settings.object {
            Some(path) => {
                let object =
                    files::read(path, LARGEST_OBJECT).map_err(|source| EngineError::Object {
                        path: path.clone(),
                        source,
                    })?;
                Some(object)
            }
            None => None,
        };
        let mut probes = Self {
            requested,
            object,
            attached: None,
            maps: None,
            status: Rc::new(ProbeStatus {
                number: 0,
                report: report(ProbeGroup::Flow, &[], &[]),
                coverage: Coverage::none("not attached yet"),
            }),
            waiting: false,
            disproved: Vec::new(),
            irreplaceable: Vec::new(),
        };
        match probes.requested.settings.request.refusal() {
            // Finding out about the host takes long, and memory.
            Some(reason) => probes.switch(NextProbes {
                outcome: Outcome::none(&reason),
                waiting: false,
            }),
            None => probes.attach(HostFacts::probe()),
        }
        Ok(probes)
    }

    /// Attaches what this host supports now.
    pub(super) fn attach(&mut self, facts: HostFacts) {
        let next = self.attach_beside(facts);
        self.switch(next);
    }

    /// Attaches what this host supports now, beside the probes that are read.
    pub(super) fn attach_beside(&self, facts: HostFacts) -> NextProbes {
        let facts = self.adjusted(facts);
        let waiting = matches!(self.requested.settings.request, ProbeRequest::Group(_))
            && matches!(facts.conntrack, Support::No(_));
        let outcome = self.plan_and_attach(&facts);
        if outcome.attached.is_some() {
            wait_for_calls_in_flight();
        }
        NextProbes { outcome, waiting }
    }

    /// Reads these probes from now on.
    pub(super) fn switch(&mut self, NextProbes { outcome, waiting }: NextProbes) {
        self.waiting = waiting;
        self.status = Rc::new(ProbeStatus {
            number: self.status.number + 1,
            report: outcome.report(),
            coverage: outcome.coverage(),
        });
        let (attached, maps) = outcome.attached.unzip();
        self.attached = attached;
        self.maps = maps.map(Rc::new);
    }

    /// The host without what the user does not want, and without what was disproved.
    fn adjusted(&self, mut facts: HostFacts) -> HostFacts {
        let settings = &self.requested.settings;
        if let Ok(symbols) = &mut facts.symbols {
            for function in &settings.without_functions {
                symbols.remove(function);
            }
        }
        match settings.no_fentry.as_deref() {
            None => {}
            Some([]) => facts.fentry = Err(NoFentry::TurnedOff),
            Some(without) => facts.without_fentry = without.to_vec(),
        }
        facts.disproved.clone_from(&self.disproved);
        facts
    }

    /// Whether it is not known yet that there is no alternative for what broke a law.
    pub(super) fn may_have_alternative(&self, law: &'static str) -> bool {
        self.attached.is_some() && !self.irreplaceable.contains(&law)
    }

    /// Gives up one of the attached functions whose counts broke a law about `population`, if another can be probed instead, from
    /// the next time that probes are attached.
    pub(super) fn give_up(
        &mut self,
        law: &'static str,
        population: Selector,
        facts: &HostFacts,
    ) -> Option<Replacement> {
        let attached = self.attached.as_ref()?;
        let facts = self.adjusted(facts.clone());
        let found = replacement(law, population, attached.attachments(), &facts);
        match found {
            Some(replacement) => self.disproved.push(replacement.disproved),
            None => self.has_no_alternative(law),
        }
        found
    }

    /// Looks for no alternative for what broke a law any more.
    pub(super) fn has_no_alternative(&mut self, law: &'static str) {
        self.irreplaceable.push(law);
    }

    fn plan_and_attach(&self, facts: &HostFacts) -> Outcome {
        let requested = &self.requested;
        let mut plan = Plan::new(requested.settings.request, requested.latency, facts);
        plan.event_rate = requested.settings.event_rate;
        plan.netns = requested.netns;
        plan.top = requested.top;
        plan.lifetimes = requested
            .lifetimes
            .then(|| remembered_connections(ProcRoot::new(PROC).max().ok()));
        if let Some(object) = &self.object {
            return attach(&plan, &facts.kernel, object);
        }
        match object::embedded() {
            Ok(object) => attach(&plan, &facts.kernel, &object),
            Err(error) => Outcome::none(&MissingReason::Host(format!(
                "this binary is damaged: its eBPF programs cannot be decompressed: {error}"
            ))),
        }
    }

    /// Reads the probes no more: nf_conntrack was unloaded, or others are read instead. They are detached when what this returns
    /// is dropped, which takes the kernel some time.
    pub(super) fn lose(&mut self, reason: &str) -> Option<Attached> {
        let missing = all_missing(&MissingReason::Lost(reason.to_owned()));
        let attached = self.attached.take();
        self.maps = None;
        self.status = Rc::new(ProbeStatus {
            number: self.status.number + 1,
            report: report(ProbeGroup::Flow, &[], &missing),
            coverage: coverage(&missing),
        });
        self.waiting = true;
        attached
    }

    /// Whether the probes wait for nf_conntrack to be loaded.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The counters; `None` while no probes are attached.
    pub(super) fn maps(&self) -> Option<&Rc<CounterMaps>> {
        self.maps.as_ref()
    }

    /// What is attached, and what is missing and why.
    pub(super) fn status(&self) -> &Rc<ProbeStatus> {
        &self.status
    }

    /// Counts a namespace in a slot from now on.
    ///
    /// # Errors
    ///
    /// When the kernel rejects the map update.
    pub(super) fn assign(&mut self, inode: u32, slot: u32) -> Result<(), EngineError> {
        match &mut self.attached {
            Some(attached) => attached.assign(inode, slot).map_err(EngineError::Assign),
            None => Ok(()),
        }
    }

    /// Removes a namespace from its slot: it is counted together with the others again.
    pub(super) fn release(&mut self, inode: u32) {
        if let Some(attached) = &mut self.attached {
            attached.release(inode);
        }
    }

    /// Counts what happens in a slot in the buckets of a ring too, or (`None`) only in its totals.
    ///
    /// # Errors
    ///
    /// When the kernel rejects the map update.
    pub(super) fn set_ring(&mut self, slot: u32, ring: Option<u32>) -> Result<(), EngineError> {
        match &mut self.attached {
            Some(attached) => attached.set_ring(slot, ring).map_err(EngineError::Assign),
            None => Ok(()),
        }
    }

    /// Probe hits that the kernel missed since attach; `None` where the kernel does not count them.
    pub(super) fn missed(&self) -> Option<u64> {
        self.attached.as_ref().and_then(Attached::missed)
    }

    /// The in-kernel sketches of top talkers, if they are attached.
    pub(super) fn sketches(&mut self) -> Option<&mut KernelSketches> {
        self.attached.as_mut().and_then(Attached::sketches)
    }

    /// Durations counted for a slot since attach; `None` without probes, when neither lifetimes nor latency were requested, or when
    /// there are no histograms for the slot.
    pub(super) fn durations(&self, slot: u32) -> Option<Durations> {
        let asked = self.requested.lifetimes || self.requested.latency;
        let attached = self.attached.as_ref().filter(|_| asked)?;
        attached.durations().read(slot)
    }

    /// Logs what the eBPF programs have logged since the last call.
    pub(super) fn flush_log(&mut self) {
        if let Some(attached) = &mut self.attached {
            attached.flush_diagnostics();
        }
    }

    /// The events since the last call, oldest first, and the number sent, suppressed and lost since attach.
    pub(super) fn events(
        &mut self,
    ) -> (Vec<conntrack_ebpf::events::RawEvent>, Option<EventCounts>) {
        match &mut self.attached {
            Some(attached) => (
                attached.events(EVENTS_AT_ONCE),
                Some(attached.event_counts()),
            ),
            None => (Vec::new(), None),
        }
    }
}

/// Waits until the calls and programs in flight have ended. Both run in RCU read-side critical sections, and the kernel's global
/// memory barrier waits for those.
pub(super) fn wait_for_calls_in_flight() {
    if membarrier(MembarrierCommand::Global).is_err() {
        sleep(SETTLE);
    }
}
