//! The capabilities of a thread: what it holds, and giving them up. Each thread of a process has its own.

use std::io;

use rustix::{
    io::Errno,
    thread::{
        CapabilitySets, capabilities, capability_is_in_bounding_set, clear_ambient_capability_set,
        remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
    },
};

use super::CapabilitySet;

/// What the calling thread may use now; nothing if that cannot be found out.
#[must_use]
pub fn held() -> CapabilitySet {
    capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective)
}

/// Gives up all capabilities of the calling thread but these, for good: none comes back, and none is handed on to programs. What it
/// does not hold of `keep`, it does not get.
///
/// # Errors
///
/// When the kernel refuses, which it does not by itself: a security module may.
pub fn keep_only(keep: CapabilitySet) -> io::Result<()> {
    limit_gains(keep)?;
    let sets = capabilities(None)?;
    match clear_ambient_capability_set() {
        // Before 4.3 there was no such set.
        Ok(()) | Err(Errno::INVAL) => {}
        Err(error) => return Err(error.into()),
    }
    let kept = sets.effective & keep;
    set_capabilities(
        None,
        CapabilitySets {
            effective: kept,
            permitted: kept,
            inheritable: CapabilitySet::empty(),
        },
    )?;
    Ok(())
}

/// Lets the calling thread, and what it starts, gain no capability but these (the bounding set), where it may decide that: with
/// `CAP_SETPCAP`.
///
/// # Errors
///
/// Like [`keep_only`].
pub fn limit_gains(keep: CapabilitySet) -> io::Result<()> {
    if !held().contains(CapabilitySet::SETPCAP) {
        return Ok(());
    }
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        match capability_is_in_bounding_set(capability) {
            Ok(true) if !keep.contains(capability) => {
                remove_capability_from_bounding_set(capability)?;
            }
            Ok(_) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// From now on no program that the calling thread starts gets more than it has: set-user-ID and the like have no effect.
///
/// # Errors
///
/// When the kernel refuses: before 3.5.
pub fn gain_nothing() -> io::Result<()> {
    set_no_new_privs(true)?;
    Ok(())
}
