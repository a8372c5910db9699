//! Strips programs, with their symbols in a separate file next to them, and the eBPF object.
//!
//! Cargo cannot do both: `strip` discards the symbols, and `split-debuginfo` leaves those of functions in the program. So the
//! linker's output is split afterwards, with the objcopy of the pinned compiler.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::process;
use crate::toolchain::Toolchain;

/// The extension of the file with the symbols.
const EXTENSION: &str = "debug";

/// The file with the symbols of a program.
pub(crate) fn of(program: &Path) -> PathBuf {
    program.with_added_extension(EXTENSION)
}

/// Writes an eBPF object without what is for debugging, which is nine tenths of it, beside it, and returns the path. BTF, which
/// the kernel uses for maps, stays. Which line an instruction is from goes, too: it is as large as the rest, would be read at each
/// start, and the kernel would keep it for each program.
///
/// # Errors
/// When it cannot be read or written.
pub(crate) fn without_debug(toolchain: &Toolchain, object: &Path) -> Result<PathBuf> {
    let stripped = object.with_added_extension("o");
    let made = |path: &Path| path.metadata().and_then(|metadata| metadata.modified());
    // Cargo would take a newer file for another one, and build ctpulse again.
    if made(&stripped).ok() <= made(object).ok() {
        process::run(
            toolchain
                .objcopy()?
                .arg("--strip-debug")
                .arg("--remove-section=.BTF.ext")
                .arg(object)
                .arg(&stripped),
        )?;
    }
    Ok(stripped)
}

/// Writes a linked program to a directory without its symbols, which go to a separate file where a debugger finds them
/// (`.gnu_debuglink`). Returns the path of the program.
///
/// # Errors
/// When the directory or the files cannot be written.
pub(crate) fn split(toolchain: &Toolchain, linked: &Path, into: &Path) -> Result<PathBuf> {
    fs::create_dir_all(into).with_context(|| format!("cannot create {}", into.display()))?;
    let name = linked
        .file_name()
        .with_context(|| format!("{} has no name", linked.display()))?;
    let program = into.join(name);
    let symbols = of(&program);
    let mut keep = toolchain.objcopy()?;
    process::run(keep.arg("--only-keep-debug").arg(linked).arg(&symbols))?;
    let mut strip = toolchain.objcopy()?;
    // The link contains a checksum of the symbols file, so that must exist first.
    strip
        .arg("--strip-all")
        .arg(format!("--add-gnu-debuglink={}", symbols.display()));
    process::run(strip.arg(linked).arg(&program))?;
    Ok(program)
}
