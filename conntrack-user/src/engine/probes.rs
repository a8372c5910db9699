//! The probes over time: attached, lost with nf_conntrack's module, attached again.

use std::{rc::Rc, time::Duration};

use conntrack_ebpf::EventKind;

use crate::{
    clock::Instant,
    model::{
        event::{Tuple, kind_name},
        record::{Event, EventTotals, Ordered, Time},
    },
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
    reading::{coverage::Coverage, durations::Durations, probes::Probes},
    source::{
        maps::counters::CounterMaps,
        proc_fs::{PROC, ProcRoot},
    },
};

/// What is to be attached.
pub struct Wanted {
    /// Which probes.
    pub request: ProbeRequest,
    /// The eBPF object to load; `None`: the embedded one.
    pub object: Option<Vec<u8>>,
    /// Functions to do without.
    pub without: Vec<String>,
    /// Functions to probe without fentry; empty: all; `None`: fentry where it can be had.
    pub no_fentry: Option<Vec<String>>,
    /// Events of one kind sent in a second.
    pub event_rate: u32,
    /// The namespace to count; `None`: those that are assigned a slot.
    pub netns: Option<u32>,
    /// How leaders are counted, if they are.
    pub top: Option<SketchSettings>,
    /// Whether lifetimes are counted.
    pub lifetimes: bool,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
}

/// The probes over time.
pub struct Attachment {
    wanted: Wanted,
    attached: Option<Attached>,
    maps: Option<Rc<CounterMaps>>,
    coverage: Coverage,
    probes: Probes,
    /// Whether nf_conntrack's absence is what keeps the probes away.
    waiting: bool,
    /// What became of the events of earlier attachments, by kind: sent, suppressed, lost.
    past_events: [[u64; 3]; EventKind::ALL.len()],
    /// Lengths of time counted in earlier attachments, by slot.
    past_durations: Vec<Durations>,
}

impl Attachment {
    /// Attaches what can be attached.
    pub fn new(wanted: Wanted, facts: HostFacts) -> Self {
        let mut attachment = Self {
            wanted,
            attached: None,
            maps: None,
            coverage: Coverage::none("not attached yet"),
            probes: report(ProbeGroup::Flow, &[], &[]),
            waiting: false,
            past_events: Default::default(),
            past_durations: Vec::new(),
        };
        attachment.attach(facts);
        attachment
    }

    /// Attaches what can be attached now.
    pub fn attach(&mut self, mut facts: HostFacts) {
        if let Ok(symbols) = &mut facts.symbols {
            for function in &self.wanted.without {
                symbols.remove(function);
            }
        }
        match self.wanted.no_fentry.as_deref() {
            None => {}
            Some([]) => facts.fentry = Err(NoFentry::TurnedOff),
            Some(without) => {
                if let Ok(functions) = &mut facts.fentry {
                    functions.retain(|function| !without.iter().any(|name| name == function));
                }
            }
        }
        self.waiting = matches!(self.wanted.request, ProbeRequest::Group(_))
            && matches!(facts.conntrack, Support::No(_));
        let mut outcome = self.follow(&facts);
        if let Some(reason) = outcome.fentry_refused.take() {
            log::warn!("{reason}; using kprobes");
            facts.fentry = Err(reason);
            outcome = self.follow(&facts);
        }
        self.coverage = outcome.coverage();
        self.probes = outcome.report();
        let (attached, maps) = outcome.attached.unzip();
        self.attached = attached;
        self.maps = maps.map(Rc::new);
    }

    /// Makes a plan and follows it.
    fn follow(&self, facts: &HostFacts) -> Outcome {
        let mut plan = Plan::new(self.wanted.request, self.wanted.latency, facts);
        plan.event_rate = self.wanted.event_rate;
        plan.netns = self.wanted.netns;
        plan.top = self.wanted.top;
        plan.lifetimes = self
            .wanted
            .lifetimes
            .then(|| remembered_connections(ProcRoot::new(PROC).read().kernel.max));
        let object = self.wanted.object.as_deref();
        attach(&plan, &facts.kernel, object.unwrap_or(OBJECT))
    }

    /// nf_conntrack is gone, and the probes with it.
    pub fn lose(&mut self, reason: &str) {
        if let Some(attached) = self.attached.take() {
            let maps = attached.durations();
            let slots = self.past_durations.len().max(maps.slots() as usize);
            self.past_durations.resize_with(slots, Durations::default);
            for (slot, past) in (0..maps.slots()).zip(&mut self.past_durations) {
                past.add(&maps.read(slot).covered(&self.coverage));
            }
            for (past, (_, now)) in self.past_events.iter_mut().zip(attached.event_counts()) {
                for (past, now) in past.iter_mut().zip(now) {
                    *past += now;
                }
            }
        }
        let missing = all_missing(&MissingReason::Lost(reason.to_owned()));
        self.maps = None;
        self.coverage = coverage(&missing);
        self.probes = report(ProbeGroup::Flow, &[], &missing);
        self.waiting = true;
    }

    /// Whether only nf_conntrack is missing.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.waiting
    }

    /// The counters, while probes are attached.
    #[must_use]
    pub fn maps(&self) -> Option<Rc<CounterMaps>> {
        self.maps.clone()
    }

    /// Which probes count.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        self.coverage.clone()
    }

    /// For the report.
    #[must_use]
    pub fn probes(&self) -> &Probes {
        &self.probes
    }

    /// Has a namespace counted in a slot from now on.
    pub fn assign(&mut self, inode: u32, slot: u32) -> Result<(), String> {
        match &mut self.attached {
            Some(attached) => attached.assign(inode, slot).map_err(|e| e.to_string()),
            None => Ok(()),
        }
    }

    /// No longer.
    pub fn release(&mut self, inode: u32) {
        if let Some(attached) = &mut self.attached {
            attached.release(inode);
        }
    }

    /// Probe hits the kernel skipped since attach; `None` where it does not tell.
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        self.attached.as_ref().and_then(Attached::missed)
    }

    /// Leaders, while probes are attached that count them.
    pub fn leaders(&mut self) -> Option<&mut KernelSketches> {
        self.attached.as_mut().and_then(Attached::sketches)
    }

    /// Lengths of time counted for a slot so far, those of earlier attachments included.
    #[must_use]
    pub fn durations(&self, slot: u32) -> Durations {
        let past = self.past_durations.get(slot as usize);
        let mut sum = past.cloned().unwrap_or_default();
        if let Some(attached) = &self.attached {
            sum.add(&attached.durations().read(slot).covered(&self.coverage));
        }
        sum
    }

    /// Writes what the eBPF programs had to say since last time.
    pub fn flush_diagnostics(&mut self) {
        if let Some(attached) = &mut self.attached {
            attached.flush_diagnostics();
        }
    }

    /// The events since last time; `name` gives the instance of a slot.
    pub fn events(&mut self, at: Instant, name: impl Fn(u32) -> String) -> Vec<Event> {
        let Some(attached) = &mut self.attached else {
            return Vec::new();
        };
        let tuple = |has: u32, bytes| (has != 0).then(|| Tuple::parse(&bytes));
        let event = |raw: conntrack_ebpf::events::RawEvent| {
            let kind = EventKind::ALL
                .into_iter()
                .find(|kind| *kind as u32 == raw.kind)?;
            Some(Event {
                time: Time(at.wall(Duration::from_nanos(raw.time))),
                instance: name(raw.slot).into(),
                kind: kind_name(kind).into(),
                tuple: tuple(raw.has_tuple, raw.tuple),
                by: tuple(raw.has_by, raw.by),
            })
        };
        attached.events().into_iter().filter_map(event).collect()
    }

    /// What became of all events, those of earlier attachments included.
    #[must_use]
    pub fn event_totals(&self) -> Ordered<EventTotals> {
        let now = self.attached.as_ref().map(Attached::event_counts);
        Ordered(
            EventKind::ALL
                .into_iter()
                .enumerate()
                .map(|(i, kind)| {
                    let now = now.map_or([0; 3], |counts| counts[i].1);
                    let [sent, suppressed, lost] =
                        std::array::from_fn(|n| now[n] + self.past_events[i][n]);
                    let totals = EventTotals {
                        sent,
                        suppressed,
                        lost,
                    };
                    (kind_name(kind).into(), totals)
                })
                .collect(),
        )
    }
}
