//! `cargo xtask run`: build ctpulse and run it as root.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::architecture::Architecture;
use crate::build;
use crate::process;
use crate::toolchain::{self, Toolchain};

/// Build ctpulse and run it as root (with sudo when needed).
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Arguments for ctpulse
    #[arg(last = true)]
    args: Vec<String>,
}

pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let binary = build::all(&Toolchain::ensure(Architecture::HOST)?, Architecture::HOST)?.binary;
    let mut command = if process::is_root() {
        Command::new(&binary)
    } else if let Some(sudo) = process::find("sudo") {
        let mut command = Command::new(sudo);
        command.arg("--").arg(&binary);
        command
    } else {
        bail!(
            "ctpulse needs root to count in the kernel, and there is no sudo: run {} as root",
            binary.display()
        );
    };
    command.args(&args.args);
    // Replaces xtask, so that ctpulse gets signals itself and its exit status is passed on.
    let error = toolchain::clean(&mut command).exec();
    Err(error).with_context(|| format!("cannot run {}", binary.display()))
}
