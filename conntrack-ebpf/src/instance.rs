//! The instance of an event.

use aya_ebpf::{EbpfContext, macros::map, maps::HashMap};

use crate::{
    atomic::Word,
    globals::{NETNS, SLOTS},
    kernel::Net,
    slot::Slot,
};

/// The address of the watched namespace, once an event in it was seen.
///
/// A cache with one entry. The address cannot be reused by another namespace, as user space lives in the namespace or holds a
/// descriptor of it.
#[unsafe(no_mangle)]
static WATCHED: Word = Word::zero();

/// Slots of the watched namespaces by inode number, if there can be several. Written by user space, which also sets the number of
/// elements when it loads the object.
#[map]
static NETNS_SLOTS: HashMap<u32, u32> = HashMap::with_max_entries(1, 0);

/// The instance of a namespace; `None` if it is not watched.
#[inline(always)]
pub(crate) fn slot_of<C: EbpfContext>(ctx: &C, net: Net) -> Option<Slot> {
    match NETNS.load() {
        0 => Some(assigned(net.inode(ctx)?)),
        only => is(ctx, net, only).then_some(Slot(0)),
    }
}

/// The slot that is assigned to a namespace; the last one if none is assigned (yet).
#[inline(always)]
fn assigned(inum: u32) -> Slot {
    // SAFETY: a checked map element of one word.
    let slot = unsafe { NETNS_SLOTS.get(&inum).copied() };
    Slot(slot.unwrap_or(SLOTS.load() - 1))
}

/// Whether a namespace is the only one that is watched.
#[inline(always)]
fn is<C: EbpfContext>(ctx: &C, net: Net, only: u32) -> bool {
    if WATCHED.load() == net.address() {
        return true;
    }
    if net.inode(ctx) != Some(only) {
        return false;
    }
    // Every CPU writes the same value here.
    WATCHED.store(net.address());
    true
}
