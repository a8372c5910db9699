//! The end of a new flow's first packet: it gets into the table, or is dropped.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::{EventKind, ProbeCounter};

use super::{argument, counted};
use crate::{
    count::{Hit, count},
    event,
    instance::Slot,
    kernel::{Conn, Packet},
    stash::{Function, Stashed, leave, look, take},
    tuple::Tuple,
};

/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Entry of `nf_ct_resolve_clash(struct sk_buff *skb, …)`: another packet was first.
#[kprobe]
fn resolve_clash(ctx: ProbeContext) -> u32 {
    try_resolve_clash(&ctx);
    0
}

#[inline(always)]
fn try_resolve_clash(ctx: &ProbeContext) -> Option<()> {
    let packet = Packet::new(ctx.arg(0)?);
    let loser = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    leave(
        ctx.regs,
        Function::ResolveClash,
        Stashed {
            slot: u64::from(loser.slot.0),
            pointer: packet.address(),
            note: 0,
        },
    );
    Some(())
}

/// Its return. After a merge the packet belongs to the winner, whose original tuple is the same.
#[kretprobe]
fn resolve_clash_return(ctx: RetProbeContext) -> u32 {
    try_resolve_clash_return(&ctx);
    0
}

#[inline(always)]
fn try_resolve_clash_return(ctx: &RetProbeContext) -> Option<()> {
    let call = take(ctx.regs, Function::ResolveClash)?;
    let slot = Slot(call.slot as u32);
    let (counter, kind) = match ctx.ret::<u64>() as u32 {
        ACCEPT => (ProbeCounter::ClashResolved, EventKind::Clash),
        DROP => (ProbeCounter::ClashFailed, EventKind::InsertFailed),
        _ => return None,
    };
    count(slot, counter);
    if let Some(confirm) = look(ctx.regs, Function::Confirm) {
        // SAFETY: a checked map element; nobody else uses the key of this stack meanwhile.
        unsafe { (*confirm).note = 1 };
    }
    let tuple = Packet::new(call.pointer)
        .nfct(ctx)
        .and_then(|nfct| nfct.conn())
        .and_then(|ct| Tuple::of(ctx, ct));
    event::send(slot, kind, tuple, None);
    Some(())
}

/// Entry of `__nf_conntrack_confirm(struct sk_buff *skb)`.
#[kprobe]
fn confirm(ctx: ProbeContext) -> u32 {
    try_confirm(&ctx);
    0
}

#[inline(always)]
fn try_confirm(ctx: &ProbeContext) -> Option<()> {
    let packet = Packet::new(ctx.arg(0)?);
    let flow = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    leave(
        ctx.regs,
        Function::Confirm,
        Stashed {
            slot: u64::from(flow.slot.0),
            pointer: flow.ct.address(),
            note: 0,
        },
    );
    Some(())
}

/// Its return. A dropped packet still holds its conntrack, whose status tells why; `note` is set
/// when a clash was resolved inside.
#[kretprobe]
fn confirm_return(ctx: RetProbeContext) -> u32 {
    try_confirm_return(&ctx);
    0
}

#[inline(always)]
fn try_confirm_return(ctx: &RetProbeContext) -> Option<()> {
    let call = take(ctx.regs, Function::Confirm)?;
    if ctx.ret::<u64>() as u32 != DROP {
        return None;
    }
    let slot = Slot(call.slot as u32);
    let ct = Conn::new(call.pointer);
    let status = ct.status(ctx)?;
    let hit = Hit::now(slot)?;
    if status.is_confirmed() {
        if status.is_dying() {
            hit.add(ProbeCounter::ConfirmStale);
        }
        return None;
    }
    hit.add(ProbeCounter::ConfirmFailed);
    let clashed = call.note != 0;
    if clashed {
        // Told by the clash.
        return None;
    }
    let kind = if status.is_dying() {
        EventKind::InsertFailed
    } else {
        hit.add(ProbeCounter::ConfirmChainTooLong);
        EventKind::ChainTooLong
    };
    event::send(slot, kind, Tuple::of(ctx, ct), None);
    Some(())
}

/// Entry of `nf_ct_seq_adjust(skb, struct nf_conn *ct, …)`: sequence numbers that a helper moved.
#[kprobe]
fn seq_adjust(ctx: ProbeContext) -> u32 {
    if let Some(flow) = argument(&ctx, 1) {
        leave(
            ctx.regs,
            Function::SeqAdjust,
            Stashed {
                slot: u64::from(flow.slot.0),
                pointer: 0,
                note: 0,
            },
        );
    }
    0
}

/// Its return: 0 when it failed, and the packet is dropped.
#[kretprobe]
fn seq_adjust_return(ctx: RetProbeContext) -> u32 {
    if let Some(call) = take(ctx.regs, Function::SeqAdjust)
        && ctx.ret::<u64>() as i32 == 0
    {
        count(Slot(call.slot as u32), ProbeCounter::SeqAdjustFailed);
    }
    0
}
