//! Entry contexts: what the entry of a function saves for its return, where the arguments are gone.
//!
//! A call is identified by its stack: that of a task, or this CPU's softirq stack. Calls on one stack are strictly nested, and a
//! softirq that interrupts a task runs on another stack (on arm64 since 6.0). So preemption, migration and nesting cannot mix up
//! calls (a task id alone would be ambiguous). Only recursion of a probed function could, and none of them is recursive.

use aya_ebpf::{bindings::BPF_ANY, macros::map, maps::LruHashMap};
use conntrack_ebpf::table::Function;

use crate::{call::Call, slot::Slot, totals::count_fault};

/// The windows that stacks are divided into. A call's frame is in the same one at its entry and its return; that of a nested call
/// is there or in the one below, as no more than this is between them.
///
/// It is the least `THREAD_SIZE` and `IRQ_STACK_SIZE` of x86-64 and arm64; pages of 64 KiB (arm64) and KASAN make stacks larger.
/// Stacks of tasks are aligned to their size, so no window has two; those of softirqs may be aligned to pages alone, and then span
/// one window more.
const STACK_WINDOW: u64 = 16 << 10;

#[repr(C)]
#[derive(Clone, Copy)]
struct ContextKey {
    stack: u64,
    function: u64,
}

/// The saved values. The meaning of `pointer` and `note` depends on the function.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct EntryContext {
    pub(crate) slot: u64,
    pub(crate) pointer: u64,
    pub(crate) note: u64,
    /// When the function was entered (`bpf_ktime_get_ns`); 0 when its duration is not measured.
    pub(crate) entered: u64,
}

impl EntryContext {
    /// A context with only the instance.
    #[inline(always)]
    pub(crate) fn of(slot: Slot) -> Self {
        Self {
            slot: u64::from(slot.0),
            pointer: 0,
            note: 0,
            entered: 0,
        }
    }

    /// A context with the instance and a pointer.
    #[inline(always)]
    pub(crate) fn with(slot: Slot, pointer: u64) -> Self {
        Self {
            pointer,
            ..Self::of(slot)
        }
    }

    /// The instance the call belongs to.
    #[inline(always)]
    pub(crate) fn slot(&self) -> Slot {
        Slot(self.slot as u32)
    }
}

/// The least recently used contexts are evicted first, so those whose return was missed age out.
#[map]
static ENTRY_CONTEXTS: LruHashMap<ContextKey, EntryContext> = LruHashMap::with_max_entries(8192, 0);

/// How far the frame of a nested call can be above its caller's: the context of a trampoline is below the frame of its function,
/// by the size of the arguments.
const TRAMPOLINE: u64 = 512;

/// Whether a call is nested in another one on the same stack.
#[inline(always)]
pub(crate) fn is_below(frame: u64, caller: u64) -> bool {
    (caller + TRAMPOLINE).wrapping_sub(frame) < STACK_WINDOW
}

#[inline(always)]
fn key(frame: u64, function: Function) -> ContextKey {
    ContextKey {
        stack: frame & !(STACK_WINDOW - 1),
        function: function as u64,
    }
}

/// Saves the context of a function's entry.
#[inline(always)]
pub(crate) fn save<C: Call>(ctx: &C, function: Function, context: EntryContext) {
    if ENTRY_CONTEXTS
        .insert(&key(ctx.frame(), function), &context, u64::from(BPF_ANY))
        .is_err()
    {
        count_fault();
    }
}

/// The context of a function further up on this stack, without removing it.
#[inline(always)]
pub(crate) fn peek<C: Call>(ctx: &C, function: Function) -> Option<*mut EntryContext> {
    let frame = ctx.frame();
    // The stack may continue in the next window.
    ENTRY_CONTEXTS
        .get_ptr_mut(&key(frame, function))
        .or_else(|| ENTRY_CONTEXTS.get_ptr_mut(&key(frame + STACK_WINDOW, function)))
}

/// The context of a function that this stack was in before: its frame was near this one, above or below.
#[inline(always)]
pub(crate) fn near<C: Call>(ctx: &C, function: Function) -> Option<EntryContext> {
    let frame = ctx.frame();
    // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
    unsafe {
        ENTRY_CONTEXTS
            .get(&key(frame, function))
            .or_else(|| ENTRY_CONTEXTS.get(&key(frame + STACK_WINDOW, function)))
            .or_else(|| ENTRY_CONTEXTS.get(&key(frame - STACK_WINDOW, function)))
            .copied()
    }
}

/// Removes and returns the context that the function's entry saved.
#[inline(always)]
pub(crate) fn take<C: Call>(ctx: &C, function: Function) -> Option<EntryContext> {
    let key = key(ctx.frame(), function);
    // SAFETY: a checked map element; no other call uses the key of this stack meanwhile.
    let context = unsafe { ENTRY_CONTEXTS.get(&key).copied() };
    if context.is_some() {
        // If the LRU has evicted it meanwhile, there is nothing to remove.
        let _ = ENTRY_CONTEXTS.remove(&key);
    }
    context
}
