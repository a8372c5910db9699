//! Conntracks of instances that are counted.

use aya_ebpf::EbpfContext;

use crate::{call::AtEntry, instance::slot_of, kernel::Conn, slot::Slot};

/// A conntrack of an instance that is counted.
#[derive(Clone, Copy)]
pub(super) struct CountedConn {
    pub(super) ct: Conn,
    pub(super) slot: Slot,
}

/// The conntrack, if its namespace is counted.
#[inline(always)]
pub(super) fn counted<C: EbpfContext>(ctx: &C, ct: Conn) -> Option<CountedConn> {
    let slot = slot_of(ctx, ct.net(ctx)?)?;
    Some(CountedConn { ct, slot })
}

/// The conntrack a function got as an argument, if its namespace is counted.
#[inline(always)]
pub(super) fn argument<C: AtEntry>(ctx: &C, n: usize) -> Option<CountedConn> {
    counted(ctx, Conn::new(ctx.argument(n)?))
}
