//! Reads the kernel into [`crate::reading`]: procfs, netlink and the eBPF programs' maps. All input from the kernel is read
//! here, except for what [`crate::probes`] finds out about the host.

pub mod buckets;
pub mod cpus;
pub mod ctnetlink;
pub mod denied;
pub mod feed;
pub mod foreign_proc;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
pub mod hooks;
pub mod instance;
pub mod kernel;
pub mod maps;
pub mod namespaces;
pub mod nfnetlink;
pub mod other_tables;
pub mod own_addresses;
pub mod own_usage;
pub mod proc_files;
pub mod proc_fs;
pub mod processes;
pub mod sockets;
pub mod table_limits;
pub mod workloads;
