//! `cargo xtask dist`: the files for users: the static binary, its symbols, shell completions and man pages, and packages of them.
//!
//! Everything in them has the time of the newest commit, no owner and a fixed order, and the compiler is told other paths than those of
//! this machine: who builds the same sources gets the same bytes.

mod image;
mod pack;
mod sbom;
mod staging;
mod sums;
mod system;
mod tarball;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::architecture::{Architecture, Choice};
use crate::toolchain::Toolchain;
use crate::{build, docs, man, paths, process, symbols};
use staging::Staged;

/// Build the static binary, its symbols, shell completions and man pages; their directory is the last line
/// on standard output.
///
/// With --packages also a tarball with an install script, a .deb, an .rpm, a container image, a list of what they are made of, and
/// checksums. Completions and the man pages of commands come from the definition of the command line: the binary writes them. The
/// manual's pages are added to those, or become man pages of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,

    /// Make packages too
    #[arg(long)]
    packages: bool,
}

/// The version of all that is made.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let architecture = args.choice.architecture;
    let dist = if args.packages {
        packages(architecture)?
    } else {
        files(architecture)?.0
    };
    writeln!(io::stdout(), "{}", dist.display()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Builds everything, and makes packages of it. Returns the directory where all of that is.
///
/// # Errors
/// When something cannot be built, or a tool cannot be had.
pub(crate) fn packages(architecture: Architecture) -> Result<PathBuf> {
    let (dist, runs_here) = files(architecture)?;
    let toolchain = Toolchain::ensure(architecture)?;
    let staged = Staged::make(architecture, &dist, &runs_here)?;
    tarball::make(&staged, &dist)?;
    image::make(&staged, &dist)?;
    system::make(&toolchain, &staged, &dist)?;
    sbom::make(&toolchain, &staged, &dist)?;
    sums::make(&dist)?;
    Ok(dist)
}

/// Builds the files for a processor. Returns their directory, and a ctpulse that runs on this machine.
fn files(architecture: Architecture) -> Result<(PathBuf, PathBuf)> {
    let toolchain = Toolchain::ensure(architecture)?;
    let artifacts = build::all(&toolchain, architecture)?;
    let dist = paths::target().join(architecture.named("dist"));
    empty(&dist)?;
    // For another processor too, this machine's binary writes them.
    let host = Architecture::HOST;
    let runs_here = if architecture.is_host() {
        artifacts.binary.clone()
    } else {
        build::all(&Toolchain::ensure(host)?, host)?.binary
    };
    process::run(
        Command::new(&runs_here)
            .args(["generate", "files"])
            .arg(&dist),
    )?;
    man::add(&docs::directory(), &dist.join("man"))?;
    for file in [&artifacts.binary, &symbols::of(&artifacts.binary)] {
        copy_file(
            file,
            &dist.join(file.file_name().context("a file without a name")?),
        )?;
    }
    Ok((dist, runs_here))
}

/// Makes an empty directory, without anything of an earlier build.
fn empty(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", dir.display()));
        }
        _ => {}
    }
    fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))
}

fn copy_file(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

fn write_file(path: &Path, bytes: impl AsRef<[u8]>) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
