//! Loading the programs and attaching them as the plan says.

use aya::{
    Btf, Ebpf, EbpfLoader, VerifierLogLevel, include_bytes_aligned,
    maps::{HashMap, Map, MapData},
    programs::{FEntry, FExit, KProbe, Program, ProgramError},
};
use aya_log::EbpfLogger;
use conntrack_ebpf::{
    BORN_MAP, BUCKETS_MAP, CONFIRM_TIMES_MAP, EARLY_DROP_TIMES_MAP, LEADERS_MAP, LIVED_MAP,
    NETNS_SLOTS_MAP, TOTALS_MAP, globals,
};

use crate::{
    probes::{
        diagnostics::Diagnostics,
        events::Events,
        leaders::KernelLeaders,
        missed::Missed,
        plan::{self, Attachment, Group, How, MissingProbe, Plan, PlannedProbe},
    },
    reading::{coverage::Coverage, events::EventCounts, probes::Probes},
    source::maps::{
        counters::{CounterMaps, Shape},
        durations::DurationMaps,
        heavy_hitters::LeaderShape,
    },
};

/// The eBPF object, or nothing where the build did not embed one.
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ctpulse.bpf.o"));

/// Instances counted apart, at most, when there may be several.
const SLOTS: u32 = 64;

/// What is attached. Dropping it detaches everything.
pub struct Attached {
    /// Keeps the programs loaded and attached.
    _ebpf: Ebpf,
    logger: Option<EbpfLogger<Diagnostics>>,
    events: Events,
    slots: HashMap<MapData, u32, u32>,
    leaders: Option<KernelLeaders>,
    attachments: Vec<Attachment>,
    durations: DurationMaps,
    missing: Vec<MissingProbe>,
    missed: Missed,
}

/// The outcome of following a plan.
pub struct Outcome {
    group: Group,
    /// The programs and their counters, unless nothing could be attached.
    pub attached: Option<(Attached, CounterMaps)>,
    /// What is not attached, and why.
    pub missing: Vec<MissingProbe>,
    /// Why the plan should be made again without fentry: nothing is attached then.
    pub fentry_refused: Option<String>,
}

/// Why a plan could not be followed.
enum Failure {
    /// Nothing can be attached.
    All(String),
    /// Nothing can be attached by fentry.
    Fentry(String),
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self::All(reason)
    }
}

impl Outcome {
    /// Which counters are counted.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        plan::coverage(&self.missing)
    }

    /// For the report.
    #[must_use]
    pub fn report(&self) -> Probes {
        let attached = self
            .attached
            .as_ref()
            .map(|(a, _)| a.attachments.as_slice());
        plan::report(self.group, attached.unwrap_or_default(), &self.missing)
    }
}

/// Follows a plan with the programs in `object`. What fails on the way is missing, with its reason.
#[must_use]
pub fn attach(plan: &Plan, kernel: &str, object: &[u8]) -> Outcome {
    let nothing = |missing| Outcome {
        group: plan.group,
        attached: None,
        missing,
        fentry_refused: None,
    };
    if plan.probes.is_empty() {
        return nothing(plan.missing.clone());
    }
    match try_attach(plan, kernel, object) {
        Ok((attached, maps)) if !attached.attachments.is_empty() => Outcome {
            missing: attached.missing.clone(),
            attached: Some((attached, maps)),
            ..nothing(Vec::new())
        },
        Ok((attached, _)) => nothing(attached.missing),
        Err(failure) => {
            let (Failure::All(reason) | Failure::Fentry(reason)) = &failure;
            let failed = plan.probes.iter().map(|probe| missing(probe, reason));
            let missing = plan.missing.iter().cloned().chain(failed).collect();
            Outcome {
                fentry_refused: match failure {
                    Failure::All(_) => None,
                    Failure::Fentry(reason) => Some(reason),
                },
                ..nothing(missing)
            }
        }
    }
}

fn try_attach(
    plan: &Plan,
    kernel: &str,
    object: &[u8],
) -> Result<(Attached, CounterMaps), Failure> {
    let shape = Shape::new(plan.cpus, if plan.netns.is_some() { 1 } else { SLOTS });
    let leaders = plan.top.map(|_| LeaderShape::new(plan.cpus));
    let mut ebpf = load(plan, shape, leaders, object)?;
    let maps = CounterMaps::new(
        array(&ebpf, TOTALS_MAP)?.fd(),
        array(&ebpf, BUCKETS_MAP)?.fd(),
        shape,
    )
    .map_err(|e| format!("cannot map the probes' counters: {}", chain(&e)))?;
    let leaders = leaders
        .map(|shape| KernelLeaders::new(&mut ebpf, shape))
        .transpose()?;
    let durations = durations(plan, shape, &ebpf)?;
    let mut attachments: Vec<Attachment> = Vec::new();
    let mut missing = plan.missing.clone();
    let types = plan.uses_fentry().then(Btf::from_sys_fs).transpose();
    let types =
        types.map_err(|e| Failure::Fentry(format!("no fentry without types: {}", chain(&e))))?;
    for probe in &plan.probes {
        match attach_all(&mut ebpf, types.as_ref(), probe) {
            Ok(()) => attachments.extend(&probe.attachments),
            Err(Failure::All(reason)) => missing.push(self::missing(probe, &reason)),
            Err(refused) => return Err(refused),
        }
    }
    // Diagnostics only: counting goes on without them. After loading, because the logger takes the
    // map away from `ebpf`.
    let logger = EbpfLogger::init_with_logger(&mut ebpf, Diagnostics)
        .inspect_err(|e| log::warn!("no diagnostics from the eBPF programs: {}", chain(e)))
        .ok();
    let slots = ebpf
        .take_map(NETNS_SLOTS_MAP)
        .ok_or_else(|| format!("the eBPF object has no map {NETNS_SLOTS_MAP}"))?
        .try_into()
        .map_err(|e| format!("{NETNS_SLOTS_MAP}: {}", chain(&e)))?;
    let events = Events::new(&mut ebpf)
        .map_err(|e| format!("cannot read the probes' events: {}", chain(&e)))?;
    let kprobes = attachments.iter().any(|a| a.how == How::Kprobe);
    let missed = Missed::new(&ebpf, kernel, kprobes);
    let attached = Attached {
        _ebpf: ebpf,
        logger,
        events,
        slots,
        leaders,
        attachments,
        durations,
        missing,
        missed,
    };
    Ok((attached, maps))
}

fn load(
    plan: &Plan,
    shape: Shape,
    leaders: Option<LeaderShape>,
    object: &[u8],
) -> Result<Ebpf, String> {
    // 0 is no namespace's inode number.
    let netns = plan.netns.unwrap_or_default();
    let slots = shape.slots;
    let mut loader = EbpfLoader::new();
    loader
        .verifier_log_level(VerifierLogLevel::DISABLE)
        .map_max_entries(TOTALS_MAP, shape.cells())
        .map_max_entries(BUCKETS_MAP, shape.buckets())
        .override_global(globals::RING_BITS, &shape.ring_bits, true)
        .override_global(globals::EVENT_RATE, &plan.event_rate, true)
        .override_global(globals::NETNS, &netns, true)
        .override_global(globals::SLOTS, &slots, true)
        .override_global(
            aya_log::LEVEL,
            &crate::probes::diagnostics::EBPF_LEVEL,
            false,
        );
    let yes = 1_u32;
    if let Some(room) = plan.lifetimes {
        loader
            .map_max_entries(LIVED_MAP, shape.cells())
            .map_max_entries(BORN_MAP, room)
            .override_global(globals::LIFETIMES, &yes, true);
    }
    if plan.latency {
        loader
            .map_max_entries(CONFIRM_TIMES_MAP, shape.cells())
            .map_max_entries(EARLY_DROP_TIMES_MAP, shape.cells())
            .override_global(globals::LATENCY, &yes, true);
    }
    if let Some((shape, leading)) = leaders.as_ref().zip(plan.top.as_ref()) {
        loader
            .map_max_entries(LEADERS_MAP, shape.elements())
            .override_global(globals::TOP, &yes, true)
            .override_global(globals::TOP_SET_BITS, &shape.set_bits, true)
            .override_global(globals::TOP_SEED, &leading.seed, true)
            .override_global(globals::TOP_PREFIX, &leading.prefixes.ipv4, true)
            .override_global(globals::TOP_PREFIX6, &leading.prefixes.ipv6, true);
    }
    for (name, value) in &plan.globals {
        loader.override_global(name, value, true);
    }
    loader
        .load(object)
        .map_err(|e| format!("the kernel refused the eBPF object: {}", chain(&e)))
}

fn array<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a MapData, String> {
    match ebpf.map(name) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err(format!("the eBPF object has no array {name}")),
    }
}

fn durations(plan: &Plan, shape: Shape, ebpf: &Ebpf) -> Result<DurationMaps, String> {
    let mut maps = DurationMaps::none(shape);
    if plan.lifetimes.is_some() {
        maps.add_lifetimes(array(ebpf, LIVED_MAP)?.fd())
            .map_err(|e| format!("cannot map lifetimes: {}", chain(&e)))?;
    }
    if plan.latency {
        let confirm = array(ebpf, CONFIRM_TIMES_MAP)?;
        let early_drop = array(ebpf, EARLY_DROP_TIMES_MAP)?;
        maps.add_latency(confirm.fd(), early_drop.fd())
            .map_err(|e| format!("cannot map the times of functions: {}", chain(&e)))?;
    }
    Ok(maps)
}

fn attach_all(ebpf: &mut Ebpf, types: Option<&Btf>, probe: &PlannedProbe) -> Result<(), Failure> {
    probe
        .attachments
        .iter()
        .try_for_each(|attachment| match (attachment.how, types) {
            (How::Fentry, Some(types)) => attach_by_fentry(ebpf, types, *attachment),
            _ => attach_by_kprobe(ebpf, *attachment).map_err(Failure::All),
        })
}

fn attach_by_kprobe(ebpf: &mut Ebpf, attachment: Attachment) -> Result<(), String> {
    let function = attachment.function;
    let name = attachment.program.kprobe;
    let kprobe: &mut KProbe = program(ebpf, name)?
        .try_into()
        .map_err(|e| format!("program {name}: {}", chain(&e)))?;
    match kprobe.load() {
        // One program may go on several functions.
        Ok(()) | Err(ProgramError::AlreadyLoaded) => {}
        Err(e) => {
            return Err(format!("the kernel refused program {name}: {}", chain(&e)));
        }
    }
    kprobe
        .attach(function, 0)
        .map_err(|e| format!("the kernel refused a probe on {function}: {}", chain(&e)))?;
    Ok(())
}

fn attach_by_fentry(ebpf: &mut Ebpf, types: &Btf, attachment: Attachment) -> Result<(), Failure> {
    let function = attachment.function;
    let name = attachment.program.fentry;
    let refused = |error| {
        let reason = format!("the kernel refused {name} on {function}: {}", chain(&error));
        Failure::Fentry(reason)
    };
    let wrong = |error| Failure::All(format!("program {name}: {}", chain(&error)));
    let program = program(ebpf, name)?;
    if attachment.program.at_return {
        let fexit: &mut FExit = program.try_into().map_err(wrong)?;
        fexit.load(function, types).map_err(refused)?;
        fexit.attach().map_err(refused)?;
    } else {
        let fentry: &mut FEntry = program.try_into().map_err(wrong)?;
        fentry.load(function, types).map_err(refused)?;
        fentry.attach().map_err(refused)?;
    }
    Ok(())
}

fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Program, String> {
    ebpf.program_mut(name)
        .ok_or_else(|| format!("the eBPF object has no program {name}"))
}

fn missing(probe: &PlannedProbe, reason: &str) -> MissingProbe {
    MissingProbe {
        function: probe.attachments[0].function,
        counters: probe.counters,
        reason: reason.to_owned(),
    }
}

/// An error with its causes.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

impl Attached {
    /// Writes what the eBPF programs had to say since last time.
    pub fn flush_diagnostics(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }

    /// Has a namespace counted in a slot from now on.
    pub fn assign(&mut self, inode: u32, slot: u32) -> Result<(), String> {
        self.slots
            .insert(&inode, &slot, 0)
            .map_err(|e| format!("cannot assign a slot to a network namespace: {}", chain(&e)))
    }

    /// No longer.
    pub fn release(&mut self, inode: u32) {
        if let Err(error) = self.slots.remove(&inode) {
            log::debug!("release the slot of {inode}: {}", chain(&error));
        }
    }

    /// The events since last time, oldest first, at most `limit` of them.
    pub fn events(&mut self, limit: usize) -> Vec<conntrack_ebpf::Event> {
        self.events.drain(limit)
    }

    /// Leaders, when they are counted.
    pub fn leaders(&mut self) -> Option<&mut KernelLeaders> {
        self.leaders.as_mut()
    }

    /// Lengths of time, as far as they are counted.
    #[must_use]
    pub fn durations(&self) -> &DurationMaps {
        &self.durations
    }

    /// What became of the events of each kind since attach.
    #[must_use]
    pub fn event_counts(&self) -> EventCounts {
        self.events.counts()
    }

    /// Probe hits the kernel skipped since attach; `None` where it does not tell.
    #[must_use]
    pub fn missed(&self) -> Option<u64> {
        self.missed.read()
    }
}
