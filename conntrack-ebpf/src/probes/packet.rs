//! The entry point of every packet, for what no function per flow can count.

use conntrack_ebpf::{EventKind, ProbeCounter, table::Function};

use crate::{
    call::{AtEntry, AtReturn, entry, exit},
    count::count,
    entry_context::{EntryContext, save, take},
    event,
    instance::slot_of,
    kernel::{NF_ACCEPT, NF_DROP, Packet, hook_net},
    tuple::MaybeTuple,
};

/// Entry of `nf_conntrack_in(struct sk_buff *skb, const struct nf_hook_state *state)`.
///
/// A packet that already has a conntrack (on loopback packets pass twice), or is marked untracked, is ignored: up to 5.9 the
/// kernel counted it as `ignore`.
#[inline(always)]
fn conntrack_in_entered<C: AtEntry>(ctx: &C) -> Option<()> {
    let packet = Packet::new(ctx.argument(0)?);
    let slot = slot_of(ctx, hook_net(ctx, ctx.argument(1)?)?)?;
    let nfct = packet.nfct(ctx)?;
    let ignored = match nfct.conn() {
        _ if nfct.is_untracked() => true,
        Some(ct) => !ct.status(ctx)?.is_template(),
        None => false,
    };
    if ignored {
        count(slot, ProbeCounter::Ignore);
        return None;
    }
    save(
        ctx,
        Function::NfConntrackIn,
        EntryContext::with(slot, packet.address()),
    );
    Some(())
}

entry!(conntrack_in, conntrack_in_fentry => conntrack_in_entered);

/// Return of `nf_conntrack_in`. A packet is dropped because the table is full, memory is short, or a tracker rejected it. A
/// packet is accepted without a conntrack because no tracker took it, or because it is a bad ICMP packet, which its own probe has
/// counted and sent (`note`).
#[inline(always)]
fn conntrack_in_returned<C: AtReturn>(ctx: &C) -> Option<()> {
    let call = take(ctx, Function::NfConntrackIn)?;
    let slot = call.slot();
    match ctx.returned()? as u32 {
        NF_DROP => count(slot, ProbeCounter::InDropped),
        NF_ACCEPT => {
            let packet = Packet::new(call.pointer);
            if packet.nfct(ctx)?.is_none() {
                count(slot, ProbeCounter::InUntracked);
                if call.note == 0 {
                    let tuple = MaybeTuple::in_packet(ctx, packet);
                    event::send(slot, EventKind::Invalid, tuple);
                }
            }
        }
        _ => {}
    }
    Some(())
}

exit!(conntrack_in_return, conntrack_in_fexit => conntrack_in_returned);
