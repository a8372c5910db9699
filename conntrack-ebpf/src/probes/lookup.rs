//! Lookups of packets in the table.

use conntrack_ebpf::ProbeCounter;

use super::counted::counted;
use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::count,
    instance::slot_of,
    kernel::{Net, TupleHash, is_err_or_null},
};

/// Entry of `__nf_conntrack_find_get(struct net *net, …)`.
#[inline(always)]
fn find_get_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let slot = slot_of(ctx, Net::new(ctx.argument(0)?))?;
    count(slot, ProbeCounter::Lookup);
    Some(())
}

entry!(find_get, find_get_fentry => find_get_entered);

/// Return of `__nf_conntrack_find_get`: a direction of a conntrack, or NULL.
#[inline(always)]
fn find_get_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let found = ctx.returned()?;
    if is_err_or_null(found) {
        return None;
    }
    let flow = counted(ctx, TupleHash::new(found).conn(ctx)?)?;
    count(flow.slot, ProbeCounter::LookupFound);
    Some(())
}

exit!(find_get_return, find_get_fexit => find_get_returned);
