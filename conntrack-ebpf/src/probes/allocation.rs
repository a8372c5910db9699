//! Allocation and release of conntracks. A namespace's entry count changes only there (5.4 to 6.18), which makes Δentries = alloc
//! − free an independent check of the probes.

use conntrack_ebpf::{ProbeCounter, cells::Allocating, heavy_hitters::FlowMeasure};

use super::counted::argument;
use crate::{
    call::{AtEntry, entry},
    count::{Hit, count},
    instance::slot_of,
    kernel::Net,
    top,
};

/// Entry of `__nf_conntrack_alloc(net, zone, orig, repl, gfp, hash)`.
///
/// All arguments are in registers at the entry; a probe on the return would add a second hit for every flow. Failed allocations
/// are few and known: `early_drop` returned false (counted there), or the slab was out of memory (the packet is dropped, and the
/// kernel counts that).
///
/// The packet path passes the tuple's hash, which it uses again to confirm the flow; the wrapper for ctnetlink and BPF passes 0.
#[inline(always)]
fn alloc_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let slot = slot_of(ctx, Net::new(ctx.argument(0)?))?;
    let hit = Hit::now(slot)?;
    // `unsigned int`: the upper half of the register is undefined.
    let from_packet = ctx.argument(5)? as u32 != 0;
    // The feature is a planted bug for tests: it counts the packet path only.
    if from_packet || !cfg!(feature = "wrong-selector") {
        hit.add(ProbeCounter::AllocCall);
    }
    if from_packet {
        hit.add(ProbeCounter::AllocCallPacket);
    }
    let tuple = ctx.argument(2)?;
    hit.set_allocating(Allocating {
        frame: ctx.frame_to_store(),
        tuple,
        from_packet: u64::from(from_packet),
    });
    if from_packet {
        top::count(slot, hit.cpu, FlowMeasure::New, tuple);
    }
    Some(())
}

entry!(alloc, alloc_fentry => alloc_entered);

/// Entry of `nf_conntrack_free(struct nf_conn *ct)`. At its return `ct` is freed.
#[inline(always)]
fn free_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    count(argument(ctx, 0)?.slot, ProbeCounter::Free);
    Some(())
}

entry!(free, free_fentry => free_entered);
