//! Expectations: flows that a helper (FTP, SIP, …) or ctnetlink has announced.

use aya_ebpf::EbpfContext;
use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use super::counted::{CountedConn, counted};
use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::{Hit, count},
    entry_context::{EntryContext, save, take},
    event,
    fields::read,
    kernel::{Conn, expectation_master, is_err_or_null},
    slot::Slot,
    tuple::MaybeTuple,
};

/// The flow that an expectation belongs to.
#[inline(always)]
fn master<C: EbpfContext>(ctx: &C, expectation: u64) -> Option<CountedConn> {
    counted(ctx, expectation_master(ctx, expectation)?)
}

/// The instance of an expectation.
#[inline(always)]
fn slot<C: EbpfContext>(ctx: &C, expectation: u64) -> Option<Slot> {
    master(ctx, expectation).map(|master| master.slot)
}

/// Return of `nf_ct_find_expectation`: the expectation that a new flow matches, or NULL. Its only caller, `init_conntrack`,
/// counts `expect_new` for each of them.
#[inline(always)]
fn find_expectation_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let expectation = ctx.returned()?;
    if is_err_or_null(expectation) {
        return None;
    }
    count(slot(ctx, expectation)?, ProbeCounter::ExpectNew);
    Some(())
}

exit!(find_expectation_return, find_expectation_fexit => find_expectation_returned);

#[inline(always)]
fn entered<C: AtEntry>(ctx: &C, function: Function, expectation: u64) -> Option<()> {
    let master = master(ctx, expectation)?;
    let context = EntryContext::with(master.slot, master.ct.address());
    save(ctx, function, context);
    Some(())
}

/// `-EMFILE`: there are too many, by `nf_conntrack_expect_max` or by what the helper allows (`__nf_ct_expect_check`).
const TOO_MANY: i32 = -24;

/// The return of a function that creates expectations: 0 if it succeeded.
#[inline(always)]
fn returned<C: AtReturn>(
    ctx: &C,
    function: Function,
    counter: ProbeCounter,
    made: u32,
) -> Option<()> {
    let call = take(ctx, function)?;
    match ctx.returned()? as i32 {
        0 => {
            let hit = Hit::now(call.slot())?;
            for _ in 0..made {
                hit.add(counter);
            }
        }
        TOO_MANY => {
            let both = MaybeTuple::both_of(ctx, Some(Conn::new(call.pointer)));
            event::send_flow(
                call.slot(),
                EventKind::ExpectFull,
                both,
                MaybeTuple::UNKNOWN,
            );
        }
        _ => {}
    }
    Some(())
}

/// Entry of `nf_ct_expect_related_report(struct nf_conntrack_expect *expect, …)`.
#[inline(always)]
fn expect_related_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    entered(ctx, Function::NfCtExpectRelatedReport, ctx.argument(0)?)
}

entry!(expect_related, expect_related_fentry => expect_related_entered);

/// Return of `nf_ct_expect_related_report`: 0 if the expectation was created.
#[inline(always)]
fn expect_related_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    returned(
        ctx,
        Function::NfCtExpectRelatedReport,
        ProbeCounter::ExpectCreate,
        1,
    )
}

exit!(expect_related_return, expect_related_fexit => expect_related_returned);

/// Entry of `nf_ct_expect_related_pair(struct nf_conntrack_expect *expect[], …)`, in some stable
/// kernels (6.12.117): an array of two, of the same master.
#[inline(always)]
fn expect_related_pair_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let first = read(ctx, ctx.untyped_argument(0)?, 0)?;
    entered(ctx, Function::NfCtExpectRelatedPair, first)
}

entry!(expect_related_pair, expect_related_pair_fentry => expect_related_pair_entered);

/// Return of `nf_ct_expect_related_pair`: 0 if both were created.
#[inline(always)]
fn expect_related_pair_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    returned(
        ctx,
        Function::NfCtExpectRelatedPair,
        ProbeCounter::ExpectCreatePair,
        2,
    )
}

exit!(expect_related_pair_return, expect_related_pair_fexit => expect_related_pair_returned);

/// Entry of `nf_ct_unlink_expect_report(struct nf_conntrack_expect *exp, …)`, which all removals call.
#[inline(always)]
fn unlink_expect_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    count(slot(ctx, ctx.argument(0)?)?, ProbeCounter::ExpectDelete);
    Some(())
}

entry!(unlink_expect, unlink_expect_fentry => unlink_expect_entered);
