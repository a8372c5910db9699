//! The system calls that are left after attaching, and with which arguments. Pure.

use libc::c_long;

use super::needs::{NamespaceUse, Uses};

/// A system call that is allowed if one of these holds; with none, always.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LeftCall {
    pub(super) call: c_long,
    pub(super) if_any: Vec<Vec<Argument>>,
}

/// What an argument must be: its lowest 32 bits, of which those in `mask` are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Argument {
    pub(super) index: u8,
    pub(super) mask: u32,
    pub(super) value: u32,
}

const fn is(index: u8, value: u32) -> Argument {
    masked(index, u32::MAX, value)
}

const fn masked(index: u8, mask: u32, value: u32) -> Argument {
    Argument { index, mask, value }
}

/// What any run needs, whatever its arguments: reading and writing what is open, reading files by name, memory, time, waiting.
const ALWAYS: &[c_long] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_pwrite64,
    libc::SYS_pwritev2,
    libc::SYS_close,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_readlinkat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Threads and their ends.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_wait4,
    libc::SYS_waitid,
    // Threads that start later give up more.
    libc::SYS_capget,
    libc::SYS_capset,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // Time, and waiting.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    // Sockets that are open already.
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    // Messages that are too long for a datagram.
    libc::SYS_memfd_create,
    // What the host is.
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
];

/// Older calls, which libraries still use where there are any.
#[cfg(target_arch = "x86_64")]
const ALWAYS_OLD: &[c_long] = &[
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_epoll_wait,
    libc::SYS_time,
    libc::SYS_arch_prctl,
];
#[cfg(not(target_arch = "x86_64"))]
const ALWAYS_OLD: &[c_long] = &[];

/// What changes files by their names.
const FILES: &[c_long] = &[
    libc::SYS_flock,
    libc::SYS_unlinkat,
    libc::SYS_linkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_fallocate,
];
#[cfg(target_arch = "x86_64")]
const FILES_OLD: &[c_long] = &[
    libc::SYS_unlink,
    libc::SYS_link,
    libc::SYS_rename,
    libc::SYS_mkdir,
];
#[cfg(not(target_arch = "x86_64"))]
const FILES_OLD: &[c_long] = &[];

/// Requests to terminals, descriptors and performance events, of asm-generic/ioctls.h and linux/perf_event.h. Not `TIOCSTI`, which
/// types into the terminal.
const REQUESTS: &[u32] = &[
    0x5401,      // TCGETS
    0x5402,      // TCSETS
    0x5403,      // TCSETSW
    0x5404,      // TCSETSF
    0x802c_542a, // TCGETS2
    0x402c_542b, // TCSETS2
    0x402c_542c, // TCSETSW2
    0x402c_542d, // TCSETSF2
    0x540f,      // TIOCGPGRP
    0x5410,      // TIOCSPGRP
    0x5413,      // TIOCGWINSZ
    0x5421,      // FIONBIO
    0x541b,      // FIONREAD
    0x5451,      // FIOCLEX
    0x2401,      // PERF_EVENT_IOC_DISABLE
];

/// What a thread asks of prctl(2), of linux/prctl.h: its name, and what it may do, to give that up.
const OF_THREADS: &[u32] = &[
    15, // PR_SET_NAME
    16, // PR_GET_NAME
    23, // PR_CAPBSET_READ
    24, // PR_CAPBSET_DROP
    38, // PR_SET_NO_NEW_PRIVS
    39, // PR_GET_NO_NEW_PRIVS
    47, // PR_CAP_AMBIENT
];

/// What is asked of eBPF maps, programs and links that are open, of `enum bpf_cmd`: nothing that makes one.
const OF_MAPS: &[u32] = &[
    1,  // BPF_MAP_LOOKUP_ELEM
    2,  // BPF_MAP_UPDATE_ELEM
    3,  // BPF_MAP_DELETE_ELEM
    4,  // BPF_MAP_GET_NEXT_KEY
    15, // BPF_OBJ_GET_INFO_BY_FD
];

/// Of open(2): any way to write, or to make a file.
const WRITES: u32 = (libc::O_ACCMODE | libc::O_CREAT | libc::O_TRUNC | libc::O_APPEND) as u32;
/// Of clone(2): a thread of this process, and no process.
const THREAD: u32 = libc::CLONE_THREAD as u32;
const EXECUTABLE: u32 = libc::PROT_EXEC as u32;
/// Of socket(2): the type without its flags.
const TYPE: u32 = 0xf;

/// The calls that are left for these uses, of the process with this id.
pub(super) fn allowed(uses: &Uses, process: u32) -> Vec<LeftCall> {
    let mut calls = Calls(Vec::new());
    calls.any(ALWAYS);
    calls.any(ALWAYS_OLD);
    let no_code = |index| vec![vec![masked(index, EXECUTABLE, 0)]];
    calls.only(libc::SYS_mmap, no_code(2));
    calls.only(libc::SYS_mprotect, no_code(2));
    calls.only(libc::SYS_clone, vec![vec![masked(0, THREAD, THREAD)]]);
    // Answered by another filter: its flags are in memory, where no filter looks.
    calls.any(&[libc::SYS_clone3]);
    calls.only(libc::SYS_prctl, each_of(0, OF_THREADS));
    calls.only(libc::SYS_ioctl, each_of(1, REQUESTS));
    // Only to read: the process itself, and its limits.
    calls.only(libc::SYS_prlimit64, vec![vec![is(0, 0)]]);
    // Aborting, and stopping as Ctrl-Z does.
    calls.only(libc::SYS_tgkill, vec![vec![is(0, process)]]);
    calls.only(libc::SYS_kill, vec![vec![is(1, libc::SIGTSTP as u32)]]);
    let pair = vec![vec![is(0, libc::AF_UNIX as u32)]];
    calls.only(libc::SYS_socketpair, pair);
    match uses.writes_files {
        true => {
            calls.any(&[libc::SYS_openat]);
            calls.any(FILES);
            calls.any(FILES_OLD);
        }
        false => calls.only(libc::SYS_openat, vec![vec![masked(2, WRITES, 0)]]),
    }
    #[cfg(target_arch = "x86_64")]
    match uses.writes_files {
        true => calls.any(&[libc::SYS_open]),
        false => calls.only(libc::SYS_open, vec![vec![masked(1, WRITES, 0)]]),
    }
    if uses.probes.is_some() {
        calls.only(libc::SYS_bpf, each_of(0, OF_MAPS));
    }
    if matches!(uses.namespaces, NamespaceUse::Named | NamespaceUse::All) {
        let network = libc::CLONE_NEWNET as u32;
        calls.only(libc::SYS_setns, vec![vec![is(1, network)]]);
    }
    calls.sockets(uses);
    calls.0
}

fn each_of(index: u8, values: &[u32]) -> Vec<Vec<Argument>> {
    values.iter().map(|value| vec![is(index, *value)]).collect()
}

struct Calls(Vec<LeftCall>);

impl Calls {
    fn any(&mut self, calls: &[c_long]) {
        let always = |call| LeftCall {
            call,
            if_any: Vec::new(),
        };
        self.0.extend(calls.iter().copied().map(always));
    }

    fn only(&mut self, call: c_long, if_any: Vec<Vec<Argument>>) {
        self.0.push(LeftCall { call, if_any });
    }

    /// New sockets: to the kernel's netfilter, and what the network takes.
    fn sockets(&mut self, uses: &Uses) {
        let domain = |domain: libc::c_int| is(0, domain as u32);
        let mut sockets = Vec::new();
        if uses.namespaces != NamespaceUse::Directory {
            let netfilter = is(2, libc::NETLINK_NETFILTER as u32);
            sockets.push(vec![domain(libc::AF_NETLINK), netfilter]);
        }
        if uses.top {
            // The addresses of a namespace; what changes them takes CAP_NET_ADMIN besides, which only the surveyor has.
            let route = is(2, libc::NETLINK_ROUTE as u32);
            sockets.push(vec![domain(libc::AF_NETLINK), route]);
        }
        if uses.network.accepts {
            // Datagrams go to the service manager. A stream would reach other services, which trust root.
            let datagram = masked(1, TYPE, libc::SOCK_DGRAM as u32);
            sockets.push(vec![domain(libc::AF_UNIX), datagram]);
            self.any(&[
                libc::SYS_accept,
                libc::SYS_accept4,
                libc::SYS_getpeername,
                libc::SYS_connect,
            ]);
        }
        if uses.network.connects {
            for internet in [libc::AF_INET, libc::AF_INET6] {
                sockets.push(vec![domain(internet)]);
            }
            // Names are looked up by datagrams that are bound to an address.
            self.any(&[libc::SYS_connect, libc::SYS_bind, libc::SYS_getpeername]);
        }
        if !sockets.is_empty() {
            self.only(libc::SYS_socket, sockets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::privileges::needs::{NetworkUse, ProbeUse};

    /// Whether a call with these arguments is left.
    fn is_left(uses: &Uses, call: c_long, arguments: &[u32]) -> bool {
        let holds = |argument: &Argument| {
            let given = arguments.get(usize::from(argument.index)).unwrap_or(&0);
            given & argument.mask == argument.value
        };
        let allowed = allowed(uses, 7);
        let mut allowed = allowed.iter().filter(|allowed| allowed.call == call);
        allowed.any(|allowed| {
            let mut rules = allowed.if_any.iter();
            allowed.if_any.is_empty() || rules.any(|rule| rule.iter().all(holds))
        })
    }

    /// The most that a run does.
    fn everything() -> Uses {
        Uses {
            probes: Some(ProbeUse::default()),
            namespaces: NamespaceUse::All,
            ctnetlink: true,
            top: true,
            other_user: true,
            writes_files: true,
            network: NetworkUse {
                accepts: true,
                connects: true,
            },
            kernel: Some((6, 12)),
        }
    }

    #[test]
    fn no_run_starts_programs_loads_them_or_looks_into_others() {
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_process_vm_readv,
            libc::SYS_process_vm_writev,
            libc::SYS_perf_event_open,
            libc::SYS_init_module,
            libc::SYS_finit_module,
            libc::SYS_delete_module,
            libc::SYS_kexec_load,
            libc::SYS_mount,
            libc::SYS_pivot_root,
            libc::SYS_unshare,
            libc::SYS_setuid,
            libc::SYS_setgid,
            libc::SYS_reboot,
            libc::SYS_bpf,
            libc::SYS_fchownat,
            libc::SYS_listen,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
        ] {
            assert!(!is_left(&everything(), call, &[]), "{call}");
        }
        assert!(
            !is_left(&everything(), libc::SYS_bpf, &[5]),
            "loads a program"
        );
        assert!(is_left(&everything(), libc::SYS_bpf, &[2]));
        let process = [libc::SIGCHLD as u32];
        assert!(!is_left(&everything(), libc::SYS_clone, &process));
        assert!(is_left(&everything(), libc::SYS_clone, &[THREAD]));
        let other = libc::CLONE_NEWNS as u32;
        assert!(!is_left(&everything(), libc::SYS_setns, &[3, other]));
        assert!(
            !is_left(&everything(), libc::SYS_ioctl, &[0, 0x5412]),
            "TIOCSTI"
        );
        let stream = [libc::AF_UNIX as u32, libc::SOCK_STREAM as u32];
        assert!(!is_left(&everything(), libc::SYS_socket, &stream));
        let code = [0, 4096, (libc::PROT_READ | libc::PROT_EXEC) as u32];
        assert!(!is_left(&everything(), libc::SYS_mmap, &code));
        assert!(!is_left(&everything(), libc::SYS_mprotect, &code));
        assert!(!is_left(&everything(), libc::SYS_tgkill, &[8, 8, 6]));
        assert!(!is_left(&everything(), libc::SYS_kill, &[1, 9]));
    }

    #[test]
    fn what_one_use_takes_is_not_left_to_others() {
        let nothing = Uses::default();
        let write = libc::O_WRONLY as u32;
        let netfilter = [
            libc::AF_NETLINK as u32,
            libc::SOCK_RAW as u32,
            libc::NETLINK_NETFILTER as u32,
        ];
        let internet = [libc::AF_INET as u32, libc::SOCK_STREAM as u32, 0];
        let network = libc::CLONE_NEWNET as u32;
        for (call, arguments) in [
            (libc::SYS_bpf, &[2][..]),
            (libc::SYS_setns, &[3, network]),
            (libc::SYS_openat, &[0, 0, write]),
            (libc::SYS_unlinkat, &[]),
            (libc::SYS_socket, &netfilter),
            (libc::SYS_socket, &internet),
            (libc::SYS_connect, &[]),
            (libc::SYS_accept4, &[]),
        ] {
            assert!(!is_left(&nothing, call, arguments), "{call}");
            assert!(is_left(&everything(), call, arguments), "{call}");
        }
        assert!(is_left(&nothing, libc::SYS_openat, &[0, 0, 0]));
        let here = Uses {
            namespaces: NamespaceUse::Own,
            ..nothing
        };
        assert!(is_left(&here, libc::SYS_socket, &netfilter));
        assert!(!is_left(&here, libc::SYS_socket, &internet));
        assert!(!is_left(&here, libc::SYS_setns, &[3, network]));
    }
}
