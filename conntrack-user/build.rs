//! Embeds the eBPF object that `cargo xtask build` compiled and names in `CTPULSE_EBPF_OBJECT`.
//!
//! Without it (a bare `cargo build`, an editor's `cargo check`) an empty file is embedded, and the
//! binary says that it was built without its probes.

use std::{env, error::Error, fs, path::PathBuf};

const VARIABLE: &str = "CTPULSE_EBPF_OBJECT";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    let embedded = PathBuf::from(env::var("OUT_DIR")?).join("ctpulse.bpf.o");
    match env::var_os(VARIABLE) {
        Some(object) => {
            println!("cargo::rerun-if-changed={}", object.display());
            fs::copy(&object, &embedded)
                .map_err(|e| format!("{VARIABLE}={}: {e}", object.display()))?;
        }
        None => fs::write(&embedded, [])?,
    }
    Ok(())
}
