//! ICMP packets that are malformed or of unknown type.

use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::count,
    entry_context::{EntryContext, peek, save, take},
    event,
    instance::slot_of,
    kernel::{Packet, hook_net},
    tuple::MaybeTuple,
};

#[inline(always)]
fn entered<C: AtEntry>(ctx: &C, function: Function) -> Option<()> {
    let slot = slot_of(ctx, hook_net(ctx, ctx.argument(3)?)?)?;
    save(ctx, function, EntryContext::with(slot, ctx.argument(1)?));
    Some(())
}

/// The return of either function: zero or negative for a bad packet, for which `nf_conntrack_handle_icmp` then counts `error`.
#[inline(always)]
fn returned<C: AtReturn>(ctx: &C, function: Function, counter: ProbeCounter) -> Option<()> {
    let call = take(ctx, function)?;
    if ctx.returned()? as i32 > 0 {
        return None;
    }
    let slot = call.slot();
    count(slot, counter);
    if let Some(packet) = peek(ctx, Function::NfConntrackIn) {
        // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
        unsafe { (*packet).note = 1 };
    }
    let tuple = MaybeTuple::in_packet(ctx, Packet::new(call.pointer));
    event::send(slot, EventKind::IcmpError, tuple);
    Some(())
}

/// Entry of `nf_conntrack_icmpv4_error(tmpl, skb, dataoff, state)`.
#[inline(always)]
fn icmp_error_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    entered(ctx, Function::NfConntrackIcmpv4Error)
}

entry!(icmp_error, icmp_error_fentry => icmp_error_entered);

/// Return of `nf_conntrack_icmpv4_error`.
#[inline(always)]
fn icmp_error_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    returned(
        ctx,
        Function::NfConntrackIcmpv4Error,
        ProbeCounter::IcmpError,
    )
}

exit!(icmp_error_return, icmp_error_fexit => icmp_error_returned);

/// Entry of `nf_conntrack_icmpv6_error(tmpl, skb, dataoff, state)`.
#[inline(always)]
fn icmpv6_error_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    entered(ctx, Function::NfConntrackIcmpv6Error)
}

entry!(icmpv6_error, icmpv6_error_fentry => icmpv6_error_entered);

/// Return of `nf_conntrack_icmpv6_error`.
#[inline(always)]
fn icmpv6_error_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    returned(
        ctx,
        Function::NfConntrackIcmpv6Error,
        ProbeCounter::Icmpv6Error,
    )
}

exit!(icmpv6_error_return, icmpv6_error_fexit => icmpv6_error_returned);
