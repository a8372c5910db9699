//! What to attach, decided from host facts: pure.

mod probe;
mod reason;
mod report;
mod select;
mod sizing;
#[cfg(test)]
mod tests;

use conntrack_ebpf::{
    cells::CounterShape,
    fields::KernelField,
    heavy_hitters::{Prefixes, SketchShape},
    table::PROBES,
};

pub use conntrack_ebpf::table::ProbeGroup;
pub use probe::{AttachPoint, Mechanism, MissingProbe, PlannedProbe, ProbeRequest};
pub use reason::MissingReason;
pub use report::{all_missing, coverage, report};
pub use sizing::remembered_connections;

use super::facts::HostFacts;

/// What to attach, and what not.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The group asked for.
    pub group: ProbeGroup,
    /// Probes to attach.
    pub probes: Vec<PlannedProbe>,
    /// Probes that cannot be attached.
    pub missing: Vec<MissingProbe>,
    /// The one reason why nothing is attached, where there is one.
    pub blocked: Option<MissingReason>,
    /// Offsets of kernel fields in bytes, for the object's globals.
    pub offsets: Vec<(KernelField, u32)>,
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// Events of one kind sent in a second.
    pub event_rate: u32,
    /// Inode number of the namespace to count; `None`: those that are assigned a slot.
    pub netns: Option<u32>,
    /// How heavy hitters are counted, if they are.
    pub top: Option<SketchSettings>,
    /// Connections whose insertion is remembered, to count lifetimes; `None`: they are not counted.
    pub lifetimes: Option<u32>,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
}

/// How heavy hitters are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SketchSettings {
    /// The leading bits by which addresses are told apart.
    pub prefixes: Prefixes,
    /// Chooses which keys share a set; the same for the whole run, or its parts would not add up.
    pub seed: u32,
}

/// Events of one kind sent in a second, unless asked otherwise.
pub const EVENT_RATE: u32 = 1000;

impl Plan {
    /// Decides. `latency`: whether the time spent in functions is to be measured, which takes their
    /// probes whatever the group.
    #[must_use]
    pub fn new(request: ProbeRequest, latency: bool, facts: &HostFacts) -> Self {
        let mut plan = Self {
            group: match request {
                ProbeRequest::Group(group) => group,
                ProbeRequest::Off | ProbeRequest::OtherRoot => ProbeGroup::Flow,
            },
            probes: Vec::new(),
            missing: Vec::new(),
            blocked: None,
            offsets: Vec::new(),
            cpus: 0,
            event_rate: EVENT_RATE,
            netns: None,
            top: None,
            lifetimes: None,
            latency: false,
        };
        match select::ready(request, facts) {
            Err(reason) => {
                plan.missing = all_missing(&reason);
                plan.blocked = Some(reason);
            }
            Ok(ready) => {
                plan.offsets = ready.offsets.known().collect();
                plan.cpus = ready.cpus;
                plan.latency = latency;
                for row in &PROBES {
                    match select::attachments(row, plan.group, latency, facts, &ready) {
                        Ok(attachments) => plan.probes.push(PlannedProbe {
                            attachments,
                            counters: row.counters,
                        }),
                        Err(reason) => plan.missing.push(report::missing(row, reason)),
                    }
                }
            }
        }
        plan
    }

    /// Whether any program is to be attached by fentry.
    #[must_use]
    pub fn uses_fentry(&self) -> bool {
        self.attachments().any(|a| a.how == Mechanism::Fentry)
    }

    /// All programs and their functions.
    pub fn attachments(&self) -> impl Iterator<Item = &AttachPoint> {
        self.probes.iter().flat_map(|probe| &probe.attachments)
    }

    /// How the maps of counters are laid out: for one instance, or for as many as may be watched.
    #[must_use]
    pub fn counter_shape(&self) -> CounterShape {
        sizing::counter_shape(self.cpus, self.netns)
    }

    /// How the map of heavy hitters is laid out, when they are counted.
    #[must_use]
    pub fn sketch_shape(&self) -> Option<SketchShape> {
        self.top.map(|_| sizing::sketch_shape(self.cpus))
    }
}
