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

/// Installs it for all threads, those that start later too; the kernel logs what it refuses, as far as kernel.seccomp.actions_logged
/// says.
///
/// # Errors
///
/// When the kernel refuses, or another thread has a filter of its own.
pub(super) fn for_all_threads(filter: &BpfProgram) -> io::Result<()> {
    gain_nothing()?;
    let program = FilterProgram {
        length: filter.len().try_into().map_err(io::Error::other)?,
        instructions: filter.as_ptr(),
    };
    let flags = libc::SECCOMP_FILTER_FLAG_TSYNC | libc::SECCOMP_FILTER_FLAG_LOG;
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
