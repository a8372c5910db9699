//! `cargo xtask dist`: the files for users: the static binary, its symbols, shell completions, man pages.

use std::fs;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::architecture::{Architecture, Choice};
use crate::toolchain::Toolchain;
use crate::{build, docs, man, paths, process, symbols};

/// Build the static binary, its symbols, shell completions and man pages; their directory is the last line
/// on standard output.
///
/// Completions and the man pages of commands come from the definition of the command line: the binary writes them. The manual's
/// pages are added to those, or become man pages of their own.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    choice: Choice,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let architecture = args.choice.architecture;
    let artifacts = build::all(&Toolchain::ensure(architecture)?, architecture)?;
    let dist = paths::target().join(architecture.named("dist"));
    // Remove everything of an earlier build.
    match fs::remove_dir_all(&dist) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove {}", dist.display()));
        }
        _ => {}
    }
    fs::create_dir_all(&dist).with_context(|| format!("cannot create {}", dist.display()))?;
    // For another processor too, this machine's binary writes them.
    let host = Architecture::HOST;
    let runs_here = if architecture.is_host() {
        artifacts.binary.clone()
    } else {
        build::all(&Toolchain::ensure(host)?, host)?.binary
    };
    process::run(
        Command::new(runs_here)
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
