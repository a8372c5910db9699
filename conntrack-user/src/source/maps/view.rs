//! An array map of the eBPF programs, mapped into this process's memory.

use std::{
    io,
    os::fd::AsFd,
    ptr::{self, NonNull},
};

use rustix::{
    mm::{MapFlags, ProtFlags, mmap, munmap},
    param::page_size,
};

/// An array map of `T`, mapped read-only.
pub struct MapView<T> {
    base: NonNull<T>,
    elements: usize,
    bytes: usize,
}

impl<T> MapView<T> {
    /// Maps the first `elements` of an array. The descriptor may be closed afterwards.
    ///
    /// # Errors
    ///
    /// When the kernel refuses: the map is shorter, not `BPF_F_MMAPABLE`, or there is no memory.
    pub fn new(fd: impl AsFd, elements: usize) -> io::Result<Self> {
        let bytes = (elements * size_of::<T>()).next_multiple_of(page_size());
        // SAFETY: a new mapping, at an address of the kernel's choice; the kernel refuses a length
        // beyond the map's. MapView never hands out a reference, only pointers within it.
        let base = unsafe {
            mmap(
                ptr::null_mut(),
                bytes,
                ProtFlags::READ,
                MapFlags::SHARED,
                fd,
                0,
            )?
        };
        let base = NonNull::new(base.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped the counters at address 0"))?;
        Ok(Self {
            base,
            elements,
            bytes,
        })
    }

    /// A pointer to an element, which programs may be writing to; `None` beyond the last.
    #[must_use]
    pub fn element(&self, index: usize) -> Option<NonNull<T>> {
        // SAFETY: within the mapping, which lives as long as `self`.
        (index < self.elements).then(|| unsafe { self.base.add(index) })
    }
}

impl<T> Drop for MapView<T> {
    fn drop(&mut self) {
        // SAFETY: the mapping made in `new`, of which no pointer outlives `self`. Failure leaves
        // it mapped, which does no harm.
        let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: shared memory that is only read, with volatile loads; the pointer is not tied to a thread.
unsafe impl<T> Send for MapView<T> {}
