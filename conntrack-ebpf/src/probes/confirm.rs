//! Confirmation of a new flow's first packet: the flow is inserted into the table, or the packet is dropped.

use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use super::{
    counted::{argument, counted},
    nat,
};
use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::{Hit, count},
    entry_context::{EntryContext, peek, save, take},
    event,
    kernel::{Conn, NF_ACCEPT, NF_DROP, Packet},
    latency,
    tuple::MaybeTuple,
};

/// Entry of `nf_ct_resolve_clash(struct sk_buff *skb, struct nf_conntrack_tuple_hash *h, …)`: another packet of the same flow was
/// faster, or another flow has the tuple that NAT gave this one. `note` is set if NAT had found none that is free.
#[inline(always)]
fn resolve_clash_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let loser = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    let exhausted = nat::found_none(ctx, loser, ctx.argument(1)?);
    save(
        ctx,
        Function::NfCtResolveClash,
        EntryContext {
            note: u64::from(exhausted),
            ..EntryContext::with(loser.slot, packet.address())
        },
    );
    Some(())
}

entry!(resolve_clash, resolve_clash_fentry => resolve_clash_entered);

/// Return of `nf_ct_resolve_clash`. After a merge the packet belongs to the winner, whose original tuple is the same.
#[inline(always)]
fn resolve_clash_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfCtResolveClash)?;
    let slot = call.slot();
    let (counter, kind) = match ctx.returned()? as u32 {
        NF_ACCEPT => (ProbeCounter::ClashResolved, EventKind::Clash),
        NF_DROP => (ProbeCounter::ClashFailed, EventKind::InsertFailed),
        _ => return None,
    };
    count(slot, counter);
    if let Some(confirm) = peek(ctx, Function::NfConntrackConfirm) {
        // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
        unsafe { (*confirm).note = 1 };
    }
    let ct = Packet::new(call.pointer)
        .nfct(ctx)
        .and_then(|nfct| nfct.conn());
    let both = MaybeTuple::both_of(ctx, ct);
    let kind = if counter == ProbeCounter::ClashFailed && call.note != 0 {
        count(slot, ProbeCounter::NatExhausted);
        EventKind::NatExhausted
    } else {
        kind
    };
    event::send_flow(slot, kind, both, MaybeTuple::UNKNOWN);
    Some(())
}

exit!(resolve_clash_return, resolve_clash_fexit => resolve_clash_returned);

/// Entry of `__nf_conntrack_confirm(struct sk_buff *skb)`.
#[inline(always)]
fn confirm_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let flow = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    save(
        ctx,
        Function::NfConntrackConfirm,
        EntryContext {
            entered: latency::now(),
            ..EntryContext::with(flow.slot, flow.ct.address())
        },
    );
    Some(())
}

entry!(confirm, confirm_fentry => confirm_entered);

/// Return of `__nf_conntrack_confirm`. A dropped packet still has its conntrack, whose status shows the reason; `note` is set if
/// a clash was resolved inside.
#[inline(always)]
fn confirm_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let now = latency::now();
    let call = take(ctx, Function::NfConntrackConfirm)?;
    latency::confirmed(&call, now);
    if ctx.returned()? as u32 != NF_DROP {
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
        // The event was sent by the clash.
        return None;
    }
    let kind = if status.is_dying() {
        EventKind::InsertFailed
    } else {
        hit.add(ProbeCounter::ConfirmChainTooLong);
        EventKind::ChainTooLong
    };
    let both = MaybeTuple::both_of(ctx, Some(ct));
    event::send_flow(slot, kind, both, MaybeTuple::UNKNOWN);
    Some(())
}

exit!(confirm_return, confirm_fexit => confirm_returned);

/// Entry of `nf_ct_seq_adjust(skb, struct nf_conn *ct, …)`: adjusts sequence numbers for a helper.
#[inline(always)]
fn seq_adjust_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let flow = argument(ctx, 1)?;
    save(ctx, Function::NfCtSeqAdjust, EntryContext::of(flow.slot));
    Some(())
}

entry!(seq_adjust, seq_adjust_fentry => seq_adjust_entered);

/// Return of `nf_ct_seq_adjust`: 0 if it failed, and the packet is dropped.
#[inline(always)]
fn seq_adjust_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfCtSeqAdjust)?;
    if ctx.returned()? as i32 == 0 {
        count(call.slot(), ProbeCounter::SeqAdjustFailed);
    }
    Some(())
}

exit!(seq_adjust_return, seq_adjust_fexit => seq_adjust_returned);
