//! Carries out a plan: loads the eBPF programs, attaches them, and opens their maps.

use std::collections::BTreeMap;

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
};
use aya_log::EbpfLogger;
use conntrack_ebpf::{cells::ring_word, events::RawEvent, maps};

use super::{
    cast,
    error::{AttachError, chain},
    events::EventRing,
    facts::NoFentry,
    fentry::{Trampoline, Trampolines},
    heavy_hitters::KernelSketches,
    load::{array, globals, load, take},
    missed::MissedHits,
    plan::{
        self, AttachPoint, Mechanism, MissingProbe, MissingReason, Plan, PlannedProbe, ProbeGroup,
    },
    programs,
};
use crate::{
    reading::{coverage::Coverage, events::EventCounts, probes::Probes},
    source::maps::{counters::CounterMaps, durations::DurationMaps},
};

/// The attached programs. Dropping it detaches everything.
pub struct Attached {
    /// Keeps the programs of kprobes loaded and attached, and the maps of all.
    _ebpf: Ebpf,
    /// Those that are attached by fentry.
    _trampolines: Vec<Trampoline>,
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
    events: EventRing,
    slots: HashMap<MapData, u32, u32>,
    rings: Array<MapData, u32>,
    sketches: Option<KernelSketches>,
    attachments: Vec<AttachPoint>,
    durations: DurationMaps,
    missing: Vec<MissingProbe>,
    missed: MissedHits,
}

/// The outcome of carrying out a plan.
pub struct Outcome {
    group: ProbeGroup,
    /// The programs and their counters, unless nothing could be attached.
    pub attached: Option<(Attached, CounterMaps)>,
    /// What is not attached, and why.
    pub missing: Vec<MissingProbe>,
}

impl Outcome {
    /// No probes, for this reason.
    #[must_use]
    pub fn none(reason: &MissingReason) -> Self {
        Self {
            group: ProbeGroup::Flow,
            attached: None,
            missing: plan::none_attached(plan::all_missing(reason)),
        }
    }

    /// Which probe counters are available.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        plan::coverage(&self.missing)
    }

    /// Which probes are attached, as `hello` reports it.
    #[must_use]
    pub fn report(&self) -> Probes {
        let attached = self
            .attached
            .as_ref()
            .map(|(a, _)| a.attachments.as_slice());
        plan::report(self.group, attached.unwrap_or_default(), &self.missing)
    }
}

/// Carries out a plan with the programs in `object`. A probe that cannot be attached is listed as missing, with the reason.
#[must_use]
pub fn attach(plan: &Plan, kernel: &str, object: &[u8]) -> Outcome {
    let nothing = |missing| Outcome {
        group: plan.group,
        attached: None,
        missing: plan::none_attached(missing),
    };
    if plan.probes.is_empty() {
        return nothing(plan.missing.clone());
    }
    match try_attach(plan, kernel, object) {
        Ok((attached, maps)) if !attached.attachments.is_empty() => Outcome {
            group: plan.group,
            missing: attached.missing.clone(),
            attached: Some((attached, maps)),
        },
        Ok((attached, _)) => nothing(attached.missing),
        Err(error) => {
            let reason = MissingReason::from(error);
            let failed = plan.probes.iter();
            let failed = failed.map(|probe| missing(probe, &probe.attachments[0], reason.clone()));
            let missing = plan.missing.iter().cloned().chain(failed).collect();
            nothing(missing)
        }
    }
}

/// Fails when nothing can be attached.
fn try_attach(
    plan: &Plan,
    kernel: &str,
    object: &[u8],
) -> Result<(Attached, CounterMaps), AttachError> {
    let shape = plan.counter_shape();
    let sketch_shape = plan.sketch_shape();
    let globals = globals(plan, shape, sketch_shape);
    let object = &cast::linked(object, plan.cast);
    let mut ebpf = load(plan, shape, sketch_shape, &globals, object)?;
    let counters = CounterMaps::new(
        array(&ebpf, maps::TOTALS)?.fd(),
        array(&ebpf, maps::BUCKETS)?.fd(),
        shape,
    )
    .map_err(|cause| AttachError::Memory {
        what: "the probes' counters",
        cause,
    })?;
    let durations = durations(plan, &ebpf)?;
    // Before any map is taken out of `ebpf`: programs take their maps from there.
    let programs = attach_programs(plan, &mut ebpf, Trampolines::new(object, &globals));
    let sketches = sketch_shape
        .map(|shape| KernelSketches::new(&mut ebpf, shape))
        .transpose()?;
    // Only for diagnostics: the programs count without the logger, too. It comes after loading, because it takes its map out of
    // `ebpf`.
    let logger = EbpfLogger::init_with_logger(&mut ebpf, log::logger())
        .inspect_err(|e| log::warn!("no diagnostics from the eBPF programs: {}", chain(e)))
        .ok();
    let slots = take(&mut ebpf, maps::NETNS_SLOTS)?
        .try_into()
        .map_err(|cause| AttachError::Map {
            map: maps::NETNS_SLOTS,
            cause,
        })?;
    let rings = take(&mut ebpf, maps::SLOT_RINGS)?
        .try_into()
        .map_err(|cause| AttachError::Map {
            map: maps::SLOT_RINGS,
            cause,
        })?;
    let events = EventRing::new(&mut ebpf)?;
    let kprobes = programs.points.iter().any(|a| !a.how.is_fentry());
    let missed = MissedHits::new(&ebpf, &programs.trampolines, kernel, kprobes);
    let attached = Attached {
        _ebpf: ebpf,
        _trampolines: programs.trampolines,
        logger,
        events,
        slots,
        rings,
        sketches,
        attachments: programs.points,
        durations,
        missing: programs.missing,
        missed,
    };
    Ok((attached, counters))
}

/// What of a plan is attached, and what is missing.
#[derive(Default)]
struct AttachedPrograms {
    points: Vec<AttachPoint>,
    trampolines: Vec<Trampoline>,
    missing: Vec<MissingProbe>,
}

fn attach_programs(
    plan: &Plan,
    ebpf: &mut Ebpf,
    mut trampolines: Trampolines<'_>,
) -> AttachedPrograms {
    let mut attached = AttachedPrograms {
        missing: plan.missing.clone(),
        ..AttachedPrograms::default()
    };
    // One line for all functions that were refused for the same reason.
    let mut refused: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for probe in &plan.probes {
        for points in probe.attachments.chunk_by(|a, b| a.function == b.function) {
            match programs::attach(ebpf, &mut trampolines, points) {
                Ok((now, mut more)) => {
                    if let Some(Mechanism::Kprobe(NoFentry::Attach(error))) =
                        now.first().map(|point| &point.how)
                    {
                        refused
                            .entry(error.to_string())
                            .or_default()
                            .push(points[0].function);
                    }
                    attached.points.extend(now);
                    attached.trampolines.append(&mut more);
                }
                Err(error) => {
                    // Of the function that was refused: those before it are attached.
                    let reason = error.into();
                    attached.missing.push(missing(probe, &points[0], reason));
                    break;
                }
            }
        }
    }
    for (reason, functions) in refused {
        log::warn!("{}: {reason}; using kprobes", functions.join(", "));
    }
    attached
}

fn durations(plan: &Plan, ebpf: &Ebpf) -> Result<DurationMaps, AttachError> {
    let mut durations = DurationMaps::none(plan.cpus, plan.duration_slots());
    if plan.lifetimes.is_some() {
        let counts = array(ebpf, maps::LIFETIME_COUNTS)?;
        durations
            .add_lifetimes(counts.fd())
            .map_err(|cause| AttachError::Memory {
                what: "lifetimes",
                cause,
            })?;
    }
    if plan.latency {
        let confirm = array(ebpf, maps::CONFIRM_TIMES)?;
        let early_drop = array(ebpf, maps::EARLY_DROP_TIMES)?;
        durations
            .add_latency(confirm.fd(), early_drop.fd())
            .map_err(|cause| AttachError::Memory {
                what: "the times of functions",
                cause,
            })?;
    }
    Ok(durations)
}

/// A probe of which a function cannot be had.
fn missing(probe: &PlannedProbe, refused: &AttachPoint, reason: MissingReason) -> MissingProbe {
    MissingProbe {
        function: refused.function,
        counters: probe.counters,
        reason,
    }
}

impl Attached {
    /// Logs the diagnostics of the eBPF programs since last time.
    pub fn flush_diagnostics(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// From now on counts a namespace in a slot of its own.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn assign(&mut self, inode: u32, slot: u32) -> Result<(), AttachError> {
        self.slots
            .insert(&inode, &slot, 0)
            .map_err(|cause| AttachError::Assign { inode, cause })
    }

    /// From now on counts a namespace in the slot that is shared by all without one.
    pub fn release(&mut self, inode: u32) {
        if let Err(error) = self.slots.remove(&inode) {
            log::debug!("release the slot of {inode}: {}", chain(&error));
        }
    }

    /// From now on counts what happens in a slot in the buckets of a ring too; `None`: only in its totals.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn set_ring(&mut self, slot: u32, ring: Option<u32>) -> Result<(), AttachError> {
        self.rings
            .set(slot, &ring_word(ring), 0)
            .map_err(|cause| AttachError::Map {
                map: maps::SLOT_RINGS,
                cause,
            })
    }

    /// The events since last time, oldest first, at most `limit` of them.
    pub fn events(&mut self, limit: usize) -> Vec<RawEvent> {
        self.events.drain(limit)
    }

    /// Heavy hitters, when they are counted.
    pub fn sketches(&mut self) -> Option<&mut KernelSketches> {
        self.sketches.as_mut()
    }

    /// The attached programs and their functions.
    #[must_use]
    pub fn attachments(&self) -> &[AttachPoint] {
        &self.attachments
    }

    /// The histograms of durations, as far as they are measured.
    #[must_use]
    pub fn durations(&self) -> &DurationMaps {
        &self.durations
    }

    /// How many events of each kind were sent, suppressed and lost since attach.
    #[must_use]
    pub fn event_counts(&self) -> EventCounts {
        self.events.counts()
    }

    /// Probe hits that the kernel missed since attach; `None` where it does not count them.
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        self.missed.read()
    }
}
