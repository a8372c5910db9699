//! Installs a filter of system calls.

use std::io;

use seccompiler::BpfProgram;

use super::thread::gain_nothing;

/// `struct sock_fprog` of linux/filter.h.
#[repr(C)]
struct FilterProgram {
    length: libc::c_ushort,
    instructions: *const seccompiler::sock_filter,
}

/// What the kernel does when a filter refuses a call, besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusals {
    /// It logs that, as far as kernel.seccomp.actions_logged says.
    Logged,
    Silent,
}

/// Installs it for all threads, those that start later too.
///
/// # Errors
///
/// When the kernel refuses, or another thread has a filter of its own.
pub(super) fn for_all_threads(filter: &BpfProgram, refusals: Refusals) -> io::Result<()> {
    gain_nothing()?;
    let program = FilterProgram {
        length: filter.len().try_into().map_err(io::Error::other)?,
        instructions: filter.as_ptr(),
    };
    let log = match refusals {
        Refusals::Logged => libc::SECCOMP_FILTER_FLAG_LOG,
        Refusals::Silent => 0,
    };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | log;
    // SAFETY: the kernel copies the program, whose instructions are as many as it says, and outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            flags,
            &raw const program,
        )
    };
    match result {
        0 => Ok(()),
        thread if thread > 0 => Err(io::Error::other(format!(
            "thread {thread} has a filter of its own"
        ))),
        _ => Err(io::Error::last_os_error()),
    }
}
