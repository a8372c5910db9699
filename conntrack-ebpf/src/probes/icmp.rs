//! ICMP packets at fault.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::{EventKind, ProbeCounter};

use crate::{
    count::count,
    event,
    instance::{Slot, slot_of},
    kernel::{Packet, hook_net},
    stash::{Function, Stashed, leave, look, take},
    tuple::MaybeTuple,
};

/// Entry of `nf_conntrack_icmpv4_error` and of `nf_conntrack_icmpv6_error(tmpl, skb, dataoff, state)`.
#[kprobe]
fn icmp_error(ctx: ProbeContext) -> u32 {
    try_icmp_error(&ctx);
    0
}

#[inline(always)]
fn try_icmp_error(ctx: &ProbeContext) -> Option<()> {
    let slot = slot_of(ctx, hook_net(ctx, ctx.arg(3)?)?)?;
    leave(
        ctx.regs,
        Function::IcmpError,
        Stashed {
            slot: u64::from(slot.0),
            pointer: ctx.arg(1)?,
            note: 0,
        },
    );
    Some(())
}

/// Their return: not positive for a packet at fault (`nf_conntrack_handle_icmp` counts `error`).
#[kretprobe]
fn icmp_error_return(ctx: RetProbeContext) -> u32 {
    if let Some(call) = take(ctx.regs, Function::IcmpError)
        && ctx.ret::<u64>() as i32 <= 0
    {
        let slot = Slot(call.slot as u32);
        count(slot, ProbeCounter::IcmpError);
        if let Some(packet) = look(ctx.regs, Function::ConntrackIn) {
            // SAFETY: a checked map element; nobody else uses the key of this stack meanwhile.
            unsafe { (*packet).note = 1 };
        }
        let tuple = MaybeTuple::in_packet(&ctx, Packet::new(call.pointer));
        event::send(slot, EventKind::IcmpError, tuple, None);
    }
    0
}
