//! Lookups of packets in the table.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::ProbeCounter;

use super::counted;
use crate::{
    count::count,
    instance::slot_of,
    kernel::{Net, TupleHash, is_err_or_null},
};

/// Entry of `__nf_conntrack_find_get(struct net *net, …)`.
#[kprobe]
fn find_get(ctx: ProbeContext) -> u32 {
    if let Some(net) = ctx.arg(0)
        && let Some(slot) = slot_of(&ctx, Net::new(net))
    {
        count(slot, ProbeCounter::Lookup);
    }
    0
}

/// Its return: a direction of a conntrack, or NULL.
#[kretprobe]
fn find_get_return(ctx: RetProbeContext) -> u32 {
    let found: u64 = ctx.ret();
    if !is_err_or_null(found)
        && let Some(ct) = TupleHash::new(found).conn(&ctx)
        && let Some(flow) = counted(&ctx, ct)
    {
        count(flow.slot, ProbeCounter::LookupFound);
    }
    0
}
