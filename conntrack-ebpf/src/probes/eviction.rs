//! A full table: eviction of unassured flows, and refusal where none is found.

use aya_ebpf::{
    bindings::pt_regs,
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::{EventKind, ProbeCounter, leaders::Measure};

use super::Counted;
use crate::{
    atomic::Word,
    count::{Hit, count},
    event,
    instance::{Slot, slot_of},
    kernel::{Net, conn_tuple_offset},
    stash::{Function, Stashed, frame, is_below, leave, look, take},
    top,
    tuple::Tuple,
};

/// Calls of `early_drop` under way, so that every removal need not look for one. If a return probe
/// is lost it stays too high, which costs a lookup and no more.
#[unsafe(no_mangle)]
static EVICTING: Word = Word::zero();

/// Entry of `early_drop(struct net *net, unsigned int hash)`, called by `__nf_conntrack_alloc`.
#[kprobe]
fn early_drop(ctx: ProbeContext) -> u32 {
    try_early_drop(&ctx);
    0
}

#[inline(always)]
fn try_early_drop(ctx: &ProbeContext) -> Option<()> {
    let slot = slot_of(ctx, Net::new(ctx.arg(0)?))?;
    let allocating = Hit::now(slot)?.allocating();
    // On another stack it is not the allocation that called us: this task has changed CPU since.
    let ours = is_below(frame(ctx.regs), allocating.frame);
    leave(
        ctx.regs,
        Function::EarlyDrop,
        Stashed {
            slot: u64::from(slot.0),
            pointer: if ours { allocating.tuple } else { 0 },
            note: u64::from(!ours || allocating.from_packet != 0),
        },
    );
    EVICTING.add(1);
    Some(())
}

/// Return of `early_drop`: false when nothing could be evicted, and the table is full.
#[kretprobe]
fn early_drop_return(ctx: RetProbeContext) -> u32 {
    try_early_drop_return(&ctx);
    0
}

#[inline(always)]
fn try_early_drop_return(ctx: &RetProbeContext) -> Option<()> {
    let call = take(ctx.regs, Function::EarlyDrop)?;
    EVICTING.add(u64::MAX);
    // `bool`: the low byte of the register.
    if ctx.ret::<u64>() as u8 != 0 {
        return None;
    }
    let slot = Slot(call.slot as u32);
    let hit = Hit::now(slot)?;
    hit.add(ProbeCounter::TableFull);
    if call.note != 0 {
        hit.add(ProbeCounter::TableFullPacket);
    }
    top::count(slot, Measure::Dropped, call.pointer);
    event::send(
        slot,
        EventKind::TableFull,
        displacer(ctx, call.pointer),
        None,
    );
    Some(())
}

#[inline(always)]
fn displacer<C: aya_ebpf::EbpfContext>(ctx: &C, tuple: u64) -> Option<Tuple> {
    if tuple == 0 {
        return None;
    }
    Tuple::at(ctx, tuple)
}

/// Counts a removal that `early_drop` does, for the flow it was called to make room for. It also
/// removes flows that have expired, without counting them.
#[inline(always)]
pub(super) fn removed(ctx: &ProbeContext, removed: Counted) -> Option<()> {
    if EVICTING.load() == 0 {
        return None;
    }
    let regs: *mut pt_regs = ctx.regs;
    let call = look(regs, Function::EarlyDrop)?;
    if removed.ct.is_expired(ctx) {
        return None;
    }
    count(removed.slot, ProbeCounter::EarlyDrop);
    let tuple = removed.ct.address() + u64::from(conn_tuple_offset());
    top::count(removed.slot, Measure::Evicted, tuple);
    // SAFETY: a checked map element; nobody else uses the key of this stack meanwhile.
    let by = unsafe { (*call).pointer };
    event::send(
        removed.slot,
        EventKind::EarlyDrop,
        Tuple::of(ctx, removed.ct),
        displacer(ctx, by),
    );
    Some(())
}
