//! Local sockets, and the processes that hold them.

use std::{net::IpAddr, sync::Arc};

use crate::{reading::workload::Workload, text::Text};

/// A socket that belongs to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// IANA number of its protocol.
    pub protocol: u8,
    /// Local address; unspecified (`0.0.0.0`, `::`) when it is bound to all.
    pub local: IpAddr,
    /// Local port.
    pub port: u16,
    /// Remote address; unspecified when it is not connected.
    pub remote: IpAddr,
    /// Its inode number, which `/proc/PID/fd` shows as `socket:[…]`.
    pub inode: u64,
}

/// The program that a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// The process's name (`comm`).
    pub name: Text,
    /// What it belongs to, as far as that is known.
    pub workload: Option<Arc<Workload>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its process id.
    pub pid: u32,
    /// The program it runs.
    pub program: Program,
}
