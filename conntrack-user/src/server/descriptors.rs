//! File descriptors: connections leave some to the run, which opens files at every reading.

use std::os::fd::AsRawFd;

use rustix::process::{Resource, getrlimit};

/// Descriptors that connections leave.
const LEFT: u64 = 32;

/// Whether hardly any descriptors are left after this one: the kernel gives the lowest that is free.
pub(super) fn are_scarce(last: &impl AsRawFd) -> bool {
    let limit = getrlimit(Resource::Nofile).current;
    let last = last.as_raw_fd().unsigned_abs().into();
    limit.is_some_and(|limit| limit.saturating_sub(LEFT) <= last)
}

#[cfg(test)]
mod tests {
    use std::os::fd::RawFd;

    use super::*;

    struct Descriptor(RawFd);

    impl AsRawFd for Descriptor {
        fn as_raw_fd(&self) -> RawFd {
            self.0
        }
    }

    #[test]
    fn the_last_ones_are_scarce() {
        assert!(!are_scarce(&Descriptor(3)));
        assert!(are_scarce(&Descriptor(RawFd::MAX)));
    }
}
