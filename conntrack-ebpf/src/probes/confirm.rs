//! The end of a new flow's first packet: it gets into the table, or is dropped.

use conntrack_ebpf::{EventKind, ProbeCounter};

use super::{argument, counted};
use crate::{
    call::{Entry, Return, entry, exit},
    count::{Hit, count},
    event,
    kernel::{Conn, Packet},
    latency,
    stash::{Function, Stashed, leave, look, take},
    tuple::Tuple,
};

/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;

/// Entry of `nf_ct_resolve_clash(struct sk_buff *skb, …)`: another packet was first.
#[inline(always)]
fn clashing<C: Entry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let loser = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    leave(
        ctx,
        Function::ResolveClash,
        Stashed::with(loser.slot, packet.address()),
    );
    Some(())
}

entry!(resolve_clash, resolve_clash_fentry => clashing);

/// Its return. After a merge the packet belongs to the winner, whose original tuple is the same.
#[inline(always)]
fn clashed<C: Return>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::ResolveClash)?;
    let slot = call.slot();
    let (counter, kind) = match ctx.returned()? as u32 {
        ACCEPT => (ProbeCounter::ClashResolved, EventKind::Clash),
        DROP => (ProbeCounter::ClashFailed, EventKind::InsertFailed),
        _ => return None,
    };
    count(slot, counter);
    if let Some(confirm) = look(ctx, Function::Confirm) {
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

exit!(resolve_clash_return, resolve_clash_fexit => clashed);

/// Entry of `__nf_conntrack_confirm(struct sk_buff *skb)`.
#[inline(always)]
fn confirming<C: Entry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let flow = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    leave(
        ctx,
        Function::Confirm,
        Stashed {
            entered: latency::now(),
            ..Stashed::with(flow.slot, flow.ct.address())
        },
    );
    Some(())
}

entry!(confirm, confirm_fentry => confirming);

/// Its return. A dropped packet still holds its conntrack, whose status tells why; `note` is set
/// when a clash was resolved inside.
#[inline(always)]
fn confirmed<C: Return>(ctx: &C) -> Option<()> {
    let now = latency::now();
    let call = take(ctx, Function::Confirm)?;
    latency::confirmed(&call, now);
    if ctx.returned()? as u32 != DROP {
        return None;
    }
    let slot = call.slot();
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

exit!(confirm_return, confirm_fexit => confirmed);

/// Entry of `nf_ct_seq_adjust(skb, struct nf_conn *ct, …)`: sequence numbers that a helper moved.
#[inline(always)]
fn adjusting<C: Entry>(ctx: &C) -> Option<()> {
    let flow = argument(ctx, 1)?;
    leave(ctx, Function::SeqAdjust, Stashed::of(flow.slot));
    Some(())
}

entry!(seq_adjust, seq_adjust_fentry => adjusting);

/// Its return: 0 when it failed, and the packet is dropped.
#[inline(always)]
fn adjusted<C: Return>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::SeqAdjust)?;
    if ctx.returned()? as i32 == 0 {
        count(call.slot(), ProbeCounter::SeqAdjustFailed);
    }
    Some(())
}

exit!(seq_adjust_return, seq_adjust_fexit => adjusted);
