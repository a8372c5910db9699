//! Removal from the table, and destruction.

use conntrack_ebpf::ProbeCounter;

use super::{counted::argument, eviction};
use crate::{
    call::{AtEntry, entry},
    count::count,
    instance::slot_of,
    kernel::Conn,
    lifetime,
};

/// Entry of `nf_ct_destroy(struct nf_conntrack *)`, before 5.15 `destroy_conntrack`. The argument is the first member of `struct
/// nf_conn`. Conntracks that were never confirmed are included, as they were in the kernel's `delete` column while that was live
/// (up to 4.8).
#[inline(always)]
fn destroy_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let ct = Conn::new(ctx.argument(0)?);
    let (net, status) = ct.net_and_status(ctx)?;
    if status.is_template() {
        return None;
    }
    let slot = slot_of(ctx, net)?;
    count(
        slot,
        if status.is_confirmed() {
            ProbeCounter::Destroyed
        } else {
            ProbeCounter::DestroyedUnconfirmed
        },
    );
    lifetime::end(slot, ct, status);
    Some(())
}

entry!(destroy, destroy_fentry => destroy_entered);

/// Entry of `__nf_ct_delete_from_lists(struct nf_conn *ct)` (6.1 and later).
#[inline(always)]
fn delete_from_lists_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let removed = argument(ctx, 0)?;
    // The feature is a planted fault for tests.
    if !cfg!(feature = "unseen-removals") {
        count(removed.slot, ProbeCounter::DeleteList);
    }
    eviction::removed(ctx, removed)
}

entry!(delete_from_lists, delete_from_lists_fentry => delete_from_lists_entered);

/// Entry of `nf_ct_delete(struct nf_conn *ct, …)`, for kernels that inline the function above. Only the caller that sets
/// `IPS_DYING` removes the conntrack from the table, so a conntrack that already has it is not counted. If two CPUs enter at the
/// same time for the same conntrack, both are counted: this is an approximation.
#[inline(always)]
fn delete_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let removed = argument(ctx, 0)?;
    if removed.ct.status(ctx)?.is_dying() {
        return None;
    }
    count(removed.slot, ProbeCounter::DeleteList);
    eviction::removed(ctx, removed)
}

entry!(delete, delete_fentry => delete_entered);
