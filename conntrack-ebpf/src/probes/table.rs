//! Insertion into the conntrack hash table.

use aya_ebpf::{
    macros::{kprobe, kretprobe},
    programs::{ProbeContext, RetProbeContext},
};
use conntrack_ebpf::{EventKind, ProbeCounter};

use super::argument;
use crate::{
    count::count,
    event,
    instance::Slot,
    kernel::Conn,
    stash::{Function, Stashed, leave, take},
    tuple::Tuple,
};

/// `-ENOSPC`: the chain is too long.
const NO_SPACE: i32 = -28;

/// Entry of `__nf_conntrack_hash_insert(struct nf_conn *ct, …)`: confirmed packets and ctnetlink
/// inserts both pass through it, and it cannot fail. (A clash resolved the hard way,
/// `nf_ct_resolve_clash_harder`, inserts its reply tuple without it.)
#[kprobe]
fn hash_insert(ctx: ProbeContext) -> u32 {
    if let Some(inserted) = argument(&ctx, 0) {
        count(inserted.slot, ProbeCounter::Inserted);
    }
    0
}

/// Entry of `nf_conntrack_hash_check_insert(struct nf_conn *ct)`: ctnetlink's and BPF's way in.
#[kprobe]
fn check_insert(ctx: ProbeContext) -> u32 {
    if let Some(given) = argument(&ctx, 0) {
        leave(
            ctx.regs,
            Function::CheckInsert,
            Stashed {
                slot: u64::from(given.slot.0),
                pointer: given.ct.address(),
                note: 0,
            },
        );
    }
    0
}

/// Its return: 0, or why it refused. The caller still holds the conntrack.
#[kretprobe]
fn check_insert_return(ctx: RetProbeContext) -> u32 {
    if let Some(call) = take(ctx.regs, Function::CheckInsert) {
        let slot = Slot(call.slot as u32);
        match ctx.ret::<u64>() as i32 {
            0 => count(slot, ProbeCounter::CheckInserted),
            NO_SPACE => {
                count(slot, ProbeCounter::CheckChainTooLong);
                let tuple = Tuple::of(&ctx, Conn::new(call.pointer));
                event::send(slot, EventKind::ChainTooLong, tuple, None);
            }
            _ => {}
        }
    }
    0
}

/// Entry of `nf_conntrack_tuple_taken(tuple, struct nf_conn *ignored_conntrack)`: NAT looks for a
/// tuple nobody uses.
#[kprobe]
fn tuple_taken(ctx: ProbeContext) -> u32 {
    if let Some(ignored) = argument(&ctx, 1) {
        leave(
            ctx.regs,
            Function::TupleTaken,
            Stashed {
                slot: u64::from(ignored.slot.0),
                pointer: 0,
                note: 0,
            },
        );
    }
    0
}

/// Its return: whether somebody does.
#[kretprobe]
fn tuple_taken_return(ctx: RetProbeContext) -> u32 {
    if let Some(call) = take(ctx.regs, Function::TupleTaken)
        && ctx.ret::<u64>() as i32 != 0
    {
        count(Slot(call.slot as u32), ProbeCounter::TupleTaken);
    }
    0
}
