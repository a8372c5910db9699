//! Local sockets, and the processes that hold them.

use std::net::IpAddr;

use crate::text::Text;

/// A socket that belongs to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// Its protocol's number.
    pub protocol: u8,
    /// Its own address; unspecified where it takes any.
    pub local: IpAddr,
    /// Its own port.
    pub port: u16,
    /// Who it is connected to; unspecified where it is not.
    pub remote: IpAddr,
    /// Its inode number, by which processes hold it.
    pub inode: u64,
}

/// What a process runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Its name (`comm`).
    pub name: Text,
    /// The container it runs in.
    pub container: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// What it runs.
    pub program: Program,
}
