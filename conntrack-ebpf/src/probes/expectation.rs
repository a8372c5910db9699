//! Expectations: flows that a helper (FTP, SIP, …) or ctnetlink announced.

use aya_ebpf::EbpfContext;
use conntrack_ebpf::ProbeCounter;

use super::counted;
use crate::{
    call::{Entry, Return, entry, exit},
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
#[inline(always)]
fn found<C: Return>(ctx: &C) -> Option<()> {
    let expectation = ctx.returned()?;
    if is_err_or_null(expectation) {
        return None;
    }
    count(slot(ctx, expectation)?, ProbeCounter::ExpectNew);
    Some(())
}

exit!(find_expectation_return, find_expectation_fexit => found);

#[inline(always)]
fn enter<C: Entry>(ctx: &C, function: Function, expectation: u64) -> Option<()> {
    let slot = slot(ctx, expectation)?;
    leave(ctx, function, Stashed::of(slot));
    Some(())
}

/// The return of what was entered: 0 when the expectations were made.
#[inline(always)]
fn leave_with<C: Return>(
    ctx: &C,
    function: Function,
    counter: ProbeCounter,
    made: u32,
) -> Option<()> {
    let call = take(ctx, function)?;
    if ctx.returned()? as i32 == 0 {
        let hit = Hit::now(call.slot())?;
        for _ in 0..made {
            hit.add(counter);
        }
    }
    Some(())
}

/// Entry of `nf_ct_expect_related_report(struct nf_conntrack_expect *expect, …)`.
#[inline(always)]
fn making<C: Entry>(ctx: &C) -> Option<()> {
    enter(ctx, Function::ExpectRelated, ctx.argument(0)?)
}

entry!(expect_related, expect_related_fentry => making);

/// Its return.
#[inline(always)]
fn made<C: Return>(ctx: &C) -> Option<()> {
    leave_with(ctx, Function::ExpectRelated, ProbeCounter::ExpectCreate, 1)
}

exit!(expect_related_return, expect_related_fexit => made);

/// Entry of `nf_ct_expect_related_pair(struct nf_conntrack_expect *expect[], …)`, in some stable
/// kernels (6.12.117): an array of two, of the same master.
#[inline(always)]
fn making_pair<C: Entry>(ctx: &C) -> Option<()> {
    let first = read(ctx, ctx.argument(0)?, 0)?;
    enter(ctx, Function::ExpectRelatedPair, first)
}

entry!(expect_related_pair, expect_related_pair_fentry => making_pair);

/// Its return: 0 when both were made.
#[inline(always)]
fn made_pair<C: Return>(ctx: &C) -> Option<()> {
    leave_with(
        ctx,
        Function::ExpectRelatedPair,
        ProbeCounter::ExpectCreatePair,
        2,
    )
}

exit!(expect_related_pair_return, expect_related_pair_fexit => made_pair);

/// Entry of `nf_ct_unlink_expect_report(struct nf_conntrack_expect *exp, …)`, which all removals
/// pass through.
#[inline(always)]
fn unlinking<C: Entry>(ctx: &C) -> Option<()> {
    count(slot(ctx, ctx.argument(0)?)?, ProbeCounter::ExpectDelete);
    Some(())
}

entry!(unlink_expect, unlink_expect_fentry => unlinking);
