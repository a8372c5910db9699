//! NAT's search for a free tuple, and flows that got none.
//!
//! `nf_nat_setup_info` tries tuples one after another (`get_unique_tuple`), at most some 240 of them, and goes on with the last one
//! even if another connection uses it. The packet is dropped when it is confirmed, as a clash. Such a clash can also be a race: two
//! packets were given the same free tuple at once. So what the search has last found out is noted, and looked up at the clash.

use aya_ebpf::EbpfContext;
use conntrack_ebpf::{ProbeCounter, table::Function};

use super::counted::{CountedConn, argument};
use crate::{
    call::{AtEntry, AtReturn, Call, entry, exit},
    count::count,
    entry_context::{EntryContext, near, peek, save, take},
    kernel::{Conn, TupleHash, is_err_or_null},
    slot::Slot,
    tuple::RawTuple,
};

/// Entry of `nf_conntrack_tuple_taken(tuple, struct nf_conn *ignored_conntrack)`: NAT searches for a free tuple.
#[inline(always)]
fn tuple_taken_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let ignored = argument(ctx, 1)?;
    save(
        ctx,
        Function::NfConntrackTupleTaken,
        EntryContext::with(ignored.slot, ignored.ct.address()),
    );
    Some(())
}

entry!(tuple_taken, tuple_taken_fentry => tuple_taken_entered);

/// Return of `nf_conntrack_tuple_taken`: not 0 if another connection uses the tuple. Then the context is left, with a note, until
/// the next search on this stack or the clash.
#[inline(always)]
fn tuple_taken_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    if ctx.returned()? as i32 == 0 {
        take(ctx, Function::NfConntrackTupleTaken)?;
        return None;
    }
    let call = peek(ctx, Function::NfConntrackTupleTaken)?;
    // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
    let slot = unsafe {
        (*call).note = TAKEN;
        (*call).slot
    };
    count(Slot(slot as u32), ProbeCounter::TupleTaken);
    Some(())
}

exit!(tuple_taken_return, tuple_taken_fexit => tuple_taken_returned);

/// The tuple that a flow was tried with is another's.
const TAKEN: u64 = 1;

/// Return of `nf_conntrack_find_get`: an entry by its tuple, or NULL. Packets do not pass here. It is what NAT calls instead of
/// `nf_conntrack_tuple_taken` in its last attempts to find a TCP port (`nf_nat_used_tuple_harder`, 6.4): to evict what has that port,
/// or to leave it.
#[inline(always)]
fn owner_found<C: AtReturn>(ctx: &C) -> Option<()> {
    let owner = ctx.returned()?;
    if is_err_or_null(owner) {
        return None;
    }
    let found = EntryContext {
        pointer: owner,
        ..EntryContext::of(Slot(0))
    };
    save(ctx, Function::NfConntrackFindGetByOthers, found);
    Some(())
}

exit!(find_owner_return, find_owner_fexit => owner_found);

/// Whether a flow that clashes with `owner`, an entry, does so because NAT had found no free tuple for it.
#[inline(always)]
pub(super) fn found_none<C: Call>(ctx: &C, flow: CountedConn, owner: u64) -> bool {
    is_translated(ctx, flow.ct)
        && (was_told_taken(ctx, flow.ct) || was_found(ctx, owner))
        && is_about_replies(ctx, flow.ct, TupleHash::new(owner)) == Some(true)
}

#[inline(always)]
fn is_translated<C: EbpfContext>(ctx: &C, ct: Conn) -> bool {
    ct.status(ctx).is_some_and(|status| status.is_translated())
}

/// Whether the last tuple that the flow was tried with is another's.
#[inline(always)]
fn was_told_taken<C: Call>(ctx: &C, ct: Conn) -> bool {
    near(ctx, Function::NfConntrackTupleTaken)
        .is_some_and(|tried| tried.note == TAKEN && tried.pointer == ct.address())
}

/// Whether this entry is what a search on this stack has last found. It was in the table before the flow, so the flow could know.
#[inline(always)]
fn was_found<C: Call>(ctx: &C, owner: u64) -> bool {
    near(ctx, Function::NfConntrackFindGetByOthers).is_some_and(|found| found.pointer == owner)
}

/// Whether the clash is about the flow's replies. Else two packets have the same original tuple: they are of one flow.
#[inline(always)]
fn is_about_replies<C: EbpfContext>(ctx: &C, flow: Conn, owner: TupleHash) -> Option<bool> {
    let replies = RawTuple::of_replies(ctx, flow)?;
    Some(replies.identifies_same(&RawTuple::of_direction(ctx, owner)?))
}
