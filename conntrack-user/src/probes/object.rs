//! The eBPF object that is embedded in this binary. The build has checked that its programs are those of `conntrack_ebpf::table`,
//! and that they read no other kernel fields than the table says (`build/object_check`).

use aya::include_bytes_aligned;

/// The object file, or nothing where the build did not embed one.
pub static OBJECT: &[u8] = include_bytes_aligned!(concat!(env!("OUT_DIR"), "/ctpulse.bpf.o"));

#[cfg(test)]
#[path = "../../build/object_check/mod.rs"]
mod object_check;
