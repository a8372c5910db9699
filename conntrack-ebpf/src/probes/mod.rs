//! The programs, one file per family of functions.

use aya_ebpf::EbpfContext;

use crate::{
    call::Entry,
    instance::{Slot, slot_of},
    kernel::Conn,
};

mod allocation;
mod confirm;
mod eviction;
mod expectation;
mod icmp;
mod lookup;
mod packet;
mod removal;
mod table;

/// A conntrack of an instance that is counted.
#[derive(Clone, Copy)]
struct Counted {
    ct: Conn,
    slot: Slot,
}

/// The conntrack, if its namespace is counted.
#[inline(always)]
fn counted<C: EbpfContext>(ctx: &C, ct: Conn) -> Option<Counted> {
    let slot = slot_of(ctx, ct.net(ctx)?)?;
    Some(Counted { ct, slot })
}

/// The conntrack a function got as an argument, if its namespace is counted.
#[inline(always)]
fn argument<C: Entry>(ctx: &C, n: usize) -> Option<Counted> {
    counted(ctx, Conn::new(ctx.argument(n)?))
}
