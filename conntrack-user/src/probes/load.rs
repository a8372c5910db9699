//! Loads the eBPF object as planned: sets the sizes of its maps, and the globals that its programs see as constants.

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Map, MapData},
};
use conntrack_ebpf::{cells::CounterShape, globals as global, heavy_hitters::SketchShape, maps};

use super::{error::AttachError, globals::Globals, plan::Plan};

/// The lowest level that the eBPF programs log; the verifier removes the code of lower ones.
const EBPF_LEVEL: u8 = aya_log::Level::Warn as u8;

/// The globals' values.
pub(super) fn globals(plan: &Plan, counters: CounterShape, sketch: Option<SketchShape>) -> Globals {
    let mut globals = Globals::default();
    globals.set(global::CPUS, counters.cpus);
    globals.set(global::SLOTS, counters.slots);
    globals.set(global::RING_LENGTH, 1_u32 << counters.ring_bits);
    globals.set(global::EVENT_RATE, plan.event_rate);
    // 0 stands for "no single namespace": no namespace has this inode number.
    globals.set(global::NETNS, plan.netns.unwrap_or_default());
    globals.set_if_there(aya_log::LEVEL, EBPF_LEVEL);
    let yes = 1_u32;
    if plan.lifetimes.is_some() {
        globals.set(global::LIFETIMES, yes);
    }
    if plan.latency {
        globals.set(global::LATENCY, yes);
    }
    if let Some((shape, settings)) = sketch.zip(plan.top) {
        globals.set(global::TOP, yes);
        globals.set(global::TOP_SET_BITS, shape.set_bits);
        globals.set(global::TOP_SEED, settings.seed);
        globals.set(global::TOP_PREFIX, settings.prefixes.ipv4);
        globals.set(global::TOP_PREFIX6, settings.prefixes.ipv6);
    }
    for (field, place) in &plan.places {
        globals.set(field.global, *place);
    }
    if let Some(structure) = plan.tuple_type() {
        globals.set(global::TUPLE_TYPE, structure);
    }
    globals
}

/// Loads the object and creates its maps. Its programs are not loaded into the kernel yet.
pub(super) fn load(
    plan: &Plan,
    counters: CounterShape,
    sketch: Option<SketchShape>,
    globals: &Globals,
    object: &[u8],
) -> Result<Ebpf, AttachError> {
    let mut loader = EbpfLoader::new();
    loader
        .verifier_log_level(VerifierLogLevel::DISABLE)
        .map_max_entries(maps::TOTALS, counters.cells())
        .map_max_entries(maps::BUCKETS, counters.buckets())
        .map_max_entries(maps::SLOT_RINGS, counters.slots)
        .map_max_entries(maps::NETNS_SLOTS, counters.slots);
    let durations = counters.cpus * plan.duration_slots();
    if let Some(connections) = plan.lifetimes {
        loader
            .map_max_entries(maps::LIFETIME_COUNTS, durations)
            .map_max_entries(maps::INSERTED_AT, connections);
    }
    if plan.latency {
        loader
            .map_max_entries(maps::CONFIRM_TIMES, durations)
            .map_max_entries(maps::EARLY_DROP_TIMES, durations);
    }
    if let Some(shape) = &sketch {
        loader.map_max_entries(maps::HEAVY_HITTERS, shape.elements());
    }
    for (name, (value, required)) in globals.by_name() {
        loader.override_global(name, value, required);
    }
    loader.load(object).map_err(AttachError::Load)
}

/// An array map of the loaded object.
pub(super) fn array<'a>(ebpf: &'a Ebpf, map: &'static str) -> Result<&'a MapData, AttachError> {
    match ebpf.map(map) {
        Some(Map::Array(data)) => Ok(data),
        _ => Err(AttachError::NoMap { kind: "array", map }),
    }
}

/// A map of the loaded object, taken out of it.
pub(super) fn take(ebpf: &mut Ebpf, map: &'static str) -> Result<Map, AttachError> {
    ebpf.take_map(map)
        .ok_or(AttachError::NoMap { kind: "map", map })
}
