//! ICMP packets at fault.

use conntrack_ebpf::{EventKind, ProbeCounter};

use crate::{
    call::{Entry, Return, entry, exit},
    count::count,
    event,
    instance::slot_of,
    kernel::{Packet, hook_net},
    stash::{Function, Stashed, leave, look, take},
    tuple::MaybeTuple,
};

#[inline(always)]
fn enter<C: Entry>(ctx: &C, function: Function) -> Option<()> {
    let slot = slot_of(ctx, hook_net(ctx, ctx.argument(3)?)?)?;
    leave(ctx, function, Stashed::with(slot, ctx.argument(1)?));
    Some(())
}

/// What they return is not positive for a packet at fault (`nf_conntrack_handle_icmp` counts `error`).
#[inline(always)]
fn leave_with<C: Return>(ctx: &C, function: Function, counter: ProbeCounter) -> Option<()> {
    let call = take(ctx, function)?;
    if ctx.returned()? as i32 > 0 {
        return None;
    }
    let slot = call.slot();
    count(slot, counter);
    if let Some(packet) = look(ctx, Function::ConntrackIn) {
        // SAFETY: a checked map element; nobody else uses the key of this stack meanwhile.
        unsafe { (*packet).note = 1 };
    }
    let tuple = MaybeTuple::in_packet(ctx, Packet::new(call.pointer));
    event::send(slot, EventKind::IcmpError, tuple, None);
    Some(())
}

/// Entry of `nf_conntrack_icmpv4_error(tmpl, skb, dataoff, state)`.
#[inline(always)]
fn looking_at_icmp<C: Entry>(ctx: &C) -> Option<()> {
    enter(ctx, Function::IcmpError)
}

entry!(icmp_error, icmp_error_fentry => looking_at_icmp);

/// Its return.
#[inline(always)]
fn looked_at_icmp<C: Return>(ctx: &C) -> Option<()> {
    leave_with(ctx, Function::IcmpError, ProbeCounter::IcmpError)
}

exit!(icmp_error_return, icmp_error_fexit => looked_at_icmp);

/// Entry of `nf_conntrack_icmpv6_error(tmpl, skb, dataoff, state)`.
#[inline(always)]
fn looking_at_icmpv6<C: Entry>(ctx: &C) -> Option<()> {
    enter(ctx, Function::Icmpv6Error)
}

entry!(icmpv6_error, icmpv6_error_fentry => looking_at_icmpv6);

/// Its return.
#[inline(always)]
fn looked_at_icmpv6<C: Return>(ctx: &C) -> Option<()> {
    leave_with(ctx, Function::Icmpv6Error, ProbeCounter::Icmpv6Error)
}

exit!(icmpv6_error_return, icmpv6_error_fexit => looked_at_icmpv6);
