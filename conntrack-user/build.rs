//! Embeds the eBPF object that `cargo xtask build` compiled and names in `CTPULSE_EBPF_OBJECT`, if it fits
//! the table of probes.
//!
//! Without it (a bare `cargo build`, an editor's `cargo check`) an empty file is embedded, and the
//! binary says that it was built without its probes.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a build script talks to cargo over standard output, and writes what is embedded"
)]

use std::{
    env,
    error::Error,
    fs,
    io::Write,
    path::{Path, PathBuf},
    process,
};

use conntrack_ebpf::table::PROBES;
use flate2::{Compression, write::DeflateEncoder};

#[path = "build/object_check/mod.rs"]
mod object_check;

const VARIABLE: &str = "CTPULSE_EBPF_OBJECT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let embedded = PathBuf::from(env::var("OUT_DIR")?).join("ctpulse.bpf.o.deflated");
    let compressed = match env::var_os(VARIABLE) {
        Some(object) => {
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
            encoder.write_all(&read(Path::new(&object))?)?;
            encoder.finish()?
        }
        None => Vec::new(),
    };
    fs::write(&embedded, compressed).map_err(|e| format!("{}: {e}", embedded.display()))?;
    Ok(())
}

/// The object, which is what the table says; ends the build where it is not.
fn read(path: &Path) -> Result<Vec<u8>, String> {
    println!("cargo::rerun-if-changed={}", path.display());
    let object = fs::read(path).map_err(|e| format!("{VARIABLE}={}: {e}", path.display()))?;
    let processor = env::var("CARGO_CFG_TARGET_ARCH").map_err(|e| format!("the processor: {e}"))?;
    if let Err(breaches) = object_check::check(&object, &PROBES, &processor) {
        for breach in breaches {
            println!("cargo::error={}: {breach}", path.display());
        }
        println!(
            "cargo::error=the eBPF object is not what conntrack-ebpf/src/contract/table.rs says, or not for this processor: \
             make both agree; if the object is only older than the table, run `cargo xtask build`"
        );
        process::exit(1);
    }
    Ok(object)
}
