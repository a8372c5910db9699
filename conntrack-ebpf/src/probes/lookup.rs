//! Lookups of packets in the table.

use conntrack_ebpf::ProbeCounter;

use super::counted;
use crate::{
    call::{Entry, Return, entry, exit},
    count::count,
    instance::slot_of,
    kernel::{Net, TupleHash, is_err_or_null},
};

/// Entry of `__nf_conntrack_find_get(struct net *net, …)`.
#[inline(always)]
fn looking_up<C: Entry>(ctx: &C) -> Option<()> {
    let slot = slot_of(ctx, Net::new(ctx.argument(0)?))?;
    count(slot, ProbeCounter::Lookup);
    Some(())
}

entry!(find_get, find_get_fentry => looking_up);

/// Its return: a direction of a conntrack, or NULL.
#[inline(always)]
fn looked_up<C: Return>(ctx: &C) -> Option<()> {
    let found = ctx.returned()?;
    if is_err_or_null(found) {
        return None;
    }
    let flow = counted(ctx, TupleHash::new(found).conn(ctx)?)?;
    count(flow.slot, ProbeCounter::LookupFound);
    Some(())
}

exit!(find_get_return, find_get_fexit => looked_up);
