//! The life of the probes: attached, lost with nf_conntrack's module, attached again.

use std::{rc::Rc, thread::sleep, time::Duration};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::{
    engine::{error::EngineError, settings::ProbeSettings},
    files,
    probes::{
        attach::{Attached, Outcome, attach},
        facts::{HostFacts, NoFentry, Support},
        heavy_hitters::KernelSketches,
        object::OBJECT,
        plan::{
            MissingReason, Plan, ProbeGroup, ProbeRequest, SketchSettings, all_missing, coverage,
            remembered_connections, report,
        },
    },
    reading::{coverage::Coverage, durations::Durations, events::EventCounts, probes::ProbeStatus},
    source::{
        maps::counters::CounterMaps,
        proc_fs::{PROC, ProcRoot},
    },
};

/// Time for calls that are in flight when the probes are attached to end, where they cannot be waited for.
const SETTLE: Duration = Duration::from_millis(20);

/// Events taken out of the ring at once, at most: as many as it holds. The rest waits for the next reading.
const EVENTS_AT_ONCE: usize = 8192;

/// The most bytes of a file with eBPF programs.
const LARGEST_OBJECT: u64 = 256 << 20;

/// What is to be attached.
pub(super) struct Wanted {
    /// As it was asked for.
    pub(super) settings: ProbeSettings,
    /// The namespace to count; `None`: those that are assigned a slot.
    pub(super) netns: Option<u32>,
    /// How top talkers are counted, if they are.
    pub(super) top: Option<SketchSettings>,
    /// Whether lifetimes are counted.
    pub(super) lifetimes: bool,
    /// Whether the time spent in functions is measured.
    pub(super) latency: bool,
}

/// The probes over time.
pub(super) struct ProbeLife {
    wanted: Wanted,
    /// The eBPF object to load; `None`: the embedded one.
    object: Option<Vec<u8>>,
    attached: Option<Attached>,
    maps: Option<Rc<CounterMaps>>,
    status: Rc<ProbeStatus>,
    /// Whether nf_conntrack's absence is what keeps the probes away.
    waiting: bool,
}

impl ProbeLife {
    /// Attaches what can be attached.
    ///
    /// # Errors
    ///
    /// When the file with eBPF programs that was asked for cannot be read.
    pub(super) fn start(wanted: Wanted, facts: HostFacts) -> Result<Self, EngineError> {
        let object = match &wanted.settings.object {
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
            wanted,
            object,
            attached: None,
            maps: None,
            status: Rc::new(ProbeStatus {
                number: 0,
                report: report(ProbeGroup::Flow, &[], &[]),
                coverage: Coverage::none("not attached yet"),
            }),
            waiting: false,
        };
        probes.attach(facts);
        Ok(probes)
    }

    /// Attaches what can be attached now.
    pub(super) fn attach(&mut self, mut facts: HostFacts) {
        let settings = &self.wanted.settings;
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
        self.waiting = matches!(settings.request, ProbeRequest::Group(_))
            && matches!(facts.conntrack, Support::No(_));
        let outcome = self.follow_plan(&facts);
        self.status = Rc::new(ProbeStatus {
            number: self.status.number + 1,
            report: outcome.report(),
            coverage: outcome.coverage(),
        });
        let (attached, maps) = outcome.attached.unzip();
        self.attached = attached;
        self.maps = maps.map(Rc::new);
        if self.maps.is_some() {
            until_calls_end();
        }
    }

    fn follow_plan(&self, facts: &HostFacts) -> Outcome {
        let wanted = &self.wanted;
        let mut plan = Plan::new(wanted.settings.request, wanted.latency, facts);
        plan.event_rate = wanted.settings.event_rate;
        plan.netns = wanted.netns;
        plan.top = wanted.top;
        plan.lifetimes = wanted
            .lifetimes
            .then(|| remembered_connections(ProcRoot::new(PROC).read().kernel.max));
        let object = self.object.as_deref();
        attach(&plan, &facts.kernel, object.unwrap_or(OBJECT))
    }

    /// nf_conntrack is gone, and the probes with it.
    pub(super) fn lose(&mut self, reason: &str) {
        let missing = all_missing(&MissingReason::Lost(reason.to_owned()));
        self.attached = None;
        self.maps = None;
        self.status = Rc::new(ProbeStatus {
            number: self.status.number + 1,
            report: report(ProbeGroup::Flow, &[], &missing),
            coverage: coverage(&missing),
        });
        self.waiting = true;
    }

    /// Whether only nf_conntrack is missing.
    pub(super) fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The counters, while probes are attached.
    pub(super) fn maps(&self) -> Option<&Rc<CounterMaps>> {
        self.maps.as_ref()
    }

    /// What is attached.
    pub(super) fn status(&self) -> &Rc<ProbeStatus> {
        &self.status
    }

    /// Has a namespace counted in a slot from now on.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(super) fn assign(&mut self, inode: u32, slot: u32) -> Result<(), EngineError> {
        match &mut self.attached {
            Some(attached) => attached.assign(inode, slot).map_err(EngineError::Assign),
            None => Ok(()),
        }
    }

    /// Counts a namespace with the others again.
    pub(super) fn release(&mut self, inode: u32) {
        if let Some(attached) = &mut self.attached {
            attached.release(inode);
        }
    }

    /// Probe hits the kernel missed since attach; `None` where it does not tell.
    pub(super) fn missed(&self) -> Option<u64> {
        self.attached.as_ref().and_then(Attached::missed)
    }

    /// The programs' counts per source, destination and port, while they count them.
    pub(super) fn sketches(&mut self) -> Option<&mut KernelSketches> {
        self.attached.as_mut().and_then(Attached::sketches)
    }

    /// Lengths of time counted for a slot since attach; `None` without probes, or where nobody asked.
    pub(super) fn durations(&self, slot: u32) -> Option<Durations> {
        let asked = self.wanted.lifetimes || self.wanted.latency;
        let attached = self.attached.as_ref().filter(|_| asked)?;
        Some(attached.durations().read(slot))
    }

    /// Writes what the eBPF programs have logged since last time.
    pub(super) fn flush_log(&mut self) {
        if let Some(attached) = &mut self.attached {
            attached.flush_diagnostics();
        }
    }

    /// The events since last time, oldest first, and what became of all of them since attach.
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

/// Waits until the calls and programs that are in flight have ended: packets go through conntrack in RCU's read-side critical
/// sections, and programs run in such, the end of which the kernel's global memory barrier waits for.
pub(super) fn until_calls_end() {
    if membarrier(MembarrierCommand::Global).is_err() {
        sleep(SETTLE);
    }
}
