//! `cargo xtask dist`: the files for users: the static binary, its symbols, shell completions, man pages.

use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::toolchain::Toolchain;
use crate::{build, docs, man, paths, process, symbols};

/// Build the static binary, its symbols, shell completions and man pages; their directory is the last line
/// on standard output.
///
/// Completions and the man pages of commands come from the definition of the command line: the binary writes them. The manual's
/// pages are added to those, or become man pages of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

pub(crate) fn main(_args: &Args) -> Result<ExitCode> {
    let artifacts = build::all(&Toolchain::ensure()?)?;
    let dist = paths::target().join("dist");
    // Remove everything of an earlier build.
    match fs::remove_dir_all(&dist) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", dist.display()));
        }
        _ => {}
    }
    fs::create_dir_all(&dist).with_context(|| format!("cannot create {}", dist.display()))?;
    process::run(
        Command::new(&artifacts.binary)
            .args(["generate", "files"])
            .arg(&dist),
    )?;
    man::add(&docs::directory(), &dist.join("man"))?;
    for file in [&artifacts.binary, &symbols::of(&artifacts.binary)] {
        let copy = dist.join(file.file_name().context("a file without a name")?);
        fs::copy(file, &copy)
            .with_context(|| format!("cannot copy {} to {}", file.display(), copy.display()))?;
    }
    writeln!(io::stdout(), "{}", dist.display()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
