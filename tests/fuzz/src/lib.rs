//! What all targets have: a bound on memory.

use std::{
    alloc::{GlobalAlloc, Layout, System},
    process::abort,
    sync::atomic::{AtomicUsize, Ordering},
};

pub use conntrack_user::fuzzing;
pub use libfuzzer_sys;

/// The most bytes that the program under test may hold, and the most of one allocation. What a hostile input of at most a few
/// kilobytes may cost is far below.
const HELD: usize = 512 << 20;
const ONE: usize = 64 << 20;

/// The system's allocator, which ends the program where a bound is passed; libFuzzer then keeps the input.
struct BoundedAllocator;

#[global_allocator]
static ALLOCATOR: BoundedAllocator = BoundedAllocator;

static IN_USE: AtomicUsize = AtomicUsize::new(0);

fn take(bytes: usize) {
    let before = IN_USE.fetch_add(bytes, Ordering::Relaxed);
    if bytes > ONE || before + bytes > HELD {
        eprintln!("out of bounds: {bytes} bytes more than {before}");
        abort();
    }
}

fn give(bytes: usize) {
    IN_USE.fetch_sub(bytes, Ordering::Relaxed);
}

// SAFETY: all of it is the system's; nothing is done with memory here.
unsafe impl GlobalAlloc for BoundedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller's promises are those that it takes.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        take(size);
        give(layout.size());
        // SAFETY: as above.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        give(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// A target of this name.
#[macro_export]
macro_rules! target {
    ($name:ident) => {
        $crate::libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::fuzzing::$name(data));
    };
}
