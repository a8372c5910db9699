//! Removal from the table, and destruction.

use aya_ebpf::{macros::kprobe, programs::ProbeContext};
use conntrack_ebpf::ProbeCounter;

use super::{argument, eviction};
use crate::{count::count, instance::slot_of, kernel::Conn};

/// Entry of `nf_ct_destroy(struct nf_conntrack *)`, before 5.15 `destroy_conntrack`: the argument is
/// the first member of `struct nf_conn`. Never-confirmed conntracks come by here as well, as they
/// did when the kernel's own `delete` column was alive (up to 4.8).
#[kprobe]
fn destroy(ctx: ProbeContext) -> u32 {
    if let Some(ct) = ctx.arg(0)
        && let Some((net, status)) = Conn::new(ct).net_and_status(&ctx)
        && !status.is_template()
        && let Some(slot) = slot_of(&ctx, net)
    {
        count(slot, ProbeCounter::Deleted);
    }
    0
}

/// Entry of `__nf_ct_delete_from_lists(struct nf_conn *ct)` (6.1 and later).
#[kprobe]
fn delete_from_lists(ctx: ProbeContext) -> u32 {
    if let Some(removed) = argument(&ctx, 0) {
        count(removed.slot, ProbeCounter::DeleteList);
        eviction::removed(&ctx, removed);
    }
    0
}

/// Entry of `nf_ct_delete(struct nf_conn *ct, …)`, for kernels that inline the function above.
/// Only the caller that sets `IPS_DYING` takes the conntrack out of the table, so one that already
/// has it set is not counted. Two CPUs that enter at the same moment for the same conntrack are
/// both counted: near, not exact.
#[kprobe]
fn delete(ctx: ProbeContext) -> u32 {
    if let Some(removed) = argument(&ctx, 0)
        && let Some(status) = removed.ct.status(&ctx)
        && !status.is_dying()
    {
        count(removed.slot, ProbeCounter::DeleteList);
        eviction::removed(&ctx, removed);
    }
    0
}
