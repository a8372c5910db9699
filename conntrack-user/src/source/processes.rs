//! Finds the processes that hold sockets, and what they belong to.

use std::{collections::HashMap, fs, path::Path, rc::Rc};

use crate::{
    files,
    reading::sockets::{Process, Program},
    source::workloads::WorkloadReader,
};

/// The most sockets to keep, of all processes together, in some 50 MB; of further sockets no process is known.
const SOCKETS: usize = 1 << 20;

/// The most bytes of `comm` that are read. The kernel's has 16 (`TASK_COMM_LEN`).
const COMM_BYTES: u64 = 4 << 10;

/// The process that holds each socket, by the socket's inode number. Processes that cannot be read (they have ended, or belong
/// to another user) are left out.
#[must_use]
pub fn by_socket(proc: &Path, workloads: &mut WorkloadReader) -> HashMap<u64, Rc<Process>> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let path = entry.path();
        let mut process: Option<Rc<Process>> = None;
        for fd in fs::read_dir(path.join("fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let Some(inode) = fs::read_link(fd.path())
                .ok()
                .and_then(|link| inode(link.to_str()?))
            else {
                continue;
            };
            if found.len() >= SOCKETS {
                return found;
            }
            let process = process.get_or_insert_with(|| describe(&path, pid, workloads).into());
            // Of processes that share a socket, the first is taken.
            found.entry(inode).or_insert_with(|| Rc::clone(process));
        }
    }
    found
}

/// The most bytes of a process's environment that are searched.
const MAX_ENVIRONMENT: u64 = 1 << 20;

/// The processes that were started with this variable, given as `NAME=VALUE`. Those that cannot be read are left out.
#[must_use]
pub fn started_with(proc: &Path, variable: &str) -> Vec<u32> {
    let has_it = |process: &Path| {
        let variables = files::read(&process.join("environ"), MAX_ENVIRONMENT).unwrap_or_default();
        let mut variables = variables.split(|&byte| byte == 0);
        variables.any(|found| found == variable.as_bytes())
    };
    let entries = fs::read_dir(proc).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            has_it(&entry.path()).then_some(pid)
        })
        .collect()
}

/// The inode number in a link such as `socket:[12345]`.
fn inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?
        .strip_suffix(']')?
        .parse()
        .ok()
}

fn describe(path: &Path, pid: u32, workloads: &mut WorkloadReader) -> Process {
    let comm = files::read_start(&path.join("comm"), COMM_BYTES).unwrap_or_default();
    Process {
        pid,
        program: Program {
            name: comm.trim().to_owned().into(),
            workload: workloads.of_process(path),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, os::fd::AsRawFd};

    use super::*;

    #[test]
    fn our_own_socket_is_ours() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let link = fs::read_link(format!("/proc/self/fd/{}", socket.as_raw_fd())).unwrap();
        let inode = inode(link.to_str().unwrap()).unwrap();
        let found = by_socket(Path::new("/proc"), &mut WorkloadReader::new(None));
        assert_eq!(found[&inode].pid, std::process::id());
    }

    /// A process may call itself anything (prctl's `PR_SET_NAME`).
    #[test]
    fn a_name_of_any_bytes_is_shown_neutralised() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("comm"), b"\x1b[2J\xff\n").unwrap();
        let process = describe(dir.path(), 7, &mut WorkloadReader::new(None));
        assert_eq!(process.program.name, "\u{1b}[2J\u{fffd}");
        assert_eq!(process.program.name.to_string(), "\\u{1b}[2J\u{fffd}");
    }
}
