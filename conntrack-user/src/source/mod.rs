//! The way in: from the kernel to [`crate::reading`]. All IO on the way in is here, except for what [`crate::probes`]
//! finds out about the host.

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
