//! Insertion into the conntrack hash table.

use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use super::counted::argument;
use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::count,
    entry_context::{EntryContext, save, take},
    event,
    kernel::Conn,
    lifetime,
    tuple::RawTuple,
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
    let given = argument(ctx, 0)?;
    save(
        ctx,
        Function::NfConntrackHashCheckInsert,
        EntryContext::with(given.slot, given.ct.address()),
    );
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
            let tuple = RawTuple::of(ctx, Conn::new(call.pointer));
            event::send(slot, EventKind::ChainTooLong, tuple, None);
        }
        _ => {}
    }
    Some(())
}

exit!(check_insert_return, check_insert_fexit => check_insert_returned);

/// Entry of `nf_conntrack_tuple_taken(tuple, struct nf_conn *ignored_conntrack)`: NAT searches for a free tuple.
#[inline(always)]
fn tuple_taken_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let ignored = argument(ctx, 1)?;
    save(
        ctx,
        Function::NfConntrackTupleTaken,
        EntryContext::of(ignored.slot),
    );
    Some(())
}

entry!(tuple_taken, tuple_taken_fentry => tuple_taken_entered);

/// Return of `nf_conntrack_tuple_taken`: not 0 if another connection uses the tuple.
#[inline(always)]
fn tuple_taken_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfConntrackTupleTaken)?;
    if ctx.returned()? as i32 != 0 {
        count(call.slot(), ProbeCounter::TupleTaken);
    }
    Some(())
}

exit!(tuple_taken_return, tuple_taken_fexit => tuple_taken_returned);
