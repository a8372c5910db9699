//! Whether this process may open performance events, which kprobes are. Numbers and structures are those of uapi/linux/perf_event.h.

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd, RawFd},
};

/// `PERF_TYPE_SOFTWARE` of `enum perf_type_id`.
const SOFTWARE: u32 = 1;
/// `PERF_COUNT_SW_DUMMY` of `enum perf_sw_ids`: it counts nothing.
const DUMMY: u64 = 9;
/// The bit `disabled`.
const DISABLED: u64 = 1;
/// `PERF_FLAG_FD_CLOEXEC`.
const CLOSE_ON_EXEC: libc::c_ulong = 8;

/// `struct perf_event_attr` as its first version had it (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Default)]
struct EventAttributes {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

/// Opens an event that counts nothing as a kprobe's is opened: in the kernel, of all processes, on the first CPU. It is closed at
/// once.
///
/// # Errors
///
/// The kernel's answer.
pub(super) fn open() -> io::Result<()> {
    let attributes = EventAttributes {
        kind: SOFTWARE,
        size: size_of::<EventAttributes>() as u32,
        config: DUMMY,
        flags: DISABLED,
        ..EventAttributes::default()
    };
    let (all_processes, cpu, no_group): (libc::pid_t, libc::c_int, libc::c_int) = (-1, 0, -1);
    // SAFETY: the kernel reads `size` bytes of the attributes, which outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_perf_event_open,
            &raw const attributes,
            all_processes,
            cpu,
            no_group,
            CLOSE_ON_EXEC,
        )
    };
    match RawFd::try_from(result) {
        Ok(fd) if fd >= 0 => {
            // SAFETY: the kernel has just opened it for us.
            drop(unsafe { OwnedFd::from_raw_fd(fd) });
            Ok(())
        }
        _ => Err(io::Error::last_os_error()),
    }
}
