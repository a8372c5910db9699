//! Insertion into the conntrack hash table.

use conntrack_ebpf::{EventKind, ProbeCounter};

use super::argument;
use crate::{
    call::{Entry, Return, entry, exit},
    count::count,
    event,
    kernel::Conn,
    lifetime,
    stash::{Function, Stashed, leave, take},
    tuple::Tuple,
};

/// `-ENOSPC`: the chain is too long.
const NO_SPACE: i32 = -28;

/// Entry of `__nf_conntrack_hash_insert(struct nf_conn *ct, …)`: confirmed packets and ctnetlink
/// inserts both pass through it, and it cannot fail. (A clash resolved the hard way,
/// `nf_ct_resolve_clash_harder`, inserts its reply tuple without it.)
#[inline(always)]
fn inserting<C: Entry>(ctx: &C) -> Option<()> {
    let inserted = argument(ctx, 0)?;
    count(inserted.slot, ProbeCounter::Inserted);
    lifetime::begin(inserted.ct);
    Some(())
}

entry!(hash_insert, hash_insert_fentry => inserting);

/// Entry of `nf_conntrack_hash_check_insert(struct nf_conn *ct)`: ctnetlink's and BPF's way in.
#[inline(always)]
fn checking_insert<C: Entry>(ctx: &C) -> Option<()> {
    let given = argument(ctx, 0)?;
    leave(
        ctx,
        Function::CheckInsert,
        Stashed::with(given.slot, given.ct.address()),
    );
    Some(())
}

entry!(check_insert, check_insert_fentry => checking_insert);

/// Its return: 0, or why it refused. The caller still holds the conntrack.
#[inline(always)]
fn checked_insert<C: Return>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::CheckInsert)?;
    let slot = call.slot();
    match ctx.returned()? as i32 {
        0 => count(slot, ProbeCounter::CheckInserted),
        NO_SPACE => {
            count(slot, ProbeCounter::CheckChainTooLong);
            let tuple = Tuple::of(ctx, Conn::new(call.pointer));
            event::send(slot, EventKind::ChainTooLong, tuple, None);
        }
        _ => {}
    }
    Some(())
}

exit!(check_insert_return, check_insert_fexit => checked_insert);

/// Entry of `nf_conntrack_tuple_taken(tuple, struct nf_conn *ignored_conntrack)`: NAT looks for a
/// tuple nobody uses.
#[inline(always)]
fn looking_for_tuple<C: Entry>(ctx: &C) -> Option<()> {
    let ignored = argument(ctx, 1)?;
    leave(ctx, Function::TupleTaken, Stashed::of(ignored.slot));
    Some(())
}

entry!(tuple_taken, tuple_taken_fentry => looking_for_tuple);

/// Its return: whether somebody does.
#[inline(always)]
fn looked_for_tuple<C: Return>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::TupleTaken)?;
    if ctx.returned()? as i32 != 0 {
        count(call.slot(), ProbeCounter::TupleTaken);
    }
    Some(())
}

exit!(tuple_taken_return, tuple_taken_fexit => looked_for_tuple);
