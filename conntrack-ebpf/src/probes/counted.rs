//! Conntracks in watched namespaces.

use aya_ebpf::EbpfContext;

use crate::{call::AtEntry, instance::slot_of, kernel::Conn, slot::Slot};

/// A conntrack in a watched namespace.
#[derive(Clone, Copy)]
pub(super) struct CountedConn {
    pub(super) ct: Conn,
    pub(super) slot: Slot,
}

/// The conntrack, if its namespace is watched.
#[inline(always)]
pub(super) fn counted<C: EbpfContext>(ctx: &C, ct: Conn) -> Option<CountedConn> {
    let slot = slot_of(ctx, ct.net(ctx)?)?;
    Some(CountedConn { ct, slot })
}

/// The conntrack in a function's argument, if its namespace is watched.
#[inline(always)]
pub(super) fn argument<C: AtEntry>(ctx: &C, n: usize) -> Option<CountedConn> {
    counted(ctx, Conn::new(ctx.argument(n)?))
}
