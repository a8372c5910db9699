//! Loads the eBPF object as planned: sets the sizes of its maps, and the globals that its programs see as constants.

use aya::{
    Ebpf, EbpfLoader, VerifierLogLevel,
    maps::{Map, MapData},
};
use conntrack_ebpf::{cells::CounterShape, globals, heavy_hitters::SketchShape, maps};

use super::{error::AttachError, plan::Plan};

/// The lowest level that the eBPF programs log; the verifier removes the code of lower ones.
const EBPF_LEVEL: u8 = aya_log::Level::Warn as u8;

/// Loads the object and creates its maps. Its programs are not loaded into the kernel yet.
pub(super) fn load(
    plan: &Plan,
    counters: CounterShape,
    sketch: Option<SketchShape>,
    object: &[u8],
) -> Result<Ebpf, AttachError> {
    // 0 stands for "no single namespace": no namespace has this inode number.
    let netns = plan.netns.unwrap_or_default();
    let mut loader = EbpfLoader::new();
    loader
        .verifier_log_level(VerifierLogLevel::DISABLE)
        .map_max_entries(maps::TOTALS, counters.cells())
        .map_max_entries(maps::BUCKETS, counters.buckets())
        .override_global(globals::CPUS, &counters.cpus, true)
        .override_global(globals::SLOTS, &counters.slots, true)
        .override_global(globals::RING_BITS, &counters.ring_bits, true)
        .override_global(globals::EVENT_RATE, &plan.event_rate, true)
        .override_global(globals::NETNS, &netns, true)
        .override_global(aya_log::LEVEL, &EBPF_LEVEL, false);
    let yes = 1_u32;
    if let Some(connections) = plan.lifetimes {
        loader
            .map_max_entries(maps::LIFETIME_COUNTS, counters.cells())
            .map_max_entries(maps::INSERTED_AT, connections)
            .override_global(globals::LIFETIMES, &yes, true);
    }
    if plan.latency {
        loader
            .map_max_entries(maps::CONFIRM_TIMES, counters.cells())
            .map_max_entries(maps::EARLY_DROP_TIMES, counters.cells())
            .override_global(globals::LATENCY, &yes, true);
    }
    if let Some((shape, settings)) = sketch.as_ref().zip(plan.top.as_ref()) {
        loader
            .map_max_entries(maps::HEAVY_HITTERS, shape.elements())
            .override_global(globals::TOP, &yes, true)
            .override_global(globals::TOP_SET_BITS, &shape.set_bits, true)
            .override_global(globals::TOP_SEED, &settings.seed, true)
            .override_global(globals::TOP_PREFIX, &settings.prefixes.ipv4, true)
            .override_global(globals::TOP_PREFIX6, &settings.prefixes.ipv6, true);
    }
    let offsets = plan.offsets.iter();
    let offsets: Vec<_> = offsets
        .map(|(field, offset)| (field.global, u64::from(*offset)))
        .collect();
    for (global, offset) in &offsets {
        loader.override_global(global, offset, true);
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
