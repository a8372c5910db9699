//! Insertion into the conntrack hash table.

use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use super::counted::{argument, counted};
use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::count,
    entry_context::{EntryContext, save, take},
    event,
    kernel::{Conn, Packet},
    lifetime,
    tuple::MaybeTuple,
};

/// `-ENOSPC`: the chain is too long.
const NO_SPACE: i32 = -28;

/// Entry of `__nf_conntrack_hash_insert(struct nf_conn *ct, …)`, which confirmed packets and ctnetlink inserts both call, and
/// which cannot fail. (`nf_ct_resolve_clash_harder` inserts its reply tuple without it.)
#[inline(always)]
fn hash_insert_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let inserted = argument(ctx, 0)?;
    count(inserted.slot, ProbeCounter::Inserted);
    lifetime::start(inserted.ct);
    Some(())
}

entry!(hash_insert, hash_insert_fentry => hash_insert_entered);

/// Entry of `nf_conntrack_hash_check_insert(struct nf_conn *ct)`, which ctnetlink and BPF call.
#[inline(always)]
fn check_insert_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    save_given(ctx, Function::NfConntrackHashCheckInsert)
}

/// Saves the conntrack that a function was given first.
#[inline(always)]
fn save_given<C: AtEntry>(ctx: &C, function: Function) -> Option<()> {
    let given = argument(ctx, 0)?;
    let context = EntryContext::with(given.slot, given.ct.address());
    save(ctx, function, context);
    Some(())
}

entry!(check_insert, check_insert_fentry => check_insert_entered);

/// Return of `nf_conntrack_hash_check_insert`: 0 or an error. The caller still owns the conntrack.
#[inline(always)]
fn check_insert_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfConntrackHashCheckInsert)?;
    let slot = call.slot();
    match ctx.returned()? as i32 {
        0 => count(slot, ProbeCounter::CheckInserted),
        NO_SPACE => {
            count(slot, ProbeCounter::CheckChainTooLong);
            let both = MaybeTuple::both_of(ctx, Some(Conn::new(call.pointer)));
            event::send_flow(slot, EventKind::ChainTooLong, both, MaybeTuple::UNKNOWN);
        }
        _ => {}
    }
    Some(())
}

exit!(check_insert_return, check_insert_fexit => check_insert_returned);

/// The same entry where [`Function::NfConntrackHashInsert`] cannot be probed.
#[inline(always)]
fn check_inserts_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    save_given(ctx, Function::NfConntrackHashCheckInsertInserts)
}

entry!(check_inserts, check_inserts_fentry => check_inserts_entered);

/// The return where [`Function::NfConntrackHashInsert`] cannot be probed.
#[inline(always)]
fn check_inserts_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfConntrackHashCheckInsertInserts)?;
    if ctx.returned()? as i32 == 0 {
        count(call.slot(), ProbeCounter::InsertedByCheck);
        lifetime::start(Conn::new(call.pointer));
    }
    Some(())
}

exit!(check_inserts_return, check_inserts_fexit => check_inserts_returned);

/// Entry of `__nf_conntrack_confirm(struct sk_buff *skb)` where [`Function::NfConntrackHashInsert`] cannot be probed. The packet's
/// conntrack is not confirmed.
#[inline(always)]
fn confirm_inserts_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let flow = counted(ctx, packet.nfct(ctx)?.conn()?)?;
    save(
        ctx,
        Function::NfConntrackConfirmInserts,
        EntryContext {
            note: flow.ct.address(),
            ..EntryContext::with(flow.slot, packet.address())
        },
    );
    Some(())
}

entry!(confirm_inserts, confirm_inserts_fentry => confirm_inserts_entered);

/// Its return: the conntrack was inserted if it is confirmed now, whether the packet is dropped or not. After a clash the packet has
/// another conntrack, or one that is in the table by its reply alone, as `__nf_conntrack_hash_insert` does not put it.
#[inline(always)]
fn confirm_inserts_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfConntrackConfirmInserts)?;
    let ct = Packet::new(call.pointer).nfct(ctx)?.conn()?;
    if ct.address() != call.note {
        return None;
    }
    let status = ct.status(ctx)?;
    if status.is_confirmed() && !status.is_clash() {
        count(call.slot(), ProbeCounter::Inserted);
        lifetime::start(ct);
    }
    Some(())
}

exit!(confirm_inserts_return, confirm_inserts_fexit => confirm_inserts_returned);
