//! Which instance an event belongs to.

use aya_ebpf::{EbpfContext, macros::map, maps::HashMap};

use crate::{
    atomic::Word,
    globals::{NET_INUM, NETNS, SLOTS},
    kernel::{Net, read},
    slot::Slot,
};

/// The address of the watched namespace, once an event of it was seen.
///
/// A cache of one: user space lives in that namespace, or holds a descriptor of it, so the address
/// cannot come to mean another one.
#[unsafe(no_mangle)]
static WATCHED: Word = Word::zero();

/// Slots of the watched namespaces by inode number, when there may be several. User space writes it.
#[map]
static NETNS_SLOTS: HashMap<u32, u32> = HashMap::with_max_entries(256, 0);

/// The instance of a namespace; `None` when it is not watched.
#[inline(always)]
pub(crate) fn slot_of<C: EbpfContext>(ctx: &C, net: Net) -> Option<Slot> {
    match NETNS.load() {
        0 => Some(assigned(read(ctx, net.address(), NET_INUM.load())?)),
        only => is(ctx, net, only).then_some(Slot(0)),
    }
}

/// The slot a namespace was assigned; the last one where it was not (yet).
#[inline(always)]
fn assigned(inum: u32) -> Slot {
    // SAFETY: a checked map element of one word.
    let slot = unsafe { NETNS_SLOTS.get(&inum).copied() };
    Slot(slot.unwrap_or(SLOTS.load() - 1))
}

/// Whether it is the only namespace that is watched.
#[inline(always)]
fn is<C: EbpfContext>(ctx: &C, net: Net, only: u32) -> bool {
    if WATCHED.load() == net.address() {
        return true;
    }
    if read(ctx, net.address(), NET_INUM.load()) != Some(only) {
        return false;
    }
    // Every CPU that gets here writes the same value.
    WATCHED.store(net.address());
    true
}
