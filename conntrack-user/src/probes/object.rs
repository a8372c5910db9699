//! The eBPF object that is embedded in this binary. The build has checked that its programs are those of `conntrack_ebpf::table`,
//! and that they read no other kernel fields than the table says (`build/object_check`).

use std::io::{self, Read};

use flate2::read::DeflateDecoder;

/// The object file, compressed to a seventh; nothing where the build did not embed one.
static COMPRESSED: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/ctpulse.bpf.o.deflated"));

/// Whether the build embedded one.
#[must_use]
pub fn is_embedded() -> bool {
    !COMPRESSED.is_empty()
}

/// The object file; empty where the build did not embed one.
///
/// # Errors
///
/// When this binary is damaged.
pub fn embedded() -> io::Result<Vec<u8>> {
    let mut object = Vec::new();
    if is_embedded() {
        DeflateDecoder::new(COMPRESSED).read_to_end(&mut object)?;
    }
    Ok(object)
}

#[cfg(test)]
#[path = "../../build/object_check/mod.rs"]
mod object_check;
