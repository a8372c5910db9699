//! Expectations: flows that a helper (FTP, SIP, …) or ctnetlink announced.

use aya_ebpf::{
    EbpfContext,
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::ProbeCounter;

use super::counted;
use crate::{
    count::{Hit, count},
    instance::Slot,
    kernel::{expectation_master, is_err_or_null, read},
    stash::{Function, Stashed, leave, take},
};

/// The instance of an expectation.
#[inline(always)]
fn slot<C: EbpfContext>(ctx: &C, expectation: u64) -> Option<Slot> {
    let master = expectation_master(ctx, expectation)?;
    counted(ctx, master).map(|master| master.slot)
}

/// Return of `nf_ct_find_expectation`: the expectation a new flow matches, or NULL. Its only caller,
/// `init_conntrack`, counts `expect_new` for every one found.
#[kretprobe]
fn find_expectation_return(ctx: RetProbeContext) -> u32 {
    let expectation: u64 = ctx.ret();
    if !is_err_or_null(expectation)
        && let Some(slot) = slot(&ctx, expectation)
    {
        count(slot, ProbeCounter::ExpectNew);
    }
    0
}

#[inline(always)]
fn enter(ctx: &ProbeContext, function: Function, expectation: u64) -> Option<()> {
    let slot = slot(ctx, expectation)?;
    leave(
        ctx.regs,
        function,
        Stashed {
            slot: u64::from(slot.0),
            pointer: 0,
            note: 0,
        },
    );
    Some(())
}

#[inline(always)]
fn leave_with(ctx: &RetProbeContext, function: Function, made: u32) -> Option<()> {
    let call = take(ctx.regs, function)?;
    if ctx.ret::<u64>() as i32 == 0 {
        let hit = Hit::now(Slot(call.slot as u32))?;
        for _ in 0..made {
            hit.add(ProbeCounter::ExpectCreate);
        }
    }
    Some(())
}

/// Entry of `nf_ct_expect_related_report(struct nf_conntrack_expect *expect, …)`.
#[kprobe]
fn expect_related(ctx: ProbeContext) -> u32 {
    if let Some(expectation) = ctx.arg(0) {
        enter(&ctx, Function::ExpectRelated, expectation);
    }
    0
}

/// Its return: 0 when the expectation was made.
#[kretprobe]
fn expect_related_return(ctx: RetProbeContext) -> u32 {
    leave_with(&ctx, Function::ExpectRelated, 1);
    0
}

/// Entry of `nf_ct_expect_related_pair(struct nf_conntrack_expect *expect[], …)`, in some stable
/// kernels (6.12.117): an array of two, of the same master.
#[kprobe]
fn expect_related_pair(ctx: ProbeContext) -> u32 {
    if let Some(pair) = ctx.arg(0)
        && let Some(first) = read(&ctx, pair, 0)
    {
        enter(&ctx, Function::ExpectRelatedPair, first);
    }
    0
}

/// Its return: 0 when both were made.
#[kretprobe]
fn expect_related_pair_return(ctx: RetProbeContext) -> u32 {
    leave_with(&ctx, Function::ExpectRelatedPair, 2);
    0
}

/// Entry of `nf_ct_unlink_expect_report(struct nf_conntrack_expect *exp, …)`, which all removals
/// pass through.
#[kprobe]
fn unlink_expect(ctx: ProbeContext) -> u32 {
    if let Some(expectation) = ctx.arg(0)
        && let Some(slot) = slot(&ctx, expectation)
    {
        count(slot, ProbeCounter::ExpectDelete);
    }
    0
}
