//! Calls of bpf(2) that aya does not offer: what loads a tracing program for a function of a module and attaches it, and what
//! tells the misses of a kprobe and of a program. Numbers and structures are those of uapi/linux/bpf.h.

use std::{
    ffi::CStr,
    io,
    mem::offset_of,
    os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd},
};

use aya_obj::generated::{bpf_insn, bpf_prog_info};

/// Of `enum bpf_cmd`.
mod command {
    pub(super) const MAP_CREATE: libc::c_long = 0;
    pub(super) const PROG_LOAD: libc::c_long = 5;
    pub(super) const OBJ_GET_INFO_BY_FD: libc::c_long = 15;
    pub(super) const RAW_TRACEPOINT_OPEN: libc::c_long = 17;
    pub(super) const BTF_GET_FD_BY_ID: libc::c_long = 19;
    pub(super) const BTF_GET_NEXT_ID: libc::c_long = 23;
}

/// `BPF_MAP_TYPE_ARRAY` of `enum bpf_map_type`.
const ARRAY: u32 = 2;
/// `BPF_PROG_TYPE_KPROBE` of `enum bpf_prog_type`.
const KPROBE: u32 = 2;
/// `BPF_PROG_TYPE_TRACING` of it.
const TRACING: u32 = 26;
/// `BPF_TRACE_FENTRY` of `enum bpf_attach_type`.
const FENTRY: u32 = 24;
/// `BPF_TRACE_FEXIT` of it.
const FEXIT: u32 = 25;

/// The programs' license, which their helpers ask for.
const LICENSE: &CStr = c"GPL";

/// Bytes of what the verifier says.
const VERIFIER_LOG: usize = 1 << 20;

/// Bytes of a name: `BPF_OBJ_NAME_LEN`.
const NAME: usize = 16;

/// A call's attributes: plain integers, pointers among them, of which the kernel reads as many bytes as it is told.
///
/// # Safety
///
/// Every address in it must be 0, or that of memory which the command may read or write as far as the attributes say. It must have
/// no padding, which has any value: the kernel reads all bytes.
unsafe trait Attributes {}

/// `BPF_LINK_TYPE_PERF_EVENT` of `enum bpf_link_type`.
const LINK_OF_PERF_EVENT: u32 = 7;
/// `BPF_PERF_EVENT_KPROBE` and `BPF_PERF_EVENT_KRETPROBE` of `enum bpf_perf_event_type`.
const PERF_EVENT_KPROBES: [u32; 2] = [3, 4];

/// What `BPF_MAP_CREATE` takes, up to the last field that is used.
#[repr(C)]
struct Map {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
}

/// What `BPF_PROG_LOAD` takes, up to the last field that is used.
#[repr(C)]
#[derive(Default)]
struct Load {
    prog_type: u32,
    insn_cnt: u32,
    insns: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log_buf: u64,
    kern_version: u32,
    prog_flags: u32,
    prog_name: [u8; NAME],
    prog_ifindex: u32,
    expected_attach_type: u32,
    prog_btf_fd: u32,
    func_info_rec_size: u32,
    func_info: u64,
    func_info_cnt: u32,
    line_info_rec_size: u32,
    line_info: u64,
    line_info_cnt: u32,
    attach_btf_id: u32,
    attach_btf_obj_fd: u32,
    /// Without it the structure would end in padding, which has any value; 7.3 takes that for a number of relocations.
    core_relo_cnt: u32,
}

const _: () = assert!(
    size_of::<Load>() == offset_of!(Load, core_relo_cnt) + size_of::<u32>(),
    "the kernel reads no padding"
);

/// What `BPF_RAW_TRACEPOINT_OPEN` takes; without a name the program is put where it was loaded for.
#[repr(C)]
struct Open {
    name: u64,
    prog_fd: u32,
    pad: u32,
}

/// What `BPF_*_GET_NEXT_ID` and `BPF_*_GET_FD_BY_ID` take.
#[repr(C)]
struct Id {
    id: u32,
    next_id: u32,
    open_flags: u32,
}

/// What `BPF_OBJ_GET_INFO_BY_FD` takes.
#[repr(C)]
struct Info {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// `struct bpf_btf_info`.
#[repr(C)]
#[derive(Default)]
struct BtfInfo {
    btf: u64,
    btf_size: u32,
    id: u32,
    name: u64,
    name_len: u32,
    kernel_btf: u32,
}

/// `struct bpf_link_info`, up to the last field that a kprobe's link has.
#[repr(C)]
#[derive(Default)]
struct LinkInfo {
    link_type: u32,
    id: u32,
    prog_id: u32,
    pad: u32,
    event_type: u32,
    pad2: u32,
    func_name: u64,
    name_len: u32,
    offset: u32,
    addr: u64,
    missed: u64,
    cookie: u64,
}

// SAFETY: there are no addresses.
unsafe impl Attributes for Map {}
// SAFETY: its addresses are those of slices and of the license, which outlive the call (`try_kprobe`, `TracingProgram::load_with`).
unsafe impl Attributes for Load {}
// SAFETY: the only address is 0.
unsafe impl Attributes for Open {}
// SAFETY: there are no addresses; the kernel writes `next_id`.
unsafe impl Attributes for Id {}
// SAFETY: the kernel writes a structure of `info_len` bytes and the name that one points to, all of which outlive the call
// (`is_types_of`, `kprobe_misses`, `program_misses`).
unsafe impl Attributes for Info {}

fn bpf<A: Attributes>(command: libc::c_long, attributes: &mut A) -> io::Result<RawFd> {
    // SAFETY: `Attributes` says that all the kernel reads and writes is there.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut *attributes, size_of::<A>()) };
    match RawFd::try_from(result) {
        Ok(result) if result >= 0 => Ok(result),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A command whose result is a descriptor.
fn bpf_fd<A: Attributes>(command: libc::c_long, attributes: &mut A) -> io::Result<OwnedFd> {
    let fd = bpf(command, attributes)?;
    // SAFETY: the kernel has just opened it for us, close-on-exec.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn number(fd: &OwnedFd) -> u32 {
    // A descriptor is never negative.
    fd.as_raw_fd().unsigned_abs()
}

/// Makes the smallest map there is, to see whether this process may. It is gone at once.
///
/// # Errors
///
/// The kernel's answer.
pub(super) fn make_map() -> io::Result<()> {
    let mut map = Map {
        map_type: ARRAY,
        key_size: 4,
        value_size: 4,
        max_entries: 1,
    };
    bpf_fd(command::MAP_CREATE, &mut map).map(drop)
}

/// Whether the verifier accepts a program for kprobes. It is gone at once.
///
/// # Errors
///
/// The kernel's answer.
pub(super) fn try_kprobe(instructions: &[bpf_insn]) -> io::Result<()> {
    let mut load = Load {
        prog_type: KPROBE,
        insn_cnt: u32::try_from(instructions.len()).map_err(io::Error::other)?,
        insns: instructions.as_ptr() as u64,
        license: LICENSE.as_ptr() as u64,
        ..Load::default()
    };
    bpf_fd(command::PROG_LOAD, &mut load).map(drop)
}

/// A program to be loaded for a function.
pub(super) struct TracingProgram<'a> {
    pub(super) name: &'a str,
    pub(super) instructions: &'a [bpf_insn],
    /// Whether it runs at the function's return.
    pub(super) at_return: bool,
    /// The function's number in the kernel's types.
    pub(super) function: u32,
    /// The types that the number is of; `None`: those of vmlinux.
    pub(super) types: Option<&'a OwnedFd>,
}

impl TracingProgram<'_> {
    /// Has the verifier check it. The kernel keeps it until the descriptor is closed.
    pub(super) fn load(&self) -> io::Result<OwnedFd> {
        self.load_with(&mut [])
    }

    /// The verifier's last words about it; empty where it says nothing.
    pub(super) fn objection(&self) -> String {
        let mut log = vec![0; VERIFIER_LOG];
        if self.load_with(&mut log).is_ok() {
            return String::new();
        }
        let length = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
        let text = String::from_utf8_lossy(&log[..length]);
        let mut lines = text.lines().filter(|line| !line.starts_with("processed "));
        lines.next_back().unwrap_or_default().to_owned()
    }

    fn load_with(&self, log: &mut [u8]) -> io::Result<OwnedFd> {
        let mut name = [0; NAME];
        // The last byte stays 0.
        let bytes = self.name.bytes().take(NAME - 1);
        name.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        let length = |length: usize| u32::try_from(length).map_err(io::Error::other);
        let mut load = Load {
            prog_type: TRACING,
            insn_cnt: length(self.instructions.len())?,
            insns: self.instructions.as_ptr() as u64,
            license: LICENSE.as_ptr() as u64,
            prog_name: name,
            expected_attach_type: if self.at_return { FEXIT } else { FENTRY },
            attach_btf_id: self.function,
            attach_btf_obj_fd: self.types.map_or(0, number),
            ..Load::default()
        };
        if !log.is_empty() {
            load.log_level = 1;
            load.log_size = length(log.len())?;
            load.log_buf = log.as_mut_ptr() as u64;
        }
        bpf_fd(command::PROG_LOAD, &mut load)
    }
}

/// Puts a program on the function that it was loaded for. Closing what it gives takes it off again.
pub(super) fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    let mut open = Open {
        name: 0,
        prog_fd: number(program),
        pad: 0,
    };
    bpf_fd(command::RAW_TRACEPOINT_OPEN, &mut open)
}

/// The type information of a module, among all that the kernel has: takes `CAP_SYS_ADMIN`.
///
/// # Errors
///
/// `NotFound` when there is none of this name; else the kernel's answer.
pub(super) fn types_of_module(module: &str) -> io::Result<OwnedFd> {
    let mut last = 0;
    loop {
        let mut next = Id {
            id: last,
            next_id: 0,
            open_flags: 0,
        };
        // ENOENT after the last one.
        bpf(command::BTF_GET_NEXT_ID, &mut next)?;
        last = next.next_id;
        let mut id = Id {
            id: last,
            next_id: 0,
            open_flags: 0,
        };
        match bpf_fd(command::BTF_GET_FD_BY_ID, &mut id) {
            Ok(types) if is_types_of(&types, module)? => return Ok(types),
            Ok(_) => {}
            // It has gone meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether these are the kernel's types of a module, and not types of a program.
fn is_types_of(types: &OwnedFd, module: &str) -> io::Result<bool> {
    let mut name = [0_u8; 64];
    let mut found = BtfInfo {
        name: name.as_mut_ptr() as u64,
        name_len: name.len() as u32,
        ..BtfInfo::default()
    };
    let mut info = Info {
        bpf_fd: number(types),
        info_len: size_of::<BtfInfo>() as u32,
        info: (&raw mut found) as u64,
    };
    match bpf(command::OBJ_GET_INFO_BY_FD, &mut info) {
        Ok(_) => {}
        // A longer name than any we look for.
        Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => return Ok(false),
        Err(error) => return Err(error),
    }
    let name = CStr::from_bytes_until_nul(&name).map_err(io::Error::other)?;
    Ok(found.kernel_btf != 0 && name.to_bytes() == module.as_bytes())
}

/// Hits of the kprobe of a link that did not fire; `None` where the kernel does not count them, or it is no kprobe's.
pub(super) fn kprobe_misses(link: RawFd) -> Option<u64> {
    let mut found = LinkInfo::default();
    let mut info = Info {
        bpf_fd: u32::try_from(link).ok()?,
        info_len: size_of::<LinkInfo>() as u32,
        info: (&raw mut found) as u64,
    };
    bpf(command::OBJ_GET_INFO_BY_FD, &mut info).ok()?;
    let is_kprobe =
        found.link_type == LINK_OF_PERF_EVENT && PERF_EVENT_KPROBES.contains(&found.event_type);
    is_kprobe.then_some(found.missed)
}

/// Hits at which a program did not run, as it or another kprobe's was running; `None` where the kernel does not count them.
pub(super) fn program_misses(program: RawFd) -> Option<u64> {
    const WORD: usize = size_of::<u64>();
    const MISSES: usize = offset_of!(bpf_prog_info, recursion_misses) / WORD;
    // Zeros where addresses would be: no instructions are asked for, and none of the other lists.
    let mut found = [0_u64; MISSES + 1];
    let mut info = Info {
        bpf_fd: u32::try_from(program).ok()?,
        info_len: size_of_val(&found) as u32,
        info: found.as_mut_ptr() as u64,
    };
    bpf(command::OBJ_GET_INFO_BY_FD, &mut info).ok()?;
    let written = usize::try_from(info.info_len).ok()?;
    (written >= size_of_val(&found)).then_some(found[MISSES])
}
