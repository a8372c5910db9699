//! A full table: eviction of unassured flows, and rejection of new ones if none can be evicted.

use conntrack_ebpf::{EventKind, ProbeCounter, heavy_hitters::FlowMeasure, table::Function};

use super::counted::CountedConn;
use crate::{
    atomic::Word,
    call::{AtEntry, AtReturn, Call, entry, exit},
    count::Hit,
    entry_context::{EntryContext, is_below, peek, save, take},
    event,
    instance::slot_of,
    kernel::{Net, conn_tuple_offset},
    latency, top,
    tuple::{MaybeTuple, RawTuple},
};

/// The number of calls of `early_drop` in flight, to avoid a lookup at every removal. After a missed return it stays too high,
/// which only costs that lookup.
#[unsafe(no_mangle)]
static EVICTING: Word = Word::zero();

/// Entry of `early_drop(struct net *net, unsigned int hash)`, called by `__nf_conntrack_alloc`.
#[inline(always)]
fn early_drop_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let slot = slot_of(ctx, Net::new(ctx.argument(0)?))?;
    let allocating = Hit::now(slot)?.allocating();
    // If the allocation is on another stack, it is not the caller of `early_drop`: this task has migrated since.
    let ours = is_below(ctx.frame(), allocating.frame);
    save(
        ctx,
        Function::EarlyDrop,
        EntryContext {
            note: u64::from(!ours || allocating.from_packet != 0),
            entered: latency::now(),
            ..EntryContext::with(slot, if ours { allocating.tuple } else { 0 })
        },
    );
    EVICTING.add(1);
    Some(())
}

entry!(early_drop, early_drop_fentry => early_drop_entered);

/// Return of `early_drop`: false if nothing could be evicted, so that the table is full.
#[inline(always)]
fn early_drop_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let now = latency::now();
    let call = take(ctx, Function::EarlyDrop)?;
    latency::early_dropped(&call, now);
    EVICTING.add(u64::MAX);
    // `bool`: the low byte of the register.
    if ctx.returned()? as u8 != 0 {
        return None;
    }
    let slot = call.slot();
    let hit = Hit::now(slot)?;
    hit.add(ProbeCounter::TableFull);
    if call.note != 0 {
        hit.add(ProbeCounter::TableFullPacket);
    }
    top::count(slot, hit.cpu, FlowMeasure::Dropped, call.pointer);
    event::send(slot, EventKind::TableFull, displacer(ctx, call.pointer));
    Some(())
}

exit!(early_drop_return, early_drop_fexit => early_drop_returned);

#[inline(always)]
fn displacer<C: Call>(ctx: &C, tuple: u64) -> Option<RawTuple> {
    if tuple == 0 {
        return None;
    }
    RawTuple::at(ctx, tuple)
}

/// Counts a removal by `early_drop`, with the flow that it makes room for. `early_drop` also removes expired flows, which are not
/// counted.
#[inline(always)]
pub(super) fn removed<C: AtEntry>(ctx: &C, removed: CountedConn) -> Option<()> {
    if EVICTING.load() == 0 {
        return None;
    }
    let call = peek(ctx, Function::EarlyDrop)?;
    if removed.ct.is_expired(ctx) {
        return None;
    }
    let hit = Hit::now(removed.slot)?;
    hit.add(ProbeCounter::EarlyDrop);
    let tuple = removed.ct.address() + conn_tuple_offset();
    top::count(removed.slot, hit.cpu, FlowMeasure::Evicted, tuple);
    // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
    let by = unsafe { (*call).pointer };
    event::send_flow(
        removed.slot,
        EventKind::EarlyDrop,
        MaybeTuple::both_of(ctx, Some(removed.ct)),
        displacer(ctx, by).into(),
    );
    Some(())
}
