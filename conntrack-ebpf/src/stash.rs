//! What a function's entry leaves for its return, where the arguments are gone.
//!
//! A call is identified by the stack it runs on: a task's own, or this CPU's stack for softirqs. On
//! one stack calls nest strictly, and a softirq that interrupts a task runs on another stack, so
//! neither preemption, migration nor nesting confuses them (a task id alone would be ambiguous). A
//! probed function that called itself would; none of them does.

use aya_ebpf::{bindings::BPF_ANY, macros::map, maps::LruHashMap};

use crate::{call::Call, count::count_fault, instance::Slot};

/// `THREAD_SIZE` of x86-64; `IRQ_STACK_SIZE` is the same. Stacks of tasks are aligned to it; those of
/// softirqs only to pages, so that one may lie in two windows of this size. (KASAN doubles both.)
const THREAD_SIZE: u64 = 16 << 10;

/// The functions that leave something.
#[repr(u32)]
#[derive(Clone, Copy)]
pub(crate) enum Function {
    EarlyDrop,
    ResolveClash,
    CheckInsert,
    TupleTaken,
    IcmpError,
    Icmpv6Error,
    ExpectRelated,
    ExpectRelatedPair,
    SeqAdjust,
    Confirm,
    ConntrackIn,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Key {
    stack: u64,
    function: u64,
}

/// What is left. The meaning of `pointer` and `note` is the function's.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct Stashed {
    pub(crate) slot: u64,
    pub(crate) pointer: u64,
    pub(crate) note: u64,
    /// When the function was entered; 0 when nobody asks.
    pub(crate) entered: u64,
}

impl Stashed {
    /// Nothing but the instance.
    #[inline(always)]
    pub(crate) fn of(slot: Slot) -> Self {
        Self {
            slot: u64::from(slot.0),
            pointer: 0,
            note: 0,
            entered: 0,
        }
    }

    /// And a pointer.
    #[inline(always)]
    pub(crate) fn with(slot: Slot, pointer: u64) -> Self {
        Self {
            pointer,
            ..Self::of(slot)
        }
    }

    /// The instance.
    #[inline(always)]
    pub(crate) fn slot(&self) -> Slot {
        Slot(self.slot as u32)
    }
}

/// Least recently used ones go first: what a lost return probe leaves behind ages out.
#[map]
static STASH: LruHashMap<Key, Stashed> = LruHashMap::with_max_entries(8192, 0);

/// How much higher than its caller's frame a call's may be: trampolines have theirs below the function's
/// own, as far as it has arguments.
const TRAMPOLINE: u64 = 512;

/// Whether a call is further down on the stack of another that it may be part of.
#[inline(always)]
pub(crate) fn is_below(frame: u64, caller: u64) -> bool {
    (caller + TRAMPOLINE).wrapping_sub(frame) < THREAD_SIZE
}

#[inline(always)]
fn key(frame: u64, function: Function) -> Key {
    Key {
        stack: frame & !(THREAD_SIZE - 1),
        function: function as u64,
    }
}

/// Leaves something at a function's entry.
#[inline(always)]
pub(crate) fn leave<C: Call>(ctx: &C, function: Function, stashed: Stashed) {
    if STASH
        .insert(&key(ctx.frame(), function), &stashed, u64::from(BPF_ANY))
        .is_err()
    {
        count_fault();
    }
}

/// Looks at what a function further up on this stack has left.
#[inline(always)]
pub(crate) fn look<C: Call>(ctx: &C, function: Function) -> Option<*mut Stashed> {
    let frame = ctx.frame();
    // Further up may be in the next window.
    STASH
        .get_ptr_mut(&key(frame, function))
        .or_else(|| STASH.get_ptr_mut(&key(frame + THREAD_SIZE, function)))
}

/// Takes what the function's entry left.
#[inline(always)]
pub(crate) fn take<C: Call>(ctx: &C, function: Function) -> Option<Stashed> {
    let key = key(ctx.frame(), function);
    // SAFETY: a checked map element; nobody else uses the key of this stack meanwhile.
    let stashed = unsafe { STASH.get(&key).copied() };
    if stashed.is_some() {
        // It was there a moment ago; if the LRU took it, so be it.
        let _ = STASH.remove(&key);
    }
    stashed
}
