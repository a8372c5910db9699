//! Decides which probes to attach, and how, from the facts about the host. Pure.

mod alternative;
mod probe;
mod reason;
mod report;
mod select;
mod sizing;
#[cfg(test)]
mod tests;

use conntrack_ebpf::{
    cells::CounterShape,
    fields::{self, FieldPlace, KernelField},
    heavy_hitters::{Prefixes, SketchShape},
    table::PROBES,
};

pub use alternative::{Replacement, replacement};
pub use conntrack_ebpf::table::ProbeGroup;
pub use probe::{AttachPoint, Mechanism, MissingProbe, PlannedProbe, ProbeRequest};
pub use reason::MissingReason;
pub use report::{all_missing, by_reason, coverage, none_attached, report};
pub use sizing::remembered_connections;

use super::{facts::HostFacts, offsets::FieldOffset};

/// Which probes to attach, and why the others are not.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The group asked for.
    pub group: ProbeGroup,
    /// Probes to attach.
    pub probes: Vec<PlannedProbe>,
    /// Probes that cannot be attached.
    pub missing: Vec<MissingProbe>,
    /// The reason why no probe can be attached, if it is the same for all.
    pub blocked: Option<MissingReason>,
    /// Where kernel fields are, for the object's globals.
    pub places: Vec<(KernelField, FieldPlace)>,
    /// The kernel's function that casts addresses to types, if programs call it: its number in the types of vmlinux.
    pub cast: Option<u32>,
    /// Number of CPU ids: highest possible id + 1.
    pub cpus: u32,
    /// The most events of one kind that are sent in a second.
    pub event_rate: u32,
    /// Inode number of the namespace to count; `None`: those that are assigned a slot.
    pub netns: Option<u32>,
    /// How heavy hitters are counted; `None` when they are not.
    pub top: Option<SketchSettings>,
    /// How many connections' insertion times are kept, to measure lifetimes; `None` when those are not measured.
    pub lifetimes: Option<u32>,
    /// Whether the time spent in functions is measured.
    pub latency: bool,
}

/// How heavy hitters are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SketchSettings {
    /// The prefix lengths by which addresses are grouped.
    pub prefixes: Prefixes,
    /// Seed of the hash that chooses a key's set. The same for the whole run, because otherwise windows would not add up.
    pub seed: u32,
}

/// The most events of one kind that are sent in a second, by default.
pub const EVENT_RATE: u32 = 1000;

impl Plan {
    /// Makes a plan. With `latency`, the time spent in functions is measured, for which their probes are attached whatever the group.
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
            places: Vec::new(),
            cast: facts.cast,
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
                let known = ready.offsets.known();
                plan.places = known
                    .map(|(field, offset)| (field, place(offset, facts.cast)))
                    .collect();
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
        self.attachments().any(|a| a.how.is_fentry())
    }

    /// All programs to attach, with their functions.
    pub fn attachments(&self) -> impl Iterator<Item = &AttachPoint> {
        self.probes.iter().flat_map(|probe| &probe.attachments)
    }

    /// How the maps of counters are laid out: for one instance, or for as many as may be watched.
    #[must_use]
    pub fn counter_shape(&self) -> CounterShape {
        sizing::counter_shape(self.cpus, self.netns)
    }

    /// How many slots, from the first, have histograms of durations.
    #[must_use]
    pub fn duration_slots(&self) -> u32 {
        sizing::duration_slots(self.counter_shape(), self.lifetimes.is_some(), self.latency)
    }

    /// The number of the type of tuples, if programs can load from them. Not in all kernels' types of vmlinux, and it need not be:
    /// how tuples are laid out is known.
    #[must_use]
    pub fn tuple_type(&self) -> Option<u32> {
        let mut places = self.places.iter();
        let (_, place) = places.find(|(field, _)| *field == fields::TUPLE_DIR)?;
        u32::try_from(place.structure)
            .ok()
            .filter(|&number| number != 0)
    }

    /// How the map of heavy hitters is laid out, when they are counted.
    #[must_use]
    pub fn sketch_shape(&self) -> Option<SketchShape> {
        self.top.map(|_| sizing::sketch_shape(self.cpus))
    }
}

/// Where programs find a field: by its structure's type, if addresses can be cast to that.
fn place(offset: FieldOffset, cast: Option<u32>) -> FieldPlace {
    let structure = cast.and(offset.structure).unwrap_or(0);
    FieldPlace {
        offset: offset.bytes.into(),
        structure: structure.into(),
    }
}
