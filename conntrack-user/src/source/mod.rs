//! The way in: from the kernel to snapshots. The only reading of the outside world besides
//! [`crate::probes`], which looks once at what the host offers.

pub mod buckets;
pub mod cpus;
pub mod ctnetlink;
pub mod hooks;
pub mod instance;
pub mod kernel;
pub mod maps;
pub mod namespaces;
pub mod nfnetlink;
pub mod own_usage;
pub mod proc_fs;
pub mod processes;
pub mod sockets;
