//! `cargo xtask run`: build ctpulse and run it as root.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::architecture::Architecture;
use crate::build;
use crate::process::{self, say};
use crate::toolchain::{self, Toolchain};

/// Build ctpulse and run it as root (with sudo when needed).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments for ctpulse
    #[arg(last = true)]
    args: Vec<String>,
}

/// sudo, where we are not root. It asks for a password now: nobody waits for a build to be refused after it.
fn sudo_if_needed() -> Result<Option<PathBuf>> {
    if process::is_root() {
        return Ok(None);
    }
    let Some(sudo) = process::find("sudo") else {
        bail!(
            "ctpulse needs root to count in the kernel, and there is no sudo: build it with `cargo xtask build`, and run the file \
             that it names as root"
        );
    };
    say("ctpulse needs root to count in the kernel: asking sudo before the build");
    process::run(Command::new(&sudo).arg("--validate"))
        .context("sudo refuses; `cargo xtask build` builds without it")?;
    Ok(Some(sudo))
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let sudo = sudo_if_needed()?;
    let binary = build::all(&Toolchain::ensure(Architecture::HOST)?, Architecture::HOST)?.binary;
    let mut command = match sudo {
        None => Command::new(&binary),
        Some(sudo) => {
            let mut command = Command::new(sudo);
            command.arg("--").arg(&binary);
            command
        }
    };
    command.args(&args.args);
    // Replaces xtask, so that ctpulse gets signals itself and its exit status is passed on.
    let error = toolchain::clean(&mut command).exec();
    Err(error).with_context(|| format!("cannot run {}", binary.display()))
}
