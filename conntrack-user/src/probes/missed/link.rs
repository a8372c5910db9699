//! `BPF_OBJ_GET_INFO_BY_FD` of a kprobe's link, which aya does not offer.

use std::os::fd::RawFd;

/// `BPF_OBJ_GET_INFO_BY_FD` of `enum bpf_cmd`: uapi.
const BPF_OBJ_GET_INFO_BY_FD: libc::c_long = 15;
/// `BPF_LINK_TYPE_PERF_EVENT` of `enum bpf_link_type`: uapi.
const LINK_TYPE_PERF_EVENT: u32 = 7;
/// `BPF_PERF_EVENT_KPROBE` and `BPF_PERF_EVENT_KRETPROBE` of `enum bpf_perf_event_type`: uapi.
const PERF_EVENT_KPROBES: [u32; 2] = [3, 4];

/// `struct bpf_link_info`, up to the last field that a kprobe's link has: uapi.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    link_type: u32,
    id: u32,
    prog_id: u32,
    _pad: u32,
    event_type: u32,
    _pad2: u32,
    func_name: u64,
    name_len: u32,
    offset: u32,
    addr: u64,
    missed: u64,
    cookie: u64,
}

/// The `info` member of `union bpf_attr`: uapi.
#[repr(C)]
struct InfoAttr {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// Hits of this probe that did not fire; `None` when the kernel does not count them.
pub(super) fn missed(fd: RawFd) -> Option<u64> {
    let mut info = LinkInfo::default();
    let mut attr = InfoAttr {
        bpf_fd: u32::try_from(fd).ok()?,
        info_len: u32::try_from(size_of::<LinkInfo>()).ok()?,
        info: (&raw mut info) as u64,
    };
    // SAFETY: the kernel reads `attr` and writes at most `info_len` bytes to `info`, all plain
    // integers; both outlive the call. `func_name` is null with length 0: no name is written.
    let result = unsafe {
        libc::syscall(
            libc::SYS_bpf,
            BPF_OBJ_GET_INFO_BY_FD,
            &raw mut attr,
            size_of::<InfoAttr>(),
        )
    };
    let kprobe =
        info.link_type == LINK_TYPE_PERF_EVENT && PERF_EVENT_KPROBES.contains(&info.event_type);
    (result == 0 && kprobe).then_some(info.missed)
}
