//! What fuzzing gives to the readers of the kernel.

use super::{ctnetlink, sockets, workloads};
use crate::reading::{cpus::cpu_list, table_limits::SlabUse};

/// Answers of ctnetlink.
pub fn ctnetlink(data: &[u8]) {
    ctnetlink::fuzz::answers(data);
}

/// Files of the host that others may have filled: the first byte says which.
pub fn host_files(data: &[u8]) {
    let Some((&which, bytes)) = data.split_first() else {
        return;
    };
    let text = String::from_utf8_lossy(bytes);
    match which % 5 {
        0 => {
            for line in text.lines() {
                let _ = sockets::parse(line, 6);
            }
        }
        1 => workloads::fuzz::cgroup(&text),
        2 => {
            if let Some(cpus) = cpu_list(&text) {
                assert!(cpus.len() <= 1 << 20, "{} CPUs", cpus.len());
            }
        }
        3 => {
            if let Some(slab) = SlabUse::parse(&text, "nf_conntrack", 4096) {
                assert!(!slab.object_bytes.is_nan());
            }
        }
        _ => workloads::fuzz::names(bytes),
    }
}
